"""Original files: found where a person has them, unpacked, downloaded, told if missing."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.data.prepare.catalog.official_files import (
    MAKERS,
    make_official,
    md5_of,
    publish,
    shrink,
    write_photo,
)
from tests.data.prepare.file_server import Served, serve
from tests.data.prepare.reading import Read, read_all
from tui_trainer.core.catalog import DATASETS, DatasetEntry
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.catalog import open_catalog
from tui_trainer.data.prepare.catalog.original_sets import open_originals
from tui_trainer.data.prepare.catalog.published import PUBLISHED, UNPACKED_MD5
from tui_trainer.data.prepare.source import Source
from tui_trainer.errors import DatasetError


def open_small(entry: DatasetEntry, originals: Path | None, scratch: Path) -> Source:
    return open_originals(
        entry,
        PreparationConfig(size=16 if entry.size else 0),
        originals=originals,
        downloads=scratch,
        say=lambda text: None,
        report=None,
    )


def assert_same(first: Read, second: Read) -> None:
    assert np.array_equal(first.inputs, second.inputs)
    assert np.array_equal(first.labels, second.labels)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("form", ["zip", "gztar", "deep"])
def test_originals_are_found_in_archives_and_below(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    entry = make_official(name, root, monkeypatch)
    plain = read_all(open_small(entry, root, tmp_path / "a"))
    if form == "deep":
        given = tmp_path / "given"
        given.mkdir()
        root.rename(given / "data")
    else:
        given = Path(shutil.make_archive(str(tmp_path / "packed"), form, root))
    assert_same(read_all(open_small(entry, given, tmp_path / "b")), plain)
    expected = {"given"} if form == "deep" else {"root", "b", given.name}
    assert set(os.listdir(tmp_path)) == expected


def _pack_official(name: str, root: Path, folder: Path) -> list[Path]:
    """The archives that these datasets are published in, made of small files."""
    folder.mkdir()
    if name == "caltech101":
        packed = shutil.make_archive(
            str(folder / "101_ObjectCategories"), "gztar", root / "caltech101"
        )
        with zipfile.ZipFile(folder / "caltech-101.zip", "w") as archive:
            archive.write(packed, "caltech-101/101_ObjectCategories.tar.gz")
        Path(packed).unlink()
        return [folder / "caltech-101.zip"]
    if name == "emnist":
        with zipfile.ZipFile(folder / "gzip.zip", "w") as archive:
            for file in (root / "EMNIST" / "raw").iterdir():
                archive.writestr(f"gzip/{file.name}.gz", gzip.compress(file.read_bytes()))
            archive.writestr("gzip/emnist-byclass-train-images-idx3-ubyte.gz", b"not wanted")
        return [folder / "gzip.zip"]
    if name == "oxford-pets":
        base = root / "oxford-iiit-pet"
        packed_paths = []
        for part in ("images", "annotations"):
            made = shutil.make_archive(str(folder / part), "gztar", base, part)
            packed_paths.append(Path(made))
        return packed_paths
    official = _PACKED[name]
    stem = official.removesuffix(".tar.gz").removesuffix(".tgz")
    base = root / "flowers-102" if name == "flowers102" else root
    part = "jpg" if name == "flowers102" else os.listdir(root)[0]
    made = Path(shutil.make_archive(str(folder / stem), "gztar", base, part))
    if name != "flowers102":
        return [made]
    beside = [folder / file for file in ("imagelabels.mat", "setid.mat")]
    for file in beside:
        shutil.copy(base / file.name, file)
    return [made.rename(folder / official), *beside]


_PACKED = {
    "emnist": "gzip.zip",
    "cifar10": "cifar-10-python.tar.gz",
    "cifar100": "cifar-100-python.tar.gz",
    "stl10": "stl10_binary.tar.gz",
    "caltech101": "caltech-101.zip",
    "oxford-pets": "images.tar.gz",
    "flowers102": "102flowers.tgz",
    "food101": "food-101.tar.gz",
}


@pytest.mark.parametrize("name", _PACKED)
@pytest.mark.parametrize("way", ["import", "download"])
def test_the_published_archives_are_unpacked(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    entry = make_official(name, root, monkeypatch)
    plain = read_all(open_small(entry, root, tmp_path / "a"))
    files = _pack_official(name, root, tmp_path / "given")
    shutil.rmtree(root)
    if way == "import":
        publish(monkeypatch, name, *files)
        source = open_small(entry, tmp_path / "given", tmp_path / "scratch")
        assert source.facts.origin == "imported: the published files (MD5 checked)"
        assert_same(read_all(source), plain)
        assert sorted(os.listdir(tmp_path / "given")) == sorted(file.name for file in files)
        return
    monkeypatch.setenv("no_proxy", "*")
    served = [Served(file.read_bytes(), break_after=[1000]) for file in files]
    publish(monkeypatch, name, *files)
    listed = []
    with serve(served[0]), serve(served[-1]) as last:
        middle = served[1] if len(served) == 3 else last
        with serve(middle) if middle is not last else serve(Served(b"")):
            for file, one, published in zip(files, served, PUBLISHED[name], strict=True):
                assert published.name == file.name
                listed.append(type(published)(file.name, published.md5, (one.url,)))
            monkeypatch.setitem(PUBLISHED, name, tuple(listed))
            source = open_small(entry, None, tmp_path / "scratch")
    assert source.facts.origin == "downloaded: the published files (MD5 checked)"
    assert_same(read_all(source), plain)
    # A second time nothing is fetched: the servers are gone.
    assert_same(read_all(open_small(entry, None, tmp_path / "scratch")), plain)


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_missing_is_named_with_where_it_is_published(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError) as caught:
        open_catalog(
            name,
            PreparationConfig(),
            originals=tmp_path,
            downloads=tmp_path / "scratch",
            say=lambda text: None,
        )
    assert str(tmp_path) in caught.value.message
    assert DATASETS[name].source in caught.value.hint
    for file in PUBLISHED[name]:
        assert file.name in caught.value.hint
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("name", [name for name in DATASETS if DATASETS[name].download_bytes])
def test_offline_both_ways_out_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("tui_trainer.data.prepare.downloads.Patience", _hurried())
    with pytest.raises(DatasetError) as caught:
        open_catalog(
            name,
            PreparationConfig(),
            originals=None,
            downloads=tmp_path,
            say=lambda text: None,
        )
    assert "could not be downloaded" in caught.value.message
    assert f"tuitrain data import {name} FOLDER" in caught.value.hint
    assert PUBLISHED[name][0].name in caught.value.hint
    assert "tuitrain train digits" in caught.value.hint


def _hurried() -> object:
    from tui_trainer.data.prepare.downloads import Patience

    return lambda: Patience(waits_s=(0.0,), sleep=lambda seconds: None)


def test_imagenet_is_not_downloaded(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not downloaded") as caught:
        open_catalog(
            "imagenet",
            PreparationConfig(),
            originals=None,
            downloads=tmp_path,
            say=lambda text: None,
        )
    assert "tuitrain data import imagenet FOLDER" in caught.value.hint


def test_a_local_copy_of_imagenet_is_read_with_its_validation_part_to_test_on(
    tmp_path: Path,
) -> None:
    for split, count in (("train", 4), ("val", 2)):
        for label, synset in enumerate(("n01440764", "n01443537")):
            for number in range(count):
                photo = tmp_path / "ILSVRC" / split / synset / f"{synset}_{number}.JPEG"
                write_photo(photo, 10 * label + number)
    entry = shrink("imagenet", class_count=2)
    source = open_small(entry, tmp_path, tmp_path / "scratch")
    assert source.facts.classes == ("n01440764", "n01443537")
    assert source.splits_N is not None
    assert source.splits_N.tolist() == [0] * 8 + [1] * 4
    assert source.labels_N.tolist() == [0] * 4 + [1] * 4 + [0] * 2 + [1] * 2
    assert read_all(source).inputs.shape == (12, 3, 16, 16)
    with pytest.raises(DatasetError, match="2 classes, not the 1000"):
        open_small(DATASETS["imagenet"], tmp_path, tmp_path / "scratch")
    shutil.rmtree(tmp_path / "ILSVRC" / "val" / "n01443537")
    with pytest.raises(DatasetError, match="not the same folders"):
        open_small(entry, tmp_path, tmp_path / "scratch")


@pytest.mark.parametrize(
    ("name", "file", "content", "words"),
    [
        ("cifar10", "data_batch_3", b"cos\nsystem\n(S'x'\ntR.", "names 'os system'"),
        ("cifar10", "batches.meta", b"}.", "does not name the classes"),
        ("cifar100", "train", b"}.", "does not hold 20 images"),
        ("svhn", "test_32x32.mat", b"MATLAB 5.0", "not the published file"),
        ("usps", "usps.bz2", b"BZh91AY&SY", "damaged at line 1"),
        ("usps", "usps.t.bz2", b"1 1:0.5 3:0.5\n", "damaged at line 1"),
        ("stl10", "train_X.bin", b"x" * 100, "has 100 bytes"),
        ("stl10", "train_y.bin", b"\0" * 20, "labels of stl10 run from -1"),
        ("emnist-letters", "emnist-letters-train-labels-idx1-ubyte", None, "from -1 to"),
        ("qmnist", "qmnist-test-labels-idx2-int", b"\0\0\10\2" + bytes(8), "data of type 8"),
        ("oxford-pets", "trainval.txt", b"a_1 1 1 1\nb_2 zero 1 1\n", "damaged at line 2"),
        ("oxford-pets", "test.txt", b"a_1 99 1 1\n", "0 classes, not the 3"),
        ("flowers102", "setid.mat", b"MATLAB 5.0", "not the published file"),
        ("food101", "train.json", b'{"pie": 3}', "damaged"),
        ("food101", "test.json", b'{"pie": []}', "names other classes"),
        ("food101", "train.json", b"[" * 100_000, "damaged"),
    ],
)
def test_damaged_originals_are_named(
    tmp_path: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    file: str,
    content: bytes | None,
    words: str,
) -> None:
    entry = make_official(name, root, monkeypatch)
    (path,) = root.rglob(file)
    if content is None:
        whole = bytearray(path.read_bytes())
        whole[8] = 0
        content = bytes(whole)
    path.write_bytes(content)
    with pytest.raises(DatasetError) as caught:
        open_small(entry, root, tmp_path / "scratch")
    assert words in caught.value.message
    assert caught.value.hint


def test_lists_lead_nowhere_else(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_official("food101", root, monkeypatch)
    write_photo(tmp_path / "secret.jpg", 1)
    (file,) = root.rglob("train.json")
    text = file.read_text().replace("waffles/100", "../../../secret")
    file.write_text(text.replace("waffles/101", "waffles/none"))
    source = open_small(entry, root, tmp_path / "scratch")
    assert len(source.skipped) == 2
    assert len(read_all(source).numbers) == 16


def test_links_out_of_the_folder_are_not_followed(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_official("mnist", root, monkeypatch)
    given = tmp_path / "given"
    given.mkdir()
    for file in (root / "MNIST" / "raw").iterdir():
        (given / file.name).symlink_to(file)
    with pytest.raises(DatasetError, match="has no train-images"):
        open_small(entry, given, tmp_path / "scratch")


def test_a_pipe_is_not_waited_for(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_official("mnist", root, monkeypatch)
    (file,) = root.rglob("t10k-labels*")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(DatasetError, match="t10k-labels"):
        open_small(entry, root, tmp_path / "scratch")


def test_a_hostile_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../train-images-idx3-ubyte", b"x")
    with pytest.raises(DatasetError, match="leads out"):
        open_small(DATASETS["mnist"], tmp_path / "evil.zip", tmp_path / "scratch")
    assert sorted(os.listdir(tmp_path)) == ["evil.zip", "scratch"]


def test_a_path_that_is_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is no folder and no archive"):
        open_small(DATASETS["mnist"], tmp_path / "none", tmp_path / "scratch")


def test_published_files_are_known_by_their_content(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = make_official("mnist", root, monkeypatch)
    source = open_small(entry, root, tmp_path / "scratch")
    assert source.facts.origin == "imported: not the published files"
    for file in (root / "MNIST" / "raw").iterdir():
        content = file.read_bytes()
        monkeypatch.setitem(UNPACKED_MD5, md5_of(content), file.name)
        # Packed by somebody else: another file with the same content.
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(content, 1))
        file.unlink()
    source = open_small(entry, root, tmp_path / "scratch")
    assert source.facts.origin == "imported: the published files (MD5 checked)"
