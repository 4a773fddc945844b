"""Keys that ask a running worker for something."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.builders import SESSION, steps
from tests.dashboard.conftest import MadeRun, MakeRun, screen_lines, shows, until
from tui_trainer.core import events
from tui_trainer.core.jobs import EvaluateJob, ExportJob, Job
from tui_trainer.dashboard import jobs
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.prompt import Prompt
from tui_trainer.errors import ReportedError
from tui_trainer.store import steerable
from tui_trainer.store.control import Request
from tui_trainer.store.lease import acquire_lease
from tui_trainer.store.registry import Registry


def asked_of(run: MadeRun) -> list[Request]:
    found = [msgspec.json.decode(path.read_bytes(), type=Request) for path in run.requests]
    assert {request.session for request in found} <= {SESSION}
    return found


def requests_of(run: MadeRun) -> list[str]:
    return [request.request for request in asked_of(run)]


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


async def test_a_question_that_is_no_longer_read_is_asked_anew(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run(live=True)
    run.train()
    async with DashboardApp(registry, [run.folder]).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "● running")
        await pilot.press("s")
        await shows(pilot, "press s again")
        pilot.app.screen.query_one(KeyBar).hush()
        await pilot.press("s")
        await shows(pilot, "press s again")
        assert requests_of(run) == []


async def test_a_learning_rate_is_typed_or_given_as_a_factor(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run(live=True)
    run.train()
    async with DashboardApp(registry, [run.folder]).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "● running")
        await pilot.press("l")
        await shows(pilot, "learning rate 0.01", "a number, x0.5 or /2")
        await pilot.press(*"fast", "enter")
        await shows(pilot, "but optimizer.lr must be a number above 0")
        assert requests_of(run) == []
        await pilot.press(*["backspace"] * 4, *"x0.5", "enter")
        await shows(pilot, "asked run1 to set the learning rate to 0.005")
        (asked,) = asked_of(run)
        assert (asked.request, asked.arguments) == ("set", {"lr": 0.005})
        await pilot.press("l")
        await shows(pilot, "learning rate 0.01")
        await pilot.press("escape")
        await until(pilot, lambda: not pilot.app.screen.query(Prompt))
        pilot.app.screen.query_one(KeyBar).hush()
        await shows(pilot, "space pause")
        assert len(run.requests) == 1


async def test_a_live_run_is_validated_and_stops_after_its_epoch(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run(live=True)
    run.train()
    async with DashboardApp(registry, [run.folder]).run_test(size=(160, 30)) as pilot:
        await shows(pilot, "● running", "e validate", "S stop after epoch")
        await pilot.press("e")
        await until(pilot, lambda: requests_of(run) == ["evaluate"])
        run.requests[0].unlink()
        await pilot.press("S")
        await until(pilot, lambda: requests_of(run) == ["stop-after-epoch"])
        run.requests[0].unlink()
        run.emit(events.ControlApplied(id="1", request="stop-after-epoch", by="ann", step=25))
        pilot.app.screen.query_one(KeyBar).hush()
        await shows(pilot, "S train on")
        run.emit(events.ControlApplied(id="2", request="pause", by="ann", step=25))
        await shows(pilot, "‖ paused")
        await pilot.press("S")
        await shows(pilot, "run1 is paused: let it go on first")
        assert requests_of(run) == []
        run.emit(events.ControlApplied(id="3", request="continue", by="ann", step=25))
        await shows(pilot, "● running")
        await pilot.press("S")
        await until(pilot, lambda: requests_of(run) == ["continue"])


async def test_what_costs_asks_once_and_tells_what_was_found(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    run.train()
    done: list[Job] = []

    def answer(job: Job, say: Callable[[str], object], is_wanted: object) -> dict[str, Any]:
        done.append(job)
        if isinstance(job, ExportJob):
            raise ReportedError("checkpoint", "The checkpoint is damaged.", "Choose another.", 1)
        return {"run": "run1", "checkpoint": "best", "split": "test", "count": 9,
                "accuracy": 0.75, "loss": 0.5}  # fmt: skip

    monkeypatch.setattr(jobs, "run_job", answer)
    async with DashboardApp(registry, [run.folder]).run_test(size=(120, 30)) as pilot:
        await shows(pilot, "⊘ interrupted", "e evaluate", "o export", "r resume")
        await pilot.press("e")
        await shows(pilot, "press e again to judge the best checkpoint of run1 on the test split")
        await pilot.press("o", "o")
        await shows(pilot, "press o again to export the best checkpoint of run1 to ONNX")
        assert done == []
        await pilot.press("o")
        await shows(pilot, "The checkpoint is damaged. Choose another.")
        await pilot.press("e")
        await shows(pilot, "press e again")
        await pilot.press("e")
        await shows(pilot, "run1  best  test: accuracy 0.7500  loss 0.5000  on 9 samples")
    assert [type(job) for job in done] == [ExportJob, EvaluateJob]


async def test_a_run_with_nothing_left_to_train_says_so(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run()
    run.train(epochs=3, steps=30)
    run.emit(steps(26, 5, epoch=3), events.Finished(step=30, epoch=3))
    async with DashboardApp(registry, [run.folder]).run_test(size=(120, 30)) as pilot:
        await shows(pilot, "✓ finished")
        await pilot.press("r")
        await shows(pilot, "run1 has trained all its", "tuitrain resume run1 --epochs")


async def test_a_run_that_would_not_go_on_exactly_says_which_command_accepts_that(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    run.train()

    def refuse(*arguments: object) -> None:
        told = "go on all the same with: tuitrain resume run1 --accept approximate."
        raise ReportedError("not-exact", "It would not go on exactly: the data changed.", told, 2)

    monkeypatch.setattr(jobs, "make_resume_job", refuse)
    async with DashboardApp(registry, [run.folder]).run_test(size=(120, 30)) as pilot:
        await shows(pilot, "⊘ interrupted")
        await pilot.press("r")
        await shows(pilot, "press r again to resume run1 from step 20")
        await pilot.press("r")
        await shows(pilot, "the data changed", "tuitrain resume run1 --accept approximate")


STEERING = ["space", "c", "e", "l", "s", "S", "r", "o"]


async def test_a_run_of_someone_else_is_only_watched(
    registry: Registry, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(live=True)
    run.train()
    monkeypatch.setattr(steerable.os, "access", lambda path, mode: False)
    monkeypatch.setattr(steerable.os, "geteuid", lambda: 4_000_000)
    owner = steerable._name_of(run.folder.path.stat().st_uid)
    async with DashboardApp(registry, [run.folder]).run_test(size=(160, 30)) as pilot:
        await shows(pilot, "● running")
        for key in STEERING:
            await pilot.press(key)
            await shows(pilot, f"run1 belongs to {owner}: it can only be watched")
            pilot.app.screen.query_one(KeyBar).hush()
        await shows(pilot, "d duplicate", "? help")
        for label in ("pause", "validate", "evaluate", "stop", "resume", "export", "learning"):
            assert label not in screen_lines(pilot.app)[-1]
        assert requests_of(run) == []


async def test_a_run_of_a_newer_version_is_only_watched(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run(live=True)
    run.train()
    run.emit(events.Message(text="from tomorrow", v=99))
    async with DashboardApp(registry, [run.folder]).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "● running")
        screen = pilot.app.screen
        assert isinstance(screen, RunScreen)
        await until(pilot, lambda: screen.record.newer_version == 99)
        await pilot.press("s")
        await shows(pilot, "run1 was written by a newer tuitrain: it can only be watched")


async def test_a_dashboard_that_only_watches_says_so_at_every_key(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run(live=True)
    run.train()
    app = DashboardApp(registry, [run.folder], read_only=True)
    async with app.run_test(size=(120, 30)) as pilot:
        await shows(pilot, "● running")
        for key in (*STEERING, "d"):
            await pilot.press(key)
            await shows(pilot, "this dashboard only watches")
            pilot.app.screen.query_one(KeyBar).hush()
        assert "duplicate" not in screen_lines(app)[-1]
        await pilot.press("q")
        await shows(pilot, "1 run · 1 live")
        assert not {"new", "duplicate", "resume"} & set(screen_lines(app)[-1].split())
        for key in ("n", "d"):
            await pilot.press(key)
            await shows(pilot, "this dashboard only watches")
    assert requests_of(run) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only there threads have their own priority")
def test_what_is_started_does_not_inherit_a_lowered_priority() -> None:
    script = """
