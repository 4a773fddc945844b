"""Runs on disk for the dashboard to show, and ways to look at its screen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import textual.app
import textual.pilot
from textual._context import active_app
from textual.app import App
from textual.pilot import Pilot

from tests.builders import SESSION, environment, evaluated, session_start, steps
from tests.command import PATIENCE_S
from tui_trainer.core import events
from tui_trainer.core.config import RunConfig
from tui_trainer.dashboard import mishaps
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.lease import RecordLock, acquire_lease
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_writer import RunWriter

GIB = 1 << 30
# A key becomes a message to a widget, that one to the screen, and what the screen does a redraw.
_ROUNDS = 3


class MadeRun:
    """A run folder and the writer's side of it; with a lease it looks alive."""

    def __init__(self, registry: Registry, name: str, *, live: bool) -> None:
        self.folder = registry.create(environment(), encode_config(RunConfig()), name)
        self.lease: RecordLock | None = None
        if live:
            self.lease = acquire_lease(self.folder.path, SESSION)
        self.writer = RunWriter(self.folder.path)

    @property
    def run(self) -> str:
        return self.folder.run

    @property
    def requests(self) -> list[Path]:
        return sorted((self.folder.path / "control").glob("*.json"))

    def emit(self, *all_events: events.Event) -> None:
        for event in all_events:
            self.writer.emit(event)

    def train(self, **start: Any) -> None:
        """Two epochs and a half of ten steps, evaluated, with memory and a checkpoint."""
        self.emit(session_start(device="cuda:0", device_name="NVIDIA H200", **start))
        for epoch in (1, 2):
            last = 10 * epoch
            self.emit(
                steps(last - 9, 10, epoch=epoch),
                epoch_finished(last, epoch),
                evaluated(step=last, epoch=epoch, metrics={"loss": 0.5 / epoch, "accuracy": 0.8}),
                checkpoint(last, epoch),
                resources(device=True),
            )
        self.emit(steps(21, 5, epoch=3))

    def close(self) -> None:
        self.writer.close()
        if self.lease is not None:
            self.lease.release()


def epoch_finished(step: int, epoch: int) -> events.EpochFinished:
    return events.EpochFinished(
        epoch=epoch, step=step, train={"loss": 0.1}, samples_per_s=640.0, duration_s=1.0
    )


def checkpoint(step: int, epoch: int) -> events.CheckpointSaved:
    return events.CheckpointSaved(
        step=step, epoch=epoch, folder="f", manifest_sha256="", best=True, size_bytes=1,
        duration_s=0.1,
    )  # fmt: skip


def resources(*, device: bool) -> events.Resources:
    accelerator = events.DeviceResources(
        allocated_bytes=GIB, reserved_bytes=2 * GIB, peak_bytes=3 * GIB, used_bytes=4 * GIB,
        total_bytes=140 * GIB, utilization=0.92,
    )  # fmt: skip
    return events.Resources(
        process_bytes=GIB, host_used_bytes=5 * GIB, host_total_bytes=16 * GIB,
        cpu_utilization=0.5, device=accelerator if device else None,
    )  # fmt: skip


MakeRun = Callable[..., MadeRun]


@pytest.fixture(autouse=True)
def no_mishap_is_survived(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that a person's dashboard would go on from fails the test."""

    def fail(error: Exception) -> str:
        raise error

    monkeypatch.setattr(mishaps, "meet", fail)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "runs")


@pytest.fixture
def make_run(registry: Registry) -> Iterator[MakeRun]:
    made: list[MadeRun] = []

    def make(name: str = "", *, live: bool = False) -> MadeRun:
        made.append(MadeRun(registry, name, live=live))
        return made[-1]

    yield make
    for run in made:
        run.close()


@pytest.fixture(autouse=True)
def keys_are_waited_for_until_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the pilot go on when all widgets have taken in what was sent to them.

    Textual's own way is to wait, after each key, until the process hardly computes: on a machine
    that is busy, or while the watcher reads, that is long after the key was obeyed.
    """

    async def wait_until_obeyed(min_sleep: float = 0.0, max_sleep: float = 1.0) -> None:
        app = active_app.get()
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
            await Pilot(app)._wait_for_screen()
            # What a timer does else, sixty times a second: lay out, draw.
            app.screen._on_timer_update()

    for module in (textual.app, textual.pilot):
        monkeypatch.setattr(module, "wait_for_idle", wait_until_obeyed)


def screen_lines(app: App[None]) -> list[str]:
    """The text on the screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip) for strip in strips]


def screen_text(app: App[None]) -> str:
    return "\n".join(screen_lines(app))


async def until(
    pilot: Pilot[None], condition: Callable[[], bool], *, within_s: float = PATIENCE_S
) -> None:
    """Wait for a condition, not for a time."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "\n" + screen_text(pilot.app)
        await pilot.pause(0.02)


async def press_until(
    pilot: Pilot[None], key: str, condition: Callable[[], bool], *, most: int = 60
) -> None:
    """Press a key until a condition holds."""
    for _ in range(most):
        if condition():
            return
        await pilot.press(key)
    assert condition(), "\n" + screen_text(pilot.app)


async def shows(pilot: Pilot[None], *texts: str) -> None:
    """Wait until all of these are on the screen."""
    await until(pilot, lambda: all(text in screen_text(pilot.app) for text in texts))
