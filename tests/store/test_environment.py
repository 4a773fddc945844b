"""What a run was started on; and that asking git runs nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tui_trainer.core.run_record import GitState
from tui_trainer.store import environment
from tui_trainer.store.environment import capture_environment

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, which is the working folder; no other git settings apply."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    _git("init", "--quiet", "--initial-branch=trunk")
    _git("config", "user.name", "someone")
    _git("config", "user.email", "someone@example.org")
    (folder / "tracked.txt").write_text("old\n")
    _commit()
    return folder


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _commit() -> None:
    _git("add", "--all")
    _git("commit", "--quiet", "--message", "a commit")


def _state() -> GitState:
    state = capture_environment(["tuitrain"]).git
    assert state is not None
    return state


@pytest.mark.usefixtures("repository")
@needs_git
def test_a_clean_repository() -> None:
    state = _state()
    assert state.commit == _git("rev-parse", "HEAD")
    assert (state.branch, state.dirty, state.diff, state.diff_truncated) == (
        "trunk", False, "", False,
    )  # fmt: skip


@needs_git
def test_the_diff_holds_changes_of_tracked_files_only(repository: Path) -> None:
    (repository / "tracked.txt").write_text("new\n")
    (repository / "secret.env").write_text("PASSWORD=1\n")
    state = _state()
    assert state.dirty
    assert "-old\n+new\n" in state.diff
    assert "secret" not in state.diff
    assert "PASSWORD" not in state.diff


@needs_git
def test_staged_changes_are_in_the_diff(repository: Path) -> None:
    (repository / "tracked.txt").write_text("new\n")
    _git("add", "--all")
    assert "+new" in _state().diff


@needs_git
def test_a_long_diff_is_cut_and_said_to_be(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_MAX_DIFF_BYTES", 200)
    (repository / "tracked.txt").write_text("é" * 1000)
    state = _state()
    assert state.diff_truncated
    assert 0 < len(state.diff.encode()) <= 203


@needs_git
def test_bytes_that_are_no_text_do_not_break_the_capture(repository: Path) -> None:
    (repository / "tracked.txt").write_bytes(b"caf\xe9\n")
    assert "+caf\ufffd" in _state().diff


@pytest.mark.parametrize("driver", ["evil", "evil.with.dots", "evil=equals", "Evil Case"])
@needs_git
def test_nothing_the_repository_configures_is_run(repository: Path, driver: str) -> None:
    canary = repository.parent / "canary"
    script = repository.parent / "canary.sh"
    script.write_text(f"#!/bin/sh\necho $0 >> '{canary}'\ncat\n")
    script.chmod(0o700)
    (repository / ".gitattributes").write_text(f"*.txt filter={driver.split(' ')[0]} diff=evil\n")
    _commit()
    if " " in driver:
        driver = driver.split(" ")[0]
    for key in (
        f"filter.{driver}.clean",
        f"filter.{driver}.smudge",
        f"filter.{driver}.process",
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "core.editor",
    ):
        _git("config", key, str(script))
    _git("config", f"filter.{driver}.required", "true")
    hooks = repository / ".git" / "hooks"
    for hook in ("post-index-change", "pre-commit", "fsmonitor-watchman"):
        shutil.copy(script, hooks / hook)
    canary.unlink(missing_ok=True)
    (repository / "tracked.txt").write_text("new\n")
    state = _state()
    assert not canary.exists(), canary.read_text()
    assert "-old\n+new\n" in state.diff


@needs_git
def test_the_canary_sings_when_git_is_asked_carelessly(repository: Path) -> None:
    canary = repository.parent / "canary"
    (repository / ".gitattributes").write_text("*.txt filter=evil\n")
    _commit()
    _git("config", "filter.evil.clean", f"touch '{canary}'; cat")
    (repository / "tracked.txt").write_text("new\n")
    _git("diff", "HEAD")
    assert canary.exists()


@needs_git
def test_a_submodule_is_not_looked_into(repository: Path) -> None:
    canary = repository.parent / "canary"
    module = repository / "module"
    module.mkdir()
    _git("-C", "module", "init", "--quiet")
    for key, value in (("user.name", "a"), ("user.email", "a@b")):
        _git("-C", "module", "config", key, value)
    (module / ".gitattributes").write_text("* filter=evil\n")
    (module / "a.txt").write_text("a\n")
    _git("-C", "module", "add", "--all")
    _git("-C", "module", "commit", "--quiet", "--message", "a commit")
    _git("config", "advice.addEmbeddedRepo", "false")
    _commit()
    _git("-C", "module", "config", "filter.evil.clean", f"touch '{canary}'; cat")
    (module / "a.txt").write_text("b\n")
    assert not _state().dirty
    assert not canary.exists()


@needs_git
def test_a_repository_without_a_commit_has_no_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _git("init", "--quiet")
    assert capture_environment([]).git is None


def test_outside_a_repository_there_is_no_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert capture_environment([]).git is None


def test_without_git_there_is_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert capture_environment([]).git is None


@pytest.mark.usefixtures("repository")
@needs_git
def test_code_is_left_out_when_asked() -> None:
    assert capture_environment([], with_code=False).git is None


def test_the_machine_is_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = capture_environment(["tuitrain", "train"], with_code=False)
    second = capture_environment([], with_code=False)
    assert first.command == ("tuitrain", "train")
    assert first.folder == str(tmp_path)
    assert first.uuid != second.uuid
    assert first.cores >= 1
    assert first.host_memory_bytes > 1 << 20
    assert "msgspec" not in first.packages
    assert "torch" in first.packages


def test_a_driver_that_fails_midway_names_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    import pynvml

    def lost(*_: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 1)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lost)
    assert capture_environment([], with_code=False).devices == ()
