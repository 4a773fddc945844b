"""One frame as text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.builders import steps
from tests.dashboard.conftest import MakeRun
from tui_trainer.dashboard.once import render_frame
from tui_trainer.dashboard.terminal import Appearance
from tui_trainer.errors import RunNotFoundError, StorageError
from tui_trainer.store.registry import Registry


def frame(registry: Registry, *references: str, colors: bool = False, **choices: object) -> str:
    size = choices.pop("size", (120, 35))
    appearance = Appearance(**choices)  # type: ignore[arg-type]
    return render_frame(
        registry, [*references], size=size, appearance=appearance, has_colors=colors
    )  # type: ignore[arg-type]


def test_without_a_run_it_is_the_list(registry: Registry, make_run: MakeRun) -> None:
    for name in ("first", "second"):
        make_run(name).train()
    lines = frame(registry).splitlines()
    assert len(lines) == 35
    assert "2 runs" in lines[0]
    assert "run2 second" in lines[3] and "run1 first" in lines[4]
    assert "⠑" in lines[3]  # the curve of its loss is read too
    assert not any(line != line.rstrip() for line in lines)
    assert "\x1b" not in "".join(lines)


def test_with_a_run_its_log_is_read_whole_first(registry: Registry, make_run: MakeRun) -> None:
    run = make_run("long", live=True)
    run.train()
    for number in range(300):
        run.emit(steps(26 + 2000 * number, 2000, epoch=3, loss=(0.5,) * 2000))
    assert run.folder.events.stat().st_size > 4 << 20
    text = frame(registry, "long")
    assert "600 025" in text and "● running" in text and "events" in text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_two_frames_of_the_same_runs_are_the_same(registry: Registry, make_run: MakeRun) -> None:
    make_run().train()
    assert frame(registry, "1") == frame(registry, "1")


def test_several_runs_are_compared(registry: Registry, make_run: MakeRun) -> None:
    for _ in range(2):
        make_run().train()
    text = frame(registry, "run1", "run2")
    assert "run1" in text and "run2" in text and "2 runs" in text


def test_a_size_and_characters_can_be_asked_for(registry: Registry, make_run: MakeRun) -> None:
    make_run().train()
    text = frame(registry, "1", size=(70, 20), glyphs="ascii")
    lines = text.splitlines()
    assert len(lines) == 20 and max(map(len, lines)) <= 70
    assert text.isascii()


def test_on_a_terminal_it_has_the_colours_of_the_theme(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    make_run().train()
    assert "48;2;16;18;20" in frame(registry, "1", colors=True)
    assert "48;2;250;250;248" in frame(registry, "1", colors=True, theme="light")


def test_nothing_is_changed_on_disk(
    registry: Registry, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUITRAIN_STATE", str(tmp_path / "state"))
    make_run().train()
    before = sorted((file, file.stat().st_mtime_ns) for file in registry.path.rglob("run1/**/*"))
    frame(registry, "1")
    after = sorted((file, file.stat().st_mtime_ns) for file in registry.path.rglob("run1/**/*"))
    assert before == after
    assert not (tmp_path / "state").exists()


def test_an_unknown_run_and_one_that_cannot_be_read_are_errors(
    registry: Registry, make_run: MakeRun
) -> None:
    with pytest.raises(RunNotFoundError):
        frame(registry, "run9")
    run = make_run()
    run.train()
    if os.geteuid() == 0:
        # Nothing is forbidden to the superuser: a folder in the log's place cannot be read either.
        run.folder.events.unlink()
        run.folder.events.mkdir()
    else:
        run.folder.events.chmod(0)
    with pytest.raises(StorageError, match="run1 cannot be read"):
        frame(registry, "run1")
