"""Images that are broken, or made to do harm, are refused with a reason and at once."""

from __future__ import annotations

import os
import pickle
import random
import struct
import zipfile
import zlib
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.prepare.images.pictures import encode, noise, png, png_chunk, smooth, tiff
from tui_trainer.data.prepare.images.decoding import (
    decode_image,
    quiet_decoding,
    read_head,
    read_image_file,
)
from tui_trainer.data.prepare.images.image_form import ImageForm, UnreadableImageError

RGB = ImageForm(0, "crop", "rgb")
SMALL = ImageForm(8, "crop", "rgb")
PHOTO = encode(smooth(40, 40), "JPEG", quality=90)
GROWN = zlib.compress(bytes(1 << 22))


def cut(kind: str, **options: bool) -> bytes:
    whole = encode(noise(40, 40), kind, **options)
    return whole[: len(whole) * 2 // 3]


def photo_of(width: int, height: int, *, progressive: bool = False) -> bytes:
    """A photo whose frame says that it is of another size."""
    file = bytearray(encode(smooth(16, 16), "JPEG", progressive=progressive))
    at = file.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    file[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(file)


def photo_of_many_scans() -> bytes:
    file = encode(Image.new("L", (4000, 4000)), "JPEG", progressive=True)
    last = file[file.rindex(b"\xff\xda") : -2]
    return file[:-2] + last * 100 + b"\xff\xd9"


def webp_of(width: int, height: int) -> bytes:
    """An extended WebP file that declares a canvas."""
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sides
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif_of(width: int, height: int) -> bytes:
    file = bytearray(encode(Image.new("P", (4, 4)), "GIF"))
    file[6:10] = struct.pack("<HH", width, height)
    return bytes(file)


def bmp_of(width: int, height: int) -> bytes:
    file = bytearray(encode(noise(4, 4), "BMP"))
    file[18:26] = struct.pack("<ii", width, height)
    return bytes(file)


def zipped() -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", png(1, 1))
    return buffer.getvalue()


def commented(kind: bytes, head: bytes) -> bytes:
    comment = png_chunk(kind, head + zlib.compress(bytes(1 << 26)))
    return png(4, 4, zlib.compress(bytes(20)), comment)


def damaged() -> bytes:
    file = bytearray(encode(noise(8, 8), "PNG"))
    file[file.index(b"IDAT") + 30] ^= 1
    return bytes(file)


def tiled_tiff(side: int) -> bytes:
    return tiff(
        (256, 4, 1, 32),
        (257, 4, 1, 32),
        (258, 3, 1, 8),
        (259, 3, 1, 8),
        (262, 3, 1, 1),
        (322, 4, 1, side),
        (323, 4, 1, side),
        (324, 4, 1, 8),
        (325, 4, 1, 8),
    )


FORMATS = "it is no JPEG, PNG, WebP, GIF, BMP, TIFF or PPM image"
TOO_MANY = "million pixels"
CUT = "it is cut short"

BAD_IMAGES: dict[str, tuple[bytes, str]] = {
    "text": (b"Not found\n" * 50, FORMATS),
    "a web page": (b"<!DOCTYPE html><html><body>404</body></html>", FORMATS),
    "a drawing in XML": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", FORMATS),
    "a program for a printer": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9", FORMATS),
    "a document": (b"%PDF-1.7\n1 0 obj<<>>endobj", FORMATS),
    "a pickle": (pickle.dumps({"image": 1}), FORMATS),
    "an archive": (zipped(), FORMATS),
    "an icon, whose decoder opens others": (encode(noise(16, 16), "ICO"), FORMATS),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", FORMATS),
    "one byte": (b"\xff", FORMATS),
    "only the first bytes of a photo": (b"\xff\xd8\xff", ""),
    "only the first bytes of a PNG": (b"\x89PNG\r\n\x1a\n", ""),
    "a photo cut short": (cut("JPEG"), CUT),
    "a progressive photo cut short": (cut("JPEG", progressive=True), CUT),
    "a PNG cut short": (cut("PNG"), CUT),
    "a GIF cut short": (cut("GIF"), ""),
    "a WebP cut short": (cut("WEBP"), ""),
    "a BMP cut short": (cut("BMP"), CUT),
    "a TIFF cut short": (cut("TIFF"), ""),
    "a PPM cut short": (cut("PPM"), CUT),
    "a PNG with a bit turned": (damaged(), "broken data stream"),
    "no pixel data": (png(4, 4), ""),
    "no width": (png(0, 4, zlib.compress(bytes(4))), ""),
    "no height in a PPM": (b"P6 4 0 255\n", ""),
    "a photo without tables": (PHOTO[:20] + PHOTO[-400:], ""),
    "a PNG that declares 10 billion pixels": (png(100_000, 100_000, GROWN), TOO_MANY),
    "a PNG that declares a line of 2 billion": (png(2_000_000_000, 1, GROWN), TOO_MANY),
    "a PNG that grows a thousandfold": (
        png(5001, 5001, zlib.compress(bytes(5002 * 5001))),
        TOO_MANY,
    ),
    "a photo that declares 4 billion pixels": (photo_of(65_500, 65_500), TOO_MANY),
    "a progressive photo of 30 million": (photo_of(5500, 5500, progressive=True), TOO_MANY),
    "a photo of a hundred passes": (photo_of_many_scans(), "passes"),
    "a GIF that declares 4 billion pixels": (gif_of(65_535, 65_535), TOO_MANY),
    "a BMP that declares a billion pixels": (bmp_of(32_000, 32_000), TOO_MANY),
    "a BMP of negative width": (bmp_of(-4, 4), ""),
    "a WebP that declares 268 million pixels": (webp_of(16_383, 16_383), ""),
    "a PPM that declares a trillion pixels": (b"P6 1000000 1000000 255\n" + bytes(99), TOO_MANY),
    "a PPM of a number without end": (b"P6 " + b"9" * 100_000 + b" 1 255\n", ""),
    "a long PPM written as text": (b"P3 2000 2000 255\n" + b"7 " * 4_300_000, "written as text"),
    "a TIFF of huge tiles": (tiled_tiff(60_000), "tiles larger"),
    "a TIFF of a million pieces": (tiff((273, 4, 1 << 20, 8)), "pieces"),
    "a TIFF of 60,000 tags": (tiff(*[(254, 4, 1, 0)] * 60_000), "tags"),
    "a TIFF whose directory is followed by itself": (tiff((256, 4, 1, 1), next_at=8), ""),
    "a TIFF whose directory lies outside": (b"II*\0\xf0\xff\xff\xff", ""),
    "a TIFF of floats": (encode(noise(4, 4, 1).astype(np.float32), "TIFF"), "no fixed range"),
    "a TIFF of 32 bits": (encode(noise(4, 4, 1).astype(np.int32), "TIFF"), "no fixed range"),
    "a PNG comment that grows to 64 MB": (commented(b"zTXt", b"a\0\0"), "Decompressed"),
    "a PNG text that grows to 64 MB": (commented(b"iTXt", b"a\0\1\0\0\0"), "Decompressed"),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("form", [RGB, SMALL], ids=["as it is", "resized"])
@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_images_are_refused_with_a_reason(name: str, form: ImageForm) -> None:
    content, reason = BAD_IMAGES[name]
    with quiet_decoding(), pytest.raises(UnreadableImageError) as caught:
        decode_image(content, form)
    assert reason in caught.value.reason
    assert caught.value.reason.isprintable()
    assert "0x" not in caught.value.reason


def test_a_decoder_does_not_write_to_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    for content, _ in BAD_IMAGES.values():
        with quiet_decoding(), pytest.raises(UnreadableImageError):
            decode_image(content, SMALL)
    assert capfd.readouterr() == ("", "")


def test_damaged_notes_on_a_photo_do_not_harm_its_pixels() -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 5000) + bytes(range(256)) * 200
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    index = b"\xff\xe2" + struct.pack(">H", 12) + b"MPF\0II*\0zz"
    with quiet_decoding():
        noted = decode_image(PHOTO[:2] + segment + index + PHOTO[2:], RGB)
        assert np.array_equal(noted, decode_image(PHOTO, RGB))


def test_a_directory_that_names_the_same_data_many_times_takes_no_memory() -> None:
    entries = b"".join(struct.pack("<HHLL", 40_000 + n, 7, 60_000, 8) for n in range(4000))
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 4000) + entries + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    with quiet_decoding():
        decode_image(PHOTO[:2] + segment + PHOTO[2:], SMALL)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda file: None, "No such file"),
        (lambda file: file.touch(), "it is empty"),
        (lambda file: file.mkdir(), "Not a regular file"),
        (os.mkfifo, "Not a regular file"),
        (lambda file: file.symlink_to("/dev/zero"), "Not a regular file"),
        (lambda file: file.symlink_to(file), "symbolic links"),
    ],
    ids=["missing", "empty", "a folder", "a pipe", "a link to a device", "a link to itself"],
)
def test_what_is_no_file_is_not_read(tmp_path: Path, make: object, reason: str) -> None:
    file = tmp_path / "a.png"
    assert callable(make)
    make(file)
    with pytest.raises(UnreadableImageError, match=reason):
        read_image_file(file)


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "a.bmp"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)
    with pytest.raises(UnreadableImageError, match="larger than 64 MiB"):
        read_image_file(file)


