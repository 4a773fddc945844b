"""Archives: unpacked whole where they are harmless, else refused with nothing written."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.data.prepare.archives.hostile_archives import HARMLESS, HOSTILE, make_tar, make_zip
from tui_trainer.data.prepare.archives.extraction import extract_archive
from tui_trainer.errors import DatasetError

# Of Python, while it makes archives with names that it would not make itself.
pytestmark = pytest.mark.filterwarnings("ignore:Duplicate name")


def unpack(file: Path, into: Path, **limits: object) -> None:
    usual: dict[str, object] = {"max_bytes": 32 << 20, "max_members": 100, "max_ratio": 50}
    extract_archive(file, into, **(usual | limits))  # type: ignore[arg-type]


def list_all(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_or_broken_is_refused_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    make, words = HOSTILE[name]
    file = tmp_path / "box" / "archive"
    file.parent.mkdir()
    file.write_bytes(make())
    with pytest.raises(DatasetError) as caught:
        unpack(file, tmp_path / "box" / "out")
    assert words in caught.value.message
    assert "\x1b" not in caught.value.message
    assert len(caught.value.message) < 600
    assert caught.value.hint
    assert list_all(tmp_path) == ["box", "box/archive"]


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_is_unpacked(tmp_path: Path, name: str) -> None:
    file = tmp_path / "a.txt.gz"
    file.write_bytes(HARMLESS[name]())
    unpack(file, tmp_path / "out")
    if name in ("bz2", "xz"):
        assert (tmp_path / "out" / "a.txt").read_bytes() == b"hello"
    assert (tmp_path / "out" / "a.txt").read_bytes() == b"hello"


def test_an_archive_in_an_archive_stays_packed(tmp_path: Path) -> None:
    file = tmp_path / "archive"
    file.write_bytes(HARMLESS["tar in a tar"]())
    unpack(file, tmp_path / "out")
    assert list_all(tmp_path / "out") == ["a.txt", "in.tgz"]


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_only_what_is_wanted_is_written(tmp_path: Path, make: object) -> None:
    file = tmp_path / "archive"
    file.write_bytes(make([("in/a.bin", b"a"), ("in/b.bin", b"b"), ("c/a.bin", b"c")]))  # type: ignore[operator]
    unpack(file, tmp_path / "out", takes=lambda member: member.parts[0] == "in")
    assert list_all(tmp_path / "out") == ["in", "in/a.bin", "in/b.bin"]


def test_what_is_not_wanted_must_be_harmless_too(tmp_path: Path) -> None:
    file = tmp_path / "archive"
    file.write_bytes(make_zip([("a", b"a"), ("../evil", b"b")]))
    with pytest.raises(DatasetError, match="leads out"):
        unpack(file, tmp_path / "out", takes=lambda member: member == PurePosixPath("a"))
    assert not (tmp_path / "out").exists()


def test_a_pipe_a_socket_and_nothing_are_no_archives(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for name in ("pipe", "socket", "none"):
            with pytest.raises(DatasetError, match="cannot be unpacked"):
                unpack(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(make_zip([("a", b"new")]))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_bytes(b"old")
    with pytest.raises(DatasetError, match="exists"):
        unpack(tmp_path / "archive", tmp_path / "out")
    assert (tmp_path / "out" / "a").read_bytes() == b"old"


def test_a_disk_that_is_full_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "archive").write_bytes(make_zip([("a", b"x" * 5000)]))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(DatasetError, match="too large"):
            unpack(tmp_path / "archive", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "out").exists()


_PARTS = st.sampled_from(
    ["a", "A", "b", "..", ".", "", "~", "a\\b", "C:", "a\0", "\u202e", "é", "e\u0301", "x" * 300]
)
_NAMES = st.lists(_PARTS, min_size=1, max_size=5).map("/".join) | st.text(max_size=20)


@given(st.lists(_NAMES, min_size=1, max_size=5), st.booleans())
@example(names=["a/"], is_zip=False)
@example(names=["a/"], is_zip=True)
@settings(max_examples=200, deadline=None)
def test_nothing_is_ever_written_outside(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], is_zip: bool
) -> None:
    folder = tmp_path_factory.mktemp("hostile")
    members = [(name, b"x") for name in names]
    try:
        content = make_zip(members) if is_zip else make_tar(members)
    except (ValueError, IndexError):
        # A name that the format itself cannot hold.
        return
    (folder / "archive").write_bytes(content)
    try:
        unpack(folder / "archive", folder / "out")
    except DatasetError:
        assert list_all(folder) == ["archive"]
        return
    written = [path for path in (folder / "out").rglob("*") if path.is_file()]
    # In a zip, what ends in a slash is a folder.
    num_folders = sum(is_zip and name.endswith("/") for name in names)
    assert len(written) == len(members) - num_folders
    assert {name.split("/")[0] for name in list_all(folder)} == {"archive", "out"}


@given(
    st.sampled_from([make_zip([("a", b"x" * 99)], compress=True), make_tar([("a", b"x")], "w:gz")]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_damage_anywhere_is_an_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, changes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    (folder / "archive").write_bytes(damaged)
    try:
        unpack(folder / "archive", folder / "out")
    except DatasetError:
        assert list_all(folder) == ["archive"]
