"""Images of every kind come out as they look."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as vision

from tests.data.prepare.images.pictures import encode, noise, smooth
from tui_trainer.data.prepare.images.decoding import decode_image, quiet_decoding, read_head
from tui_trainer.data.prepare.images.image_form import Fit, ImageForm

RGB = ImageForm(0, "crop", "rgb")
GRAY = ImageForm(0, "crop", "gray")
LOSSLESS = [("PNG", {}), ("BMP", {}), ("PPM", {}), ("TIFF", {}), ("WEBP", {"lossless": True})]

# What the rows and columns of a stored picture are turned by, as EXIF defines it.
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


def test_lossless_files_come_back_pixel_by_pixel() -> None:
    pixels_HWC = noise(5, 7)
    for kind, options in LOSSLESS:
        found_CHW = decode_image(encode(pixels_HWC, kind, **options), RGB)
        assert found_CHW.dtype == np.uint8
        assert np.array_equal(found_CHW, pixels_HWC.transpose(2, 0, 1)), kind


def test_gray_files_give_one_channel_or_three_equal_ones() -> None:
    pixels_HW = noise(5, 7, 1)
    file = encode(pixels_HW, "PNG")
    assert np.array_equal(decode_image(file, GRAY), pixels_HW[None])
    assert np.array_equal(decode_image(file, RGB), np.stack([pixels_HW] * 3))


def test_color_in_a_gray_set_becomes_its_luma() -> None:
    pixels_HWC = noise(6, 6)
    luma_HW = pixels_HWC @ np.array([0.299, 0.587, 0.114])
    found_CHW = decode_image(encode(pixels_HWC, "PNG"), GRAY)
    assert found_CHW.shape == (1, 6, 6)
    assert np.abs(found_CHW[0] - luma_HW).max() <= 1


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), [LOSSLESS[0], LOSSLESS[3], LOSSLESS[4]])
def test_images_are_turned_as_exif_says(kind: str, options: dict[str, bool], turn: int) -> None:
    pixels_HWC = noise(4, 6)
    exif = Image.Exif()
    exif[0x0112] = turn
    file = encode(pixels_HWC, kind, exif=exif, **options)
    expected_HWC = TURNS[turn](pixels_HWC)
    assert np.array_equal(decode_image(file, RGB), expected_HWC.transpose(2, 0, 1))
    head = read_head(file)
    assert (head.height, head.width) == expected_HWC.shape[:2]


@pytest.mark.parametrize("turn", [3, 6, 8])
def test_a_photo_is_turned_when_it_is_scaled_down_too(turn: int) -> None:
    photo = smooth(480, 640)
    exif = Image.Exif()
    exif[0x0112] = turn
    form = ImageForm(32, "stretch", "rgb")
    upright = decode_image(encode(photo, "PNG"), form).transpose(1, 2, 0)
    turned = decode_image(encode(photo, "JPEG", quality=95, exif=exif), form).transpose(1, 2, 0)
    assert np.abs(turned.astype(int) - TURNS[turn](upright)).mean() < 3


def test_transparent_parts_are_laid_on_white() -> None:
    half = np.full((2, 2, 4), (100, 0, 200, 0), np.uint8)
    half[0, :, 3] = 255
    half[1, 1, 3] = 51
    found_CHW = decode_image(encode(half, "PNG"), RGB)
    assert found_CHW[:, 0, 0].tolist() == [100, 0, 200]
    assert found_CHW[:, 1, 0].tolist() == [255, 255, 255]
    assert found_CHW[:, 1, 1].tolist() == [224, 204, 244]
    faint = Image.fromarray(np.array([[[50, 255], [50, 0]]], np.uint8), "LA")
    assert decode_image(encode(faint, "PNG"), GRAY).tolist() == [[[50, 255]]]


def test_the_color_below_full_transparency_does_not_bleed_into_its_neighbours() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (255, 255, 255, 255)
    found_CHW = decode_image(encode(pixels, "PNG"), ImageForm(3, "crop", "rgb"))
    assert found_CHW.min() >= 254


def test_palettes_and_their_transparent_entries_are_resolved() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert decode_image(encode(image, "PNG"), RGB)[:, 0].T.tolist() == [[10, 20, 30], [40, 50, 60]]
    seen = decode_image(encode(image, "PNG", transparency=0), RGB)
    assert seen[:, 0].T.tolist() == [[255, 255, 255], [40, 50, 60]]
    assert read_head(encode(image, "PNG")).has_color
    image.putpalette([10, 10, 10, 40, 40, 40])
    assert not read_head(encode(image, "PNG")).has_color


def test_a_color_that_stands_for_transparency_is_white() -> None:
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    found_CHW = decode_image(encode(pixels, "PNG", transparency=(1, 2, 3)), RGB)
    assert found_CHW[:, 0].T.tolist() == [[255, 255, 255], [4, 5, 6]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_are_scaled_to_eight(kind: str) -> None:
    values_HW = np.array([[0, 128, 129, 257], [32768, 65278, 65407, 65535]], np.uint16)
    found_CHW = decode_image(encode(values_HW, kind), GRAY)
    assert np.array_equal(found_CHW[0], np.rint(values_HW / 257).astype(np.uint8))


def test_sixteen_bits_of_many_rows_are_scaled_row_by_row() -> None:
    values_HW = np.random.default_rng(1).integers(0, 65536, (600, 3)).astype(np.uint16)
    found_CHW = decode_image(encode(values_HW, "PNG"), GRAY)
    assert np.array_equal(found_CHW[0], np.rint(values_HW / 257).astype(np.uint8))


def test_one_bit_is_black_and_white() -> None:
    image = Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert("1")
    for kind in ("PNG", "BMP", "TIFF", "GIF", "PPM"):
        assert decode_image(encode(image, kind), GRAY).tolist() == [[[0, 255], [255, 0]]], kind


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_inks_become_light(kind: str) -> None:
    image = Image.new("CMYK", (16, 8), (0, 0, 0, 0))
    image.paste((255, 0, 255, 0), (0, 0, 8, 8))
    found_CHW = decode_image(encode(image, kind), RGB)
    assert np.abs(found_CHW[:, 4, 3].astype(int) - [0, 255, 0]).max() <= 6
    assert found_CHW[:, 4, 13].min() >= 250


@pytest.mark.parametrize(
    ("kind", "options"), [("GIF", {}), ("WEBP", {"lossless": True}), ("PNG", {})]
)
def test_of_an_animation_the_first_picture_counts(kind: str, options: dict[str, bool]) -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    file = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(BytesIO(file)).n_frames == 3
    assert decode_image(file, RGB)[:, 2, 2].tolist() == [255, 0, 0]


def test_of_a_photo_with_a_second_one_in_it_the_first_counts() -> None:
    photo = smooth(32, 32)
    file = encode(photo, "MPO", save_all=True, append_images=[smooth(32, 32, seed=9)], quality=95)
    with quiet_decoding():
        found_CHW = decode_image(file, RGB)
    assert np.abs(found_CHW.transpose(1, 2, 0) - np.asarray(photo).astype(int)).mean() < 3


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}])
def test_photos_come_out_as_pillow_decodes_them(options: dict[str, int]) -> None:
    file = encode(smooth(33, 47), "JPEG", quality=90, **options)
    expected_HWC = np.asarray(Image.open(BytesIO(file)).convert("RGB"))
    assert np.array_equal(decode_image(file, RGB), expected_HWC.transpose(2, 0, 1))


@pytest.mark.parametrize("shape", [(30, 50), (50, 30), (40, 40), (8, 100)])
def test_crops_are_those_of_torchvision(shape: tuple[int, int]) -> None:
    pixels_HWC = np.asarray(smooth(*shape))
    image_CHW = torch.from_numpy(pixels_HWC.copy()).permute(2, 0, 1)
    resized = vision.resize(image_CHW, [16], antialias=True)
    expected_CHW = vision.center_crop(resized, [16, 16]).numpy()
    found_CHW = decode_image(encode(pixels_HWC, "PNG"), ImageForm(16, "crop", "rgb"))
    # The crop falls between two pixels here, and on one there.
    assert np.abs(found_CHW.astype(int) - expected_CHW).mean() < 6
    if shape[0] == shape[1]:
        assert np.abs(found_CHW.astype(int) - expected_CHW).max() <= 1


def test_padding_is_black_and_keeps_proportions() -> None:
    white = Image.new("RGB", (40, 20), "white")
    found_CHW = decode_image(encode(white, "PNG"), ImageForm(16, "pad", "rgb"))
    assert found_CHW.shape == (3, 16, 16)
    assert found_CHW[:, 4:12].min() == 255
    assert found_CHW[:, :4].max() == 0
    assert found_CHW[:, 12:].max() == 0
    tall = decode_image(encode(white.transpose(Image.Transpose.ROTATE_90), "PNG"), _pad("gray"))
    assert tall.shape == (1, 16, 16)
    assert tall[0, :, 4:12].min() == 255
    assert tall[0, :, :4].max() == 0


def _pad(color: str) -> ImageForm:
    return ImageForm(16, "pad", "gray" if color == "gray" else "rgb")


def test_bars_are_black_beside_what_was_transparent() -> None:
    clear = Image.new("RGBA", (40, 20), (0, 0, 0, 0))
    found_CHW = decode_image(encode(clear, "PNG"), _pad("rgb"))
    assert found_CHW[:, 4:12].min() == 255
    assert found_CHW[:, :4].max() == 0


def test_stretching_uses_all_of_the_image() -> None:
    halves = Image.new("L", (40, 10), 0)
    halves.paste(255, (20, 0, 40, 10))
    found_CHW = decode_image(encode(halves, "PNG"), ImageForm(8, "stretch", "gray"))
    assert found_CHW[0, :, :3].max() == 0
    assert found_CHW[0, :, 5:].min() == 255


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 2), (64, 64)])
def test_every_shape_is_brought_to_the_size(shape: tuple[int, int], fit: Fit) -> None:
    file = encode(Image.new("RGB", shape, (9, 9, 9)), "PNG")
    found_CHW = decode_image(file, ImageForm(7, fit, "rgb"))
    assert found_CHW.shape == (3, 7, 7)
    assert found_CHW.max() == 9


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_scaling_a_photo_down_while_it_is_decoded_changes_little(fit: Fit) -> None:
    photo = smooth(700, 1500)
    form = ImageForm(48, fit, "rgb")
    whole = decode_image(encode(photo, "PNG"), form).astype(int)
    scaled = decode_image(encode(photo, "JPEG", quality=95), form)
    assert np.abs(scaled - whole).mean() < 2


def test_heads_tell_size_and_color() -> None:
    gray, color = encode(noise(3, 4, 1), "JPEG"), encode(noise(3, 4), "JPEG")
    assert (read_head(gray).height, read_head(gray).width, read_head(gray).has_color) == (
        3,
        4,
        False,
    )
    assert read_head(color).has_color