def test_names_that_no_file_can_have_are_told() -> None:
    for name in ("a\0b.png", "x" * 4000, "/".join(["d" * 100] * 60)):
        with pytest.raises(UnreadableImageError, match="cannot be opened"):
            read_image_file(name)


GOOD = [
    PHOTO,
    encode(smooth(24, 24), "JPEG", progressive=True),
    encode(noise(9, 9), "PNG"),
    encode(noise(9, 9, 4), "PNG"),
    encode(Image.fromarray(noise(9, 9)).convert("P"), "PNG", transparency=1),
    encode(noise(9, 9), "GIF"),
    encode(noise(9, 9), "WEBP"),
    encode(noise(9, 9), "BMP"),
    encode(noise(9, 9), "TIFF"),
    encode(noise(9, 9), "TIFF", compression="tiff_lzw"),
    encode(noise(9, 9), "PPM"),
]


def look(content: bytes) -> None:
    """Decode in both ways; whatever the bytes are, nothing but a refusal may come of them."""
    with quiet_decoding():
        for read in (lambda: decode_image(content, SMALL), lambda: decode_image(content, RGB)):
            try:
                assert read().dtype == np.uint8
            except UnreadableImageError as error:
                assert error.reason.isprintable()
        with suppress(UnreadableImageError):
            read_head(content)


