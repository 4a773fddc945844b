"""How every screen looks, at three sizes.

After a change that is meant: `python -m pytest tests/dashboard/test_snapshots.py
--snapshot-update`, then look at each picture that changed.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.dashboard.conftest import screen_text, shows, until
from tests.dashboard.example_runs import NOW, make_examples
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.screens.compare import CompareScreen
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.dashboard.screens.viewport import ViewportScreen
from tui_trainer.dashboard.views import RunView
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder

SIZES = [(60, 18), (100, 30), (160, 45)]
Before = Callable[[Pilot[None]], Awaitable[None]]
Compare = Callable[..., bool]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """The example runs, under a path that is the same everywhere."""
    folder = tmp_path_factory.mktemp("examples")
    registry = Registry(folder / "runs")
    made = make_examples(registry)
    for _ in range(3):
        next(made)
    yield registry
    made.close()


@pytest.fixture(autouse=True)
def same_everywhere(examples: Registry, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock on the wall and a working folder that do not show in pictures."""
    monkeypatch.chdir(examples.path.parent)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def keys(*pressed: str, shown: str = "", first: str = "run") -> Before:
    """Wait for the first screen, press keys, and wait for what they bring."""

    async def press(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, DashboardApp)
        await until(pilot, lambda: len(app.records) == 3)
        await shows(pilot, first)
        await all_is_drawn(pilot, app)
        await pilot.press(*pressed)
        if shown:
            await shows(pilot, shown)
        await all_is_drawn(pilot, app)

    return press


async def all_is_drawn(pilot: Pilot[None], app: DashboardApp) -> None:
    """Wait until the runs are read, and until the charts, which take their turn, show it."""
    await until(pilot, lambda: all(view.is_whole and view.facts for view in watched(app)))
    await until(pilot, lambda: not is_behind(app))
    before = ""
    while before != screen_text(app):
        before = screen_text(app)
        await pilot.pause()


def is_behind(app: DashboardApp) -> bool:
    """Whether a screen knows more than it shows."""
    screens = [screen for screen in app.screen_stack if isinstance(screen, ViewportScreen)]
    return any(
        screen._is_behind or (isinstance(screen, RunScreen) and screen._waiting_charts)
        for screen in screens
    )


def watched(app: DashboardApp) -> list[RunView]:
    """What is known of the runs that are looked at."""
    for screen in app.screen_stack:
        if isinstance(screen, RunScreen):
            return [screen._view]
        if isinstance(screen, CompareScreen):
            return [member.view for member in screen._members]
    return []


def live(pilot_keys: tuple[str, ...], shown: str) -> tuple[tuple[str, ...], Before]:
    return ("run3",), keys(*pilot_keys, shown=shown, first="70 %")


SCREENS: dict[str, tuple[tuple[str, ...], Before]] = {
    "runs": ((), keys(shown="running")),
    "runs filtered and marked": ((), keys("slash", *"seed", "escape", "space", shown="✓")),
    "run": live((), "D307"),
    "run with a cursor": live(("left", *["shift+left"] * 2), "~"),
    "charts": live(("2",), "loss"),
    "diagnosis": live(("3",), "clip"),
    "worker log": live(("4",), "100 % of mnist"),
    "settings": live(("5",), "chosen by the run"),
    "finished": (("run1",), keys(first="✓ finished", shown="next")),
    "compare": (("run1", "run2", "run3"), keys(first="warm")),
    "differences": (("run1", "run2", "run3"), keys("t", first="warm", shown="lr")),
    "form": ((), keys("n", shown="dataset")),
    "help": live(("question_mark",), "in a run"),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("screen", SCREENS)
def test_it_looks_as_it_did(
    snap_compare: Compare,
    examples: Registry,
    digits_data: Path,
    screen: str,
    size: tuple[int, int],
) -> None:
    references, before = SCREENS[screen]
    registry = Registry(Path(examples.path.name))
    folders = [RunFolder(registry.path / name) for name in references]
    app = DashboardApp(registry, folders, clock=lambda: NOW, data_dir=digits_data)
    assert snap_compare(app, terminal_size=size, run_before=before)
