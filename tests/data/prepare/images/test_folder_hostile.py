"""Folders that are odd, wrong or made to do harm: an error that helps, or a sample set aside."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.data.prepare.images.pictures import encode, noise, write_images
from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.images.folder import open_folder
from tui_trainer.errors import DatasetError

AS_IT_IS = PreparationConfig()
IMAGE = encode(noise(4, 4), "PNG")


def only_files(root: Path) -> None:
    write_images(root, "1.png", "2.png")


def nothing_but_empty_folders(root: Path) -> None:
    (root / "a").mkdir()
    (root / "b").mkdir()


def one_class(root: Path) -> None:
    write_images(root, "a/1.png", "a/2.png")


def an_empty_class(root: Path) -> None:
    write_images(root, "a/1.png", "b/1.png")
    (root / "c" / "deep").mkdir(parents=True)


def a_class_of_other_files(root: Path) -> None:
    write_images(root, "a/1.png", "b/1.png")
    (root / "c").mkdir()
    (root / "c" / "1.mp4").touch()


def a_class_that_is_only_tested(root: Path) -> None:
    write_images(root, "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png")


def an_empty_training_folder(root: Path) -> None:
    write_images(root, "test/a/1.png", "test/b/1.png")
    (root / "train").mkdir()


def a_test_folder_without_classes(root: Path) -> None:
    write_images(root, "train/a/1.png", "train/b/1.png", "test/1.png", "test/2.png")


def two_validation_folders(root: Path) -> None:
    write_images(root, "train/a/1.png", "train/b/1.png", "val/a/1.png", "valid/a/1.png")


def one_name_written_in_two_ways(root: Path) -> None:
    write_images(root, "caf\u00e9/1.png", "cafe\u0301/1.png")


def names_that_differ_by_what_is_not_seen(root: Path) -> None:
    write_images(root, "cat/1.png", "c\u200bat/1.png")


def a_name_of_nothing_that_is_seen(root: Path) -> None:
    write_images(root, "a/1.png", "\x01\x02/1.png")


def classes_that_are_links(root: Path) -> None:
    write_images(root / ".hidden", "a/1.png", "b/1.png")
    (root / "a").symlink_to(root / ".hidden" / "a")
    (root / "b").symlink_to(root / ".hidden" / "b")


def nothing_that_can_be_read(root: Path) -> None:
    for name in ("a", "b"):
        (root / name).mkdir()
        (root / name / "1.png").write_bytes(b"<html>")


WRONG: dict[Callable[[Path], None], str] = {
    lambda root: None: "has no folders with images",
    only_files: "has no folders with images",
    nothing_but_empty_folders: "has no folders with images",
    one_class: "has only one class, a",
    an_empty_class: "no image to learn from in the class c",
    a_class_of_other_files: "no image to learn from in the class c",
    a_class_that_is_only_tested: "test has classes that train has not: c",
    an_empty_training_folder: "train has no folders with images",
    a_test_folder_without_classes: "test has no folders with images",
    two_validation_folders: "two folders of the validation split: val and valid",
    one_name_written_in_two_ways: "the same class as another: café",
    names_that_differ_by_what_is_not_seen: "the same class as another: cat",
    a_name_of_nothing_that_is_seen: "no class that can be shown",
    classes_that_are_links: "has no folders with images",
    nothing_that_can_be_read: r"No image in .* can be read; a/1\.png: it is no JPEG",
}


@pytest.mark.parametrize("make", WRONG, ids=lambda make: make.__name__.replace("_", " "))
def test_folders_that_cannot_be_learnt_from_are_an_error(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path)
    with pytest.raises(DatasetError, match=WRONG[make]) as caught:
        open_folder(tmp_path, AS_IT_IS)
    assert caught.value.hint.endswith(".")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.write_bytes(IMAGE), "Not a directory"),
        (os.mkfifo, "Not a directory"),
        (lambda path: path.symlink_to(path), "Symlink loop|symbolic links"),
        (lambda path: path.symlink_to("/dev/null"), "Not a directory"),
    ],
    ids=["missing", "a file", "a pipe", "a link to itself", "a link to a device"],
)
def test_what_is_no_folder_is_an_error(
    tmp_path: Path, make: Callable[[Path], None], reason: str
) -> None:
    make(tmp_path / "x")
    with pytest.raises(DatasetError, match=reason):
        open_folder(tmp_path / "x", AS_IT_IS)


def test_names_that_no_folder_can_have_are_an_error() -> None:
    for name in ("x" * 4000, "a\0b"):
        with pytest.raises(DatasetError, match="cannot be listed"):
            open_folder(Path(name), AS_IT_IS)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two classes with an image each, to which something is added."""
    folder = tmp_path / "root"
    write_images(folder, "a/1.png", "b/1.png")
    return folder


def reasons_of(root: Path) -> dict[str, str]:
    """What is set aside while the two images are read, as it is stored for people."""
    read = read_all(open_folder(root, AS_IT_IS))
    assert len(read.numbers) == 2
    assert msgspec.json.decode(msgspec.json.encode(read.skipped))
    return read.reasons


