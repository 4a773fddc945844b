"""Keys that ask a running worker for something."""

from __future__ import annotations

import msgspec
import pytest

from tests.builders import SESSION
from tests.dashboard.conftest import MadeRun, MakeRun, shows, until
from tui_trainer.core import events
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.store.control import Request
from tui_trainer.store.lease import acquire_lease
from tui_trainer.store.registry import Registry


def requests_of(run: MadeRun) -> list[str]:
    found = [msgspec.json.decode(path.read_bytes(), type=Request) for path in run.requests]
    assert {request.session for request in found} <= {SESSION}
    return [request.request for request in found]


async def test_pause_continue_and_checkpoint(registry: Registry, make_run: MakeRun) -> None:
    run = make_run(live=True)
    run.train()
    async with DashboardApp(registry, [run.folder]).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "● running", "space pause")
        await pilot.press("c")
        await shows(pilot, "asked run1 to save a checkpoint")
        await until(pilot, lambda: requests_of(run) == ["checkpoint"])
        run.requests[0].unlink()
        await pilot.press("space")
        await until(pilot, lambda: requests_of(run) == ["pause"])
        run.requests[0].unlink()
        run.emit(events.ControlApplied(id="1", request="pause", by="me", step=25))
        await shows(pilot, "‖ paused")
        await pilot.press("space")
        await until(pilot, lambda: requests_of(run) == ["continue"])


@pytest.mark.parametrize("size", [(60, 18), (160, 45)])
async def test_stop_asks_once(registry: Registry, make_run: MakeRun, size: tuple[int, int]) -> None:
    run = make_run(live=True)
    run.train()
    async with DashboardApp(registry, [run.folder]).run_test(size=size) as pilot:
        await shows(pilot, "● running")
        await pilot.press("s")
        await shows(pilot, "press s again to stop run1 with a checkpoint")
        assert requests_of(run) == []
        await pilot.press("y", "s")  # another key in between calls it off
        await shows(pilot, "press s again to stop run1 with a checkpoint")
        assert requests_of(run) == []
        await pilot.press("s")
        await until(pilot, lambda: requests_of(run) == ["stop"])


async def test_a_run_that_has_ended_cannot_be_steered(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run()
    run.train()
    async with DashboardApp(registry, [run.folder]).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "⊘ interrupted")
        for key in ("space", "c", "s"):
            await pilot.press(key)
            await shows(pilot, "run1 is interrupted: there is nothing to steer")
        assert requests_of(run) == []


async def test_a_session_that_is_no_session_is_not_asked(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run()
    lease = acquire_lease(run.folder.path, "../../outside")
    run.train(session="../../outside")
    async with DashboardApp(registry, [run.folder]).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "● running")
        await pilot.press("c")
        await shows(pilot, "names no session")
    lease.release()
    assert not list(run.folder.path.parent.parent.rglob("*outside*"))


async def test_a_request_that_cannot_be_written_is_told(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run(live=True)
    run.train()
    (run.folder.path / "control").write_text("a file where a folder should be")
    async with DashboardApp(registry, [run.folder]).run_test(size=(120, 30)) as pilot:
        await shows(pilot, "● running")
        await pilot.press("c")
        await shows(pilot, "run1 could not be asked")


async def test_leaving_asks_the_run_for_nothing(registry: Registry, make_run: MakeRun) -> None:
    run = make_run(live=True)
    run.train()
    app = DashboardApp(registry, [run.folder])
    async with app.run_test(size=(100, 30)) as pilot:
        await shows(pilot, "● running")
        await pilot.press("ctrl+c")
        await until(pilot, lambda: app._exit)
    assert requests_of(run) == []


async def test_escape_answers_no_and_stays(registry: Registry, make_run: MakeRun) -> None:
    run = make_run(live=True)
    run.train()
    async with DashboardApp(registry, [run.folder]).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "● running")
        await pilot.press("s")
        await shows(pilot, "press s again")
        await pilot.press("escape")
        await shows(pilot, "checkpoint")
        await shows(pilot, "● running")
        assert isinstance(pilot.app.screen, RunScreen)
    assert not list((run.folder.path / "control").glob("*.json"))
