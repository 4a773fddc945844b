"""Keys, sizes and clicks in no order at all, over runs that misbehave: always a whole frame.

`TUITRAIN_FAULTS=long` walks further, `TUITRAIN_FAULTS_SEED` another way.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.events import Paste
from textual.pilot import Pilot

from tests.builders import evaluated, resumed, steps
from tests.dashboard.conftest import MadeRun, MakeRun, screen_text, shows, until
from tests.dashboard.nasty_runs import TEXTS, append_nasty, nasty_annotations
from tests.faults.plan import IS_LONG, choices_of
from tui_trainer import paths
from tui_trainer.dashboard import jobs
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.bindings import KEYS
from tui_trainer.errors import StorageError
from tui_trainer.store.registry import Registry

pytestmark = pytest.mark.slow

_ACTS = 2_000 if IS_LONG else 150
_SIZES = 200 if IS_LONG else 8
_TYPED = ("a", "5", "full_stop", "tab", "backspace", "enter", "escape", "delete", "ctrl+u", "f1")
_PRESSED = tuple(
    name for key in KEYS for name in key.keys.split(",") if key.action != "quit"
) + _TYPED  # fmt: skip


class Walk:
    """Does one thing after another to a dashboard and the runs it watches."""

    def __init__(self, pilot: Pilot[None], run: MadeRun, choose: random.Random) -> None:
        self._pilot = pilot
        self._run = run
        self._choose = choose
        self._step = 25
        self.did: list[str] = []

    async def act(self) -> None:
        """One thing: mostly a key."""
        chance = self._choose.random()
        if chance < 0.75:
            key = self._choose.choice(_PRESSED)
            self.did.append(key)
            await self._pilot.press(key)
        elif chance < 0.85:
            self.did.append("write")
            self._write()
        elif chance < 0.93:
            size = self._choose.randint(1, 200), self._choose.randint(1, 70)
            self.did.append(f"size {size}")
            await self._pilot.resize_terminal(*size)
        else:
            await self._point()

    async def _point(self) -> None:
        pilot, choose = self._pilot, self._choose
        places = [self._place() for _ in range(2)]
        how = choose.choice(("click", "drag", "paste"))
        self.did.append(f"{how} {places}")
        if how == "click":
            await pilot.click(offset=places[0], times=choose.choice((1, 1, 2)))
        elif how == "drag":
            button = choose.choice((1, 3))
            await pilot.mouse_down(offset=places[0], button=button)
            await pilot.hover(offset=places[1])
            await pilot.mouse_up(offset=places[1])
        else:
            pilot.app.post_message(Paste(choose.choice(TEXTS)))
            await pilot.pause()

    def _place(self) -> tuple[int, int]:
        width, height = self._pilot.app.size
        return self._choose.randrange(width), self._choose.randrange(height)

    def _write(self) -> None:
        run, choose = self._run, self._choose
        self._step += 3
        lost = resumed(max(0, self._step - 20), session=choose.choice(("a", "b")))
        ordinary = (steps(self._step, 3), evaluated(step=self._step), lost)
        run.emit(choose.choice(ordinary))
        if choose.random() < 0.5:
            append_nasty(run.folder.events, choose, 2)
        if choose.random() < 0.3:
            (run.folder.path / paths.ANNOTATIONS).write_bytes(nasty_annotations(choose))
        with open(run.folder.worker_log, "ab") as log:
            log.write(choose.randbytes(40) + b"\r\n")


async def see_whole(pilot: Pilot[None]) -> None:
    """Wait until the frame fills the terminal; no pane may say that it could not be drawn."""
    app = pilot.app
    await until(pilot, lambda: app._exception is not None or is_whole(app))
    assert "cannot be drawn" not in screen_text(app), screen_text(app)


def is_whole(app: App[None]) -> bool:
    width, height = app.size
    strips = app.screen._compositor.render_strips()
    return [strip.cell_length for strip in strips] == [width] * height


@pytest.fixture
def nothing_is_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No job is started and no file written but in a folder of its own."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise StorageError("Nothing is started here.", "Walk on.")

    for name in ("resolve_prepared", "create_run", "make_resume_job", "run_job", "start_training"):
        monkeypatch.setattr(jobs, name, refuse)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.mark.usefixtures("nothing_is_started")
async def test_whatever_is_pressed_over_whatever_run_the_frame_is_whole(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = choices_of("walk")
    live = make_run("live", live=True)
    live.train()
    for name in ("ended", "nasty"):
        make_run(name).train()
    append_nasty(registry.find("nasty").events, choose, 40)
    app = DashboardApp(registry)
    monkeypatch.setattr(app, "exit", lambda *_: None)
    async with app.run_test(size=(100, 30)) as pilot:
        await shows(pilot, "run1")
        walk = Walk(pilot, live, choose)
        for _ in range(_ACTS):
            await walk.act()
            await see_whole(pilot)
            assert app._exception is None, walk.did[-20:]
            if choose.random() < 0.01:
                shutil.rmtree(registry.find("ended").path, ignore_errors=True)
                make_run("ended").train()


@pytest.mark.usefixtures("nothing_is_started")
@pytest.mark.parametrize(
    "keys",
    [(), ("enter",), ("enter", "5"), ("space", "space", "c"), ("n",), ("slash",), ("ctrl+p",)],
)
async def test_of_any_size_and_under_the_palette_the_frame_is_whole(
    registry: Registry, make_run: MakeRun, keys: tuple[str, ...]
) -> None:
    choose = choices_of(f"sizes {keys}")
    for name in ("one", "other"):
        make_run(name, live=True).train()
    async with DashboardApp(registry).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "run1", "run2")
        await pilot.press(*keys)
        for number in range(_SIZES):
            if number == _SIZES // 2:
                await pilot.press("ctrl+p", "e")
            size = choose.choice((8, 60, 300)), choose.choice((4, 100))
            await pilot.resize_terminal(*(choose.randint(1, most) for most in size))
            await see_whole(pilot)
            assert pilot.app._exception is None, pilot.app.size
