"""Images in files become blocks, whatever process reads them and whatever is wrong with some."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.prepare.images.pictures import encode, noise, write_images
from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.images.files import open_image_files
from tui_trainer.data.prepare.source import Source
from tui_trainer.errors import DatasetError


def open_some(root: Path, names: list[str], **how: Any) -> Source:
    preparation = PreparationConfig(**{k: how.pop(k) for k in ("size", "fit", "color") if k in how})
    given = {
        "task": "classification",
        "classes": ("a", "b"),
        "title": "some",
        "origin": "a test",
        "preparation": preparation,
    }
    labels_N = np.arange(len(names)) % 2
    return open_image_files(root, names, labels_N, **{**given, **how})


def test_samples_come_in_the_given_order_with_their_labels(tmp_path: Path) -> None:
    names = [f"{n}.png" for n in range(5)]
    write_images(tmp_path, *names)
    source = open_some(tmp_path, names[::-1])
    assert source.is_heavy
    assert source.facts.shape == (3, 8, 8)
    read = read_all(source)
    assert read.numbers == [0, 1, 2, 3, 4]
    assert read.labels.tolist() == [0, 1, 0, 1, 0]
    for place, seed in enumerate([4, 3, 2, 1, 0]):
        assert np.array_equal(read.inputs[place], noise(8, 8, seed=seed).transpose(2, 0, 1))


def test_blocks_are_small_and_cheap_to_send(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png")
    tasks = list(open_some(tmp_path, ["a.png"] * 1200, size=16).tasks())
    assert [len(task().numbers_B) for task in tasks] == [512, 512, 176]
    assert len(pickle.dumps(tasks[0])) < 16_000
    large = open_some(tmp_path, ["a.png"] * 10, size=1024)
    assert [task().inputs.nbytes <= 8 << 20 for task in large.tasks()] == [True] * 5


def test_what_cannot_be_read_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    names = ["a.png", "b.png", "c.png", "d.png", "e.png"]
    write_images(tmp_path, *names)
    (tmp_path / "b.png").write_bytes(b"no image")
    (tmp_path / "d.png").write_bytes((tmp_path / "d.png").read_bytes()[:100])
    read = read_all(open_some(tmp_path, names))
    assert read.numbers == [0, 2, 4]
    assert read.labels.tolist() == [0, 0, 0]
    assert read.reasons.keys() == {"b.png", "d.png"}
    assert read.reasons["d.png"] == "it is cut short"


def test_color_is_asked_for_or_found_among_the_images(tmp_path: Path) -> None:
    names = [f"{n:03}.png" for n in range(100)]
    for name in names:
        (tmp_path / name).write_bytes(encode(noise(8, 8, 1), "PNG"))
    assert open_some(tmp_path, names).facts.shape == (1, 8, 8)
    assert open_some(tmp_path, names, color="rgb").facts.shape == (3, 8, 8)
    write_images(tmp_path, *names[50:])
    assert open_some(tmp_path, names).facts.shape == (3, 8, 8)
    assert open_some(tmp_path, names, color="gray", size=4).facts.shape == (1, 4, 4)


def test_images_keep_the_size_of_the_first_that_is_whole(tmp_path: Path) -> None:
    write_images(tmp_path, "b.png", "c.png", side=12)
    (tmp_path / "a.png").write_bytes(encode(noise(99, 99), "PNG")[:500])
    source = open_some(tmp_path, ["a.png", "b.png", "c.png"])
    assert source.facts.shape == (3, 12, 12)
    assert read_all(source).numbers == [1, 2]


def test_another_size_is_an_error_that_names_both(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", side=12)
    (tmp_path / "b.png").write_bytes(encode(noise(10, 14), "PNG"))
    with pytest.raises(
        DatasetError, match=r"b\.png is 14 × 10 pixels, but a\.png is 12 × 12"
    ) as it:
        open_some(tmp_path, ["a.png", "b.png"])
    assert "--size" in it.value.hint
    assert open_some(tmp_path, ["a.png", "b.png"], size=6).facts.shape == (3, 6, 6)


def test_another_size_that_is_met_late_is_the_same_error_from_another_process(
    tmp_path: Path,
) -> None:
    names = [f"{n:03}.png" for n in range(80)]
    write_images(tmp_path, *names)
    # Between those that are looked at first.
    (tmp_path / "076.png").write_bytes(encode(noise(3, 5), "PNG"))
    task = next(iter(open_some(tmp_path, names).tasks()))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(task).exception()
    assert isinstance(error, DatasetError)
    assert error.message == "076.png is 5 × 3 pixels, but 000.png is 8 × 8."
    assert "--size" in error.hint


def test_images_as_large_as_no_other_are_not_kept_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(Image.new("1", (4200, 4200)), "PNG"))
    with pytest.raises(DatasetError, match="too many to keep"):
        open_some(tmp_path, ["a.png"])


def test_where_no_image_can_be_read_the_first_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"zzz")
    (tmp_path / "b.png").touch()
    with pytest.raises(DatasetError, match=r"can be read; a\.png: it is no JPEG"):
        open_some(tmp_path, ["a.png", "b.png"])


def test_no_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no images"):
        open_some(tmp_path, [])


def test_names_from_data_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write_images(root, "a.png", "sub/b.png")
    write_images(tmp_path, "secret.png")
    (root / "out.png").symlink_to(tmp_path / "secret.png")
    (root / "in.png").symlink_to("sub/b.png")
    (root / "around.png").symlink_to("around.png")
    (root / "up").symlink_to(tmp_path)
    os.mkfifo(root / "pipe.png")
    bad = {
        "../secret.png": "it leads out of the folder",
        "sub/../../secret.png": "it leads out of the folder",
        str(tmp_path / "secret.png"): "it leads out of the folder",
        "/etc/passwd": "it leads out of the folder",
        "out.png": "it leads out of the folder",
        "up/secret.png": "it leads out of the folder",
        "around.png": "it cannot be opened: Too many levels of symbolic links",
        "pipe.png": "it is not a regular file",
        "sub": "it is not a regular file",
        "": "it is not a regular file",
        "gone.png": "it cannot be opened: No such file or directory",
        "x" * 300: "it cannot be opened: File name too long",
        "nul\0.png": "no file can have this name",
    }
    good = ["a.png", "sub/b.png", "sub/../a.png", "in.png", str(root / "a.png")]
    source = open_some(root, [*bad, *good], splits_N=np.zeros(len(bad) + len(good), np.int8))
    assert source.splits_N is not None and len(source.splits_N) == len(good)
    read = read_all(source)
    assert len(read.numbers) == len(good)
    expected = {name.replace("\0", ""): reason for name, reason in bad.items()}
    assert read.reasons == expected


def test_labels_of_every_task_go_with_the_files(tmp_path: Path) -> None:
    write_images(tmp_path, "a.png", "b.png")
    several_NK = np.array([[0, 1], [1, 1], [1, 0]], np.uint8)
    both: dict[str, Any] = {"title": "t", "origin": "o", "preparation": PreparationConfig()}
    source = open_image_files(
        tmp_path, ["a.png", "?", "b.png"], several_NK, task="multilabel", classes=("x", "y"), **both
    )
    assert read_all(source).labels.tolist() == [[0, 1], [1, 0]]
    numbers_NT = np.array([[0.5], [1.5]], np.float32)
    source = open_image_files(
        tmp_path, ["a.png", "b.png"], numbers_NT, task="regression", targets=("age",), **both
    )
    assert read_all(source).labels.tolist() == [[0.5], [1.5]]
