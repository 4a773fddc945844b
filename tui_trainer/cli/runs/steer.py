"""`tuitrain runs stop`, `pause`, `continue`, `checkpoint`, `evaluate` and `set`: steering a run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui_trainer.cli.options import JsonOption, RunArgument, RunsOption
from tui_trainer.cli.output import print_json, print_line
from tui_trainer.core.format import format_count, format_metric
from tui_trainer.core.run_state import RunState
from tui_trainer.errors import RunStateError, UsageError
from tui_trainer.paths import choose_runs_dir
from tui_trainer.store.registry import Registry

if TYPE_CHECKING:
    from tui_trainer.launch.follower import Follower
    from tui_trainer.store.control import RequestName
    from tui_trainer.store.run_folder import RunFolder

_VERBS: dict[str, str] = {"stop-after-epoch": "stop after its epoch"}

WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it has happened.")]


def _command(request: RequestName, meaning: str) -> Callable[..., None]:
    """The command that asks a run for something that takes no arguments."""

    def ask(
        reference: RunArgument,
        wait: WaitOption = True,
        runs: RunsOption = None,
        as_json: JsonOption = False,
    ) -> None:
        _steer(runs, reference, request, wait=wait, as_json=as_json)

    ask.__doc__ = meaning
    return ask


pause = _command("pause", "Pause a run; its memory stays taken.")
continue_run = _command(
    "continue", "Let a paused run go on; of any other, take back a stop after its epoch."
)
checkpoint = _command("checkpoint", "Save a checkpoint now.")
evaluate = _command(
    "evaluate", "Judge the weights of now on the validation split; it chooses no checkpoint."
)


def stop(
    reference: RunArgument,
    after_epoch: Annotated[
        bool,
        typer.Option("--after-epoch", help="Stop when the epoch and its validation are over."),
    ] = False,
    wait: WaitOption = True,
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop a run with a checkpoint; it can be resumed."""
    request: RequestName = "stop-after-epoch" if after_epoch else "stop"
    _steer(runs, reference, request, wait=wait, as_json=as_json)


def set_value(
    reference: RunArgument,
    assignment: Annotated[str, typer.Argument(help="lr=X", metavar="lr=X")],
    wait: WaitOption = True,
    runs: RunsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change the learning rate of a running run; its schedule goes on from there, scaled."""
    from tui_trainer.core.config.fields import check_value

    key, equals, value = assignment.partition("=")
    if key != "lr" or not equals:
        raise UsageError(
            f"{assignment!r} cannot be set on a running run.", "Write it as lr=X, a number above 0."
        )
    check_value("optimizer.lr", value, "lr")
    arguments: dict[str, float | str] = {"lr": float(value)}
    _steer(runs, reference, "set", arguments, wait=wait, as_json=as_json)


def _steer(
    runs: Path | None,
    reference: str,
    request: RequestName,
    arguments: dict[str, float | str] | None = None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Ask a running run for something, wait for its answer, and print it."""
    from tui_trainer.launch.follower import Follower
    from tui_trainer.store.control import submit
    from tui_trainer.store.lease import look
    from tui_trainer.store.run_folder import read_run

    folder, verb = Registry(choose_runs_dir(runs)).find(reference), _VERBS.get(request, request)
    state, lease = read_run(folder).state, look(folder.path)
    while state is RunState.STARTING and not lease.held:
        time.sleep(0.05)
        state, lease = read_run(folder).state, look(folder.path)
    if not lease.held:
        raise RunStateError(
            f"{folder.run} is {state.value}: there is nothing to {verb}.",
            "See the runs and their states with: tuitrain runs list.",
        )
    follower = Follower(folder)
    asked = submit(folder.path, lease.session, request, arguments)
    answer: dict[str, Any] = {"run": folder.run, "request": request, "id": asked.id}
    if wait:
        answer |= _await_answer(follower, folder, asked.id, request)
    if as_json:
        print_json(answer)
    else:
        at = f" at step {format_count(answer['step'])}" if "step" in answer else ""
        figures = answer.get("metrics", {}).items()
        found = "".join(f"  {name} {format_metric(float(value))}" for name, value in figures)
        print_line(f"{folder.run}: {request}{at}{'' if wait else ' asked for'}{found}")


def _await_answer(
    follower: Follower, folder: RunFolder, request_id: str, request: str
) -> dict[str, Any]:
    """What the worker answered, once it did.

    A stop is answered when the run has ended.

    Raises:
        RunStateError: it refused, ended before it answered, or the stop was taken back.
    """
    from tui_trainer.core.events import ControlApplied, ControlRefused

    verb = _VERBS.get(request, request)
    found: dict[str, Any] = {}
    for events, record in follower.until(lambda record: not record.state.is_live):
        for event in events:
            if isinstance(event, ControlRefused) and event.id == request_id:
                raise RunStateError(
                    f"{folder.run} refused to {verb}: {event.reason}.",
                    f"See its state with: tuitrain runs show {folder.run}.",
                )
            if isinstance(event, ControlApplied) and event.id == request_id:
                found = {"step": event.step, "state": record.state.value}
                if request == "evaluate":
                    found["metrics"] = event.arguments
        if found and request not in ("stop", "stop-after-epoch"):
            return found
        if found and request == "stop-after-epoch" and not record.snapshot.stops_after_epoch:
            raise RunStateError(
                f"{folder.run} goes on: the stop after its epoch was taken back.",
                f"Watch it with: tuitrain attach {folder.run}.",
            )
        if found and not record.state.is_live:
            found |= {"step": record.snapshot.step, "state": record.state.value}
    if "step" not in found:
        raise RunStateError(
            f"{folder.run} ended before it could {verb}.",
            f"See how with: tuitrain runs show {folder.run}.",
        )
    return found
