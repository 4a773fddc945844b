"""Files in whose place something else stands: nobody waits for them, or takes all memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import session_start, steps
from tests.conftest import MakeRun
from tui_trainer import paths
from tui_trainer.core.run_record import Annotations
from tui_trainer.core.run_state import LogFold, RunState
from tui_trainer.errors import StorageError
from tui_trainer.store.config_sources import read_config
from tui_trainer.store.plain_file import open_plain, read_plain
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import (
    changed_since_start,
    has_damaged_annotations,
    read_annotations,
    read_environment,
    read_run,
    read_summary,
)


def make_large(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(100 << 20)


REPLACEMENTS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": os.mkdir,
    "large": make_large,
}


def replace(path: Path, how: str) -> None:
    path.unlink(missing_ok=True)
    REPLACEMENTS[how](path)


def test_a_file_is_read_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"what it holds")
    (tmp_path / "link").symlink_to("file")
    assert read_plain(tmp_path / "link") == b"what it holds"


@pytest.mark.parametrize("how", REPLACEMENTS)
def test_what_is_no_file_or_too_large_is_an_error_at_once(tmp_path: Path, how: str) -> None:
    REPLACEMENTS[how](tmp_path / "odd")
    with pytest.raises(OSError, match=r"regular|large") as error:
        read_plain(tmp_path / "odd")
    assert error.value.filename == str(tmp_path / "odd")


def test_a_file_may_be_as_large_as_is_said_and_no_larger(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_plain(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="large"):
        read_plain(tmp_path / "file", 4)


def test_a_descriptor_of_what_is_no_file_is_not_kept(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = os.listdir("/dev/fd")
    with pytest.raises(OSError, match="regular"):
        open_plain(tmp_path / "pipe")
    assert os.listdir("/dev/fd") == before


@pytest.mark.parametrize("how", REPLACEMENTS)
def test_a_run_folder_of_such_things_is_read_as_one_of_damaged_files(
    make_run: MakeRun, how: str
) -> None:
    folder = make_run(session_start(config_sha256="0"), steps())
    run = folder.path
    for name in (paths.CONFIG, paths.ENVIRONMENT, paths.ANNOTATIONS, paths.SUMMARY):
        replace(run / name, how)
    assert read_annotations(run) == Annotations() and has_damaged_annotations(run)
    assert read_summary(run) == LogFold()
    with pytest.raises(StorageError):
        read_config(run)
    with pytest.raises(StorageError):
        read_environment(run)
    assert paths.CONFIG in changed_since_start(run, read_run(folder).snapshot)


@pytest.mark.parametrize("name", [paths.EVENTS, paths.WORKER_LEASE, paths.LAUNCH_LOCK])
@pytest.mark.parametrize("how", ["pipe", "device", "folder"])
def test_a_run_without_a_log_or_lock_that_can_be_read_says_so_in_the_list(
    registry: Registry, make_run: MakeRun, name: str, how: str
) -> None:
    replace(make_run(session_start(), steps(), name="odd").path / name, how)
    make_run(session_start(), steps(), name="good")
    odd, good = registry.records()
    assert odd.state is RunState.UNKNOWN and "Not a regular file" in odd.problem
    assert good.snapshot.step == 2