import os, subprocess, sys, threading
from tui_trainer.launch.starter import at_kept_priority, keep_priority
ask = [sys.executable, "-c", "import os; print(os.getpriority(os.PRIO_PROCESS, 0))"]
keep_priority()
os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
print(subprocess.check_output(ask, text=True).strip())
print(at_kept_priority(lambda: subprocess.check_output(ask, text=True)).strip())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert done.stdout.split() == ["19", str(own)]
    assert done.returncode == 0, done.stderr


async def test_a_key_of_the_footer_can_be_clicked(registry: Registry, make_run: MakeRun) -> None:
    run = make_run(live=True)
    run.train()
    app = DashboardApp(registry, [run.folder])
    async with app.run_test(size=(120, 30)) as pilot:
        await shows(pilot, "● running")
        for word, words in (("checkpoint", "save a checkpoint"), ("pause", "pause")):
            app.screen.query_one(KeyBar).hush()
            at = screen_lines(app)[-1].index(word)
            await pilot.click(offset=(at, 29))
            # It is said after it was written, and a click on what is said is a click on no key.
            await shows(pilot, f"asked run1 to {words}")
            assert word in requests_of(run)
        app.screen.query_one(KeyBar).hush()
        await pilot.click(offset=(screen_lines(app)[-1].index("? help"), 29))
        await shows(pilot, "in a run")


async def test_a_key_that_answers_no_does_nothing_else(
    registry: Registry, make_run: MakeRun
) -> None:
    run = make_run(live=True)
    run.train()
    app = DashboardApp(registry, [run.folder])
    async with app.run_test(size=(120, 30)) as pilot:
        await shows(pilot, "● running")
        await pilot.press("s", "q")
        await until(pilot, lambda: not app.screen.query_one(KeyBar).notice)
        assert isinstance(app.screen, RunScreen) and requests_of(run) == []
        await pilot.press("q")
        await until(pilot, lambda: not isinstance(app.screen, RunScreen))