@settings(max_examples=120, deadline=None)
@given(
    head=st.sampled_from([good[:40] for good in GOOD]), kept=st.integers(0, 40), rest=st.binary()
)
def test_no_bytes_raise_anything_else(head: bytes, kept: int, rest: bytes) -> None:
    look(head[:kept] + rest)


@settings(max_examples=200, deadline=None)
@given(number=st.integers(0, len(GOOD) - 1), seed=st.integers(0, 1 << 32))
def test_no_damage_to_an_image_raises_anything_else(number: int, seed: int) -> None:
    content, draw = bytearray(GOOD[number]), random.Random(seed)
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(content))
        match draw.randrange(4):
            case 0:
                content[at] = draw.randrange(256)
            case 1:
                content[at] ^= 1 << draw.randrange(8)
            case 2:
                del content[at : at + draw.randint(1, 16)]
            case 3:
                content[at:at] = draw.randbytes(draw.randint(1, 16))
        if not content:
            break
    look(bytes(content))


SMALL_PHOTOS = [
    PHOTO,
    encode(noise(9, 17, 1), "JPEG"),
    encode(noise(33, 18), "JPEG", subsampling=0, optimize=True),
    encode(noise(20, 20), "JPEG", keep_rgb=True),
    encode(Image.new("CMYK", (9, 9), 77), "JPEG"),
    encode(noise(9, 9), "JPEG", restart_marker_blocks=1, comment="a comment"),
]


@settings(max_examples=200, deadline=None)
@given(number=st.integers(0, len(SMALL_PHOTOS) - 1), seed=st.integers(0, 1 << 32))
def test_photos_whole_or_damaged_are_decoded_as_pillow_does(number: int, seed: int) -> None:
    content, draw = bytearray(SMALL_PHOTOS[number]), random.Random(seed)
    for _ in range(draw.randint(0, 2)):
        content[draw.randrange(2, len(content))] = draw.randrange(256)
    with quiet_decoding():
        try:
            found_CHW = decode_image(bytes(content), RGB)
            expected_HWC = np.asarray(Image.open(BytesIO(content)).convert("RGB"))
        except (UnreadableImageError, OSError, SyntaxError):
            return
    assert np.array_equal(found_CHW, expected_HWC.transpose(2, 0, 1))


def test_photos_cut_short_anywhere_are_refused() -> None:
    for content in SMALL_PHOTOS:
        for length in range(2, len(content) - 2, 7):
            with quiet_decoding(), pytest.raises(UnreadableImageError):
                decode_image(content[:length], RGB)