def test_links_that_lead_out_are_not_followed(root: Path) -> None:
    write_images(root.parent, "secret/1.png")
    (root / "a" / "out.png").symlink_to("../../secret/1.png")
    (root / "a" / "far.png").symlink_to("/etc/hostname")
    (root / "a" / "out").symlink_to("../../secret")
    (root / "c").symlink_to("../secret")
    assert reasons_of(root) == {
        "a/far.png": "it leads out of the folder",
        "a/out.png": "it leads out of the folder",
        "a/out": "it is a link to a folder, which is not followed",
        "c": "it is a link to a folder, which is not followed",
    }


def test_links_within_the_folder_are_followed_to_files_only(root: Path) -> None:
    (root / "b" / "2.png").symlink_to("../a/1.png")
    (root / "b" / "all").symlink_to("..")
    read = read_all(open_folder(root, AS_IT_IS))
    assert read.labels.tolist() == [0, 1, 1]
    assert (read.inputs[0] == read.inputs[2]).all()
    assert list(read.reasons) == ["b/all"]


def test_links_that_lead_nowhere_are_set_aside(root: Path) -> None:
    (root / "a" / "gone.png").symlink_to("nothing.png")
    (root / "a" / "self.png").symlink_to("self.png")
    assert reasons_of(root) == {
        "a/gone.png": "it cannot be opened: No such file or directory",
        "a/self.png": "it cannot be opened: Too many levels of symbolic links",
    }


def test_special_files_are_not_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "a" / "pipe.png")
    (root / "a" / "device.png").symlink_to("/dev/zero")
    monkeypatch.chdir(root / "a")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.png")
        assert reasons_of(root) == {
            "a/pipe.png": "it is not a regular file",
            "a/socket.png": "it is not a regular file",
            "a/device.png": "it leads out of the folder",
        }


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(root: Path) -> None:
    write_images(root, "a/2.png")
    source = open_folder(root, AS_IT_IS)
    (root / "a" / "2.png").unlink()
    os.mkfifo(root / "a" / "2.png")
    assert read_all(source).reasons == {"a/2.png": "it cannot be opened: Not a regular file"}


def test_a_file_that_goes_while_it_is_prepared_is_set_aside(root: Path) -> None:
    write_images(root, "a/2.png")
    source = open_folder(root, AS_IT_IS)
    (root / "a" / "2.png").unlink()
    assert read_all(source).reasons == {"a/2.png": "it cannot be opened: No such file or directory"}


def test_files_with_control_characters_work_and_are_shown_without(root: Path) -> None:
    (root / "a" / "\x1b[31mred\n.png").write_bytes(IMAGE)
    (root / "a" / "\x1b]0;title\x07.png").write_bytes(b"broken")
    (root / "a" / "\u202egnp.png").write_bytes(b"broken")
    read = read_all(open_folder(root, PreparationConfig(size=4)))
    assert len(read.numbers) == 3
    assert set(read.reasons) == {"a/.png", "a/gnp.png"}


def test_files_with_bytes_that_are_no_text_work(root: Path) -> None:
    (root / "a" / os.fsdecode(b"\xff\xfe.png")).write_bytes(IMAGE)
    (root / "b" / os.fsdecode(b"\xfd.png")).write_bytes(b"broken")
    read = read_all(open_folder(root, PreparationConfig(size=4)))
    assert len(read.numbers) == 3
    assert list(read.reasons) == ["b/.png"]
    msgspec.json.encode(read.skipped)


def test_a_class_whose_name_is_no_text_is_called_by_what_can_be_shown(root: Path) -> None:
    folder = root / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "1.png").write_bytes((root / "a" / "1.png").read_bytes())
    source = open_folder(root, AS_IT_IS)
    assert source.facts.classes == ("a", "b", "caf\ufffd")
    assert len(read_all(source).numbers) == 3
    msgspec.json.encode((source.facts.classes, dict(source.stamps)))


def test_a_class_with_control_characters_is_called_by_what_can_be_seen(root: Path) -> None:
    write_images(root, "\x1b[2Jwiped\t\x7f/1.png")
    assert open_folder(root, AS_IT_IS).facts.classes == ("a", "b", "wiped")


def test_paths_longer_than_the_system_opens_are_set_aside(root: Path) -> None:
    here = os.open(root / "a", os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=here)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    reasons = reasons_of(root)
    assert list(reasons.values()) == ["the folder cannot be listed: File name too long"]
    assert all(len(name) <= 300 for name in reasons)


def test_a_folder_that_may_not_be_listed_is_set_aside(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a" / "closed").mkdir()
    scandir = os.scandir

    def scan(path: str | Path) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert reasons_of(root) == {"a/closed": "the folder cannot be listed: Permission denied"}


def test_a_table_does_not_lead_out_of_its_folder(root: Path) -> None:
    write_images(root.parent, "secret.png")
    rows = ["a/1.png,x", "b/1.png,y", "../secret.png,x", "/etc/passwd,y", "a/../b/1.png,x"]
    rows += ["b/1.png,y"]
    (root / "labels.csv").write_text("file,label\n" + "\n".join(rows) + "\n")
    read = read_all(open_folder(root, PreparationConfig(inputs="file", label="label")))
    assert len(read.numbers) == 4
    assert read.reasons == {
        "../secret.png": "it leads out of the folder",
        "/etc/passwd": "it leads out of the folder",
    }
