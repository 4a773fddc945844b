"""Creating, listing and finding runs."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests import builders
from tests.builders import SESSION
from tests.conftest import Hold, MakeRun
from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.core.run_record import Annotations
from tui_trainer.errors import FolderError, RunNotFoundError, UsageError
from tui_trainer.store import atomic
from tui_trainer.store import registry as registry_module
from tui_trainer.store.config_sources import encode_config, read_config
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder, read_annotations


def _names(registry: Registry) -> list[str]:
    return [folder.run for folder in registry.folders()]


def _annotate(folder: RunFolder, annotations: Annotations) -> None:
    (folder.path / paths.ANNOTATIONS).write_bytes(msgspec.json.encode(annotations))


def _archive(folder: RunFolder) -> None:
    _annotate(folder, Annotations(archived=True))


def test_a_run_is_made_whole_and_private(registry: Registry, make_run: MakeRun) -> None:
    folder = make_run(name="baseline")
    assert folder.path == registry.path / "run1"
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert sorted(os.listdir(folder.path)) == [
        "annotations.json",
        "config.toml",
        "environment.json",
    ]
    assert {file.stat().st_mode & 0o777 for file in folder.path.iterdir()} == {0o600}
    assert read_config(folder.path) == RunConfig()
    assert read_annotations(folder.path) == Annotations(name="baseline")


def test_runs_are_numbered_and_listed_by_number(registry: Registry, make_run: MakeRun) -> None:
    made = [make_run().run for _ in range(11)]
    assert made == _names(registry) == [f"run{n}" for n in range(1, 12)]
    assert [record.run for record in registry.records()] == made


def test_only_numbered_folders_are_runs(registry: Registry, make_run: MakeRun) -> None:
    make_run()
    for name in ("run", "run0", "run02", "Run3", "run4.old", ".tmp-run5-x", "other"):
        (registry.path / name).mkdir()
    (registry.path / "run6").touch()
    (registry.path / "run7").symlink_to(registry.path / "run1")
    assert _names(registry) == ["run1"]


def test_a_number_is_never_given_twice(registry: Registry, make_run: MakeRun) -> None:
    for _ in range(3):
        last = make_run()
    shutil.rmtree(last.path)
    assert make_run().run == "run4"
    for folder in registry.folders():
        shutil.rmtree(folder.path)
    assert make_run().run == "run5"


@pytest.mark.parametrize(
    "mark", [None, b"", b"1\n", b"garbage", b"\xff", b"-7", pytest.param(b"9" * 5000, id="huge")]
)
def test_a_lost_or_lower_mark_gives_way_to_the_folders(
    registry: Registry, make_run: MakeRun, mark: bytes | None
) -> None:
    for _ in range(3):
        make_run()
    shutil.rmtree(registry.path / "run2")
    mark_file = registry.path / paths.LAST_NUMBER
    if mark is None:
        mark_file.unlink()
    else:
        mark_file.write_bytes(mark)
    assert make_run().run == "run4"
    assert mark_file.read_text() == "4\n"


def test_folders_above_the_mark_count(registry: Registry, make_run: MakeRun) -> None:
    make_run()
    (registry.path / "run41").mkdir()
    assert make_run().run == "run42"


_CREATOR = """
import sys
from pathlib import Path
from tests.builders import environment
from tui_trainer.store.registry import Registry
registry = Registry(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(8):
    print(registry.create(environment(), b"").run, flush=True)
"""


def test_runs_made_at_once_by_several_processes_have_their_own_numbers(registry: Registry) -> None:
    creators = [
        subprocess.Popen(
            [sys.executable, "-c", _CREATOR, str(registry.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(3)
    ]
    for creator in creators:
        assert creator.stdout is not None
        assert creator.stdout.readline() == "ready\n"
    for creator in creators:
        assert creator.stdin is not None
        creator.stdin.write("go\n")
        creator.stdin.flush()
    made = [line for creator in creators for line in creator.communicate()[0].split()]
    assert sorted(made) == sorted(f"run{n}" for n in range(1, 25))
    assert sorted(_names(registry)) == sorted(made)


@pytest.mark.parametrize("name", ["last", "run7", "Upper", "with space", "../up", "x" * 65])
def test_a_bad_name_makes_no_run(registry: Registry, make_run: MakeRun, name: str) -> None:
    with pytest.raises(UsageError):
        make_run(name=name)
    assert _names(registry) == []
    assert make_run().run == "run1"


def test_a_name_belongs_to_one_run(registry: Registry, make_run: MakeRun) -> None:
    make_run(name="baseline")
    with pytest.raises(UsageError, match="run1"):
        make_run(name="baseline")
    assert _names(registry) == ["run1"]
    assert make_run(name="other").run == "run2"


def test_an_archived_run_keeps_its_name(make_run: MakeRun) -> None:
    _annotate(make_run(), Annotations(name="baseline", archived=True))
    with pytest.raises(UsageError):
        make_run(name="baseline")


@pytest.mark.parametrize("reference", ["2", "run2", "02", "baseline"])
def test_a_run_is_found(registry: Registry, make_run: MakeRun, reference: str) -> None:
    make_run()
    make_run(name="baseline")
    make_run()
    assert registry.find(reference).run == "run2"


def test_last_is_the_newest_that_is_not_archived(registry: Registry, make_run: MakeRun) -> None:
    runs = [make_run() for _ in range(10)]
    assert registry.find("last").run == "run10"
    _archive(runs[9])
    assert registry.find("last").run == "run9"
    for run in runs:
        _archive(run)
    with pytest.raises(RunNotFoundError):
        registry.find("last")
    assert registry.find("10").run == "run10"


@pytest.mark.parametrize(
    ("reference", "near"),
    [("basline", "baseline"), ("rum1", "run1"), ("3", "runs list"), ("zzz", "runs list")],
)
def test_a_run_that_is_not_there_brings_the_nearest(
    registry: Registry, make_run: MakeRun, reference: str, near: str
) -> None:
    make_run()
    make_run(name="baseline")
    with pytest.raises(RunNotFoundError) as caught:
        registry.find(reference)
    assert near in caught.value.hint
    assert repr(reference) in caught.value.message


@pytest.mark.parametrize("reference", ["1", "last", "baseline", "", "../..", "\x1b[2J", "0"])
def test_nothing_is_found_where_there_is_nothing(registry: Registry, reference: str) -> None:
    assert registry.folders() == []
    assert registry.records() == []
    with pytest.raises(RunNotFoundError):
        registry.find(reference)
    assert not registry.path.exists()


def test_archived_runs_are_listed_when_asked(registry: Registry, make_run: MakeRun) -> None:
    make_run()
    _archive(make_run())
    assert [record.run for record in registry.records()] == ["run1"]
    assert [record.run for record in registry.records(archived=True)] == ["run1", "run2"]


def test_records_tell_the_state_of_each(registry: Registry, make_run: MakeRun, hold: Hold) -> None:
    make_run()
    make_run(builders.session_start())
    live = make_run(builders.session_start())
    make_run(builders.session_start(), builders.failed())
    holder = hold(live.path / paths.WORKER_LEASE, SESSION)
    for _ in range(2):
        records = registry.records()
        states = [record.state.value for record in records]
        assert states == ["failed", "interrupted", "running", "failed"]
        assert records[2].pid == holder.pid
    holder.kill()
    holder.wait()
    assert registry.records()[2].state == "interrupted"


def test_one_run_is_read_with_its_folder(registry: Registry, make_run: MakeRun) -> None:
    make_run(builders.session_start(), name="baseline")
    folder, record = registry.read("baseline")
    assert (folder.run, record.run, record.title) == ("run1", "run1", "baseline")


def test_a_runs_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for path in (file, file / "runs"):
        broken = Registry(path)
        with pytest.raises(FolderError, match=str(path)):
            broken.create(builders.environment(), b"")
    for method in (Registry(file).folders, Registry(file).records):
        with pytest.raises(FolderError):
            method()


@pytest.mark.parametrize("step", ["mkdir", "rename"])
def test_a_runs_folder_that_cannot_be_written_is_an_error(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    make_run()
    with monkeypatch.context() as patch:
        patch.setattr(Path, step, refuse)
        with pytest.raises(FolderError, match="Permission denied"):
            make_run()
    assert _names(registry) == ["run1"]
    assert not [name for name in os.listdir(registry.path) if name.startswith((".new", ".tmp"))]


def test_a_full_disk_makes_no_half_run(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = atomic.write_durable, []

    def fail_second(path: Path, content: bytes) -> None:
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(registry_module, "write_durable", fail_second)
        with pytest.raises(FolderError, match="No space left"):
            make_run()
    assert os.listdir(registry.path) == [paths.LAST_NUMBER]
    assert make_run().run == "run2"


def test_an_unreadable_runs_folder_is_an_error(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(Path, "exists", refuse)
    for method in (registry.folders, registry.records):
        with pytest.raises(FolderError, match="Permission denied"):
            method()


def test_the_configuration_survives_in_the_folder(registry: Registry) -> None:
    config = msgspec.convert({"optimizer": {"lr": 0.25}, "data": {"dataset": "mnist"}}, RunConfig)
    folder = registry.create(builders.environment(), encode_config(config))
    assert read_config(folder.path) == config
