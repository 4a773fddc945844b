"""A day of training watched from its first step: the dashboard's memory, and detail at its end.

python -m benchmarks.long_run
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from pathlib import Path

import numpy as np

from benchmarks.made_runs import BLOCK_STEPS, STEPS_PER_S, MadeRun, figures_of
from benchmarks.options import Options, make_parser, to_options
from benchmarks.processes import scratch_folder
from benchmarks.report import describe
from benchmarks.results import Result, Row, load_note, save
from benchmarks.statistics import Target, estimate_median
from benchmarks.terminal import Terminal
from tui_trainer.core.tables import Table
from tui_trainer.dashboard.tails import RunTail
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder

_DAY_STEPS = 26_000_000
_QUICK_STEPS = 1_000_000
_PIECE_STEPS = 100_000
# What is held for a moment while a piece is read comes and goes.
_LOOKS = 9
_ASKED_AT = (1_000_000, 5_000_000, 10_000_000, 26_000_000)
_ZOOM_STEPS = 2_000
_AT_REST_S = 1.0
_FLAT = Target(1.05, at_least=False)


@dataclasses.dataclass(frozen=True)
class Memory:
    """What a dashboard holds once it has shown so many steps."""

    steps: int
    resident_bytes: float
    own_bytes: float


@dataclasses.dataclass(frozen=True)
class Detail:
    """How long it took to read a log, and a window of it again."""

    log_s: float
    window_s: float


def main() -> None:
    """Measure, save and print."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--steps", type=int, default=_DAY_STEPS, help="steps of the day")
    given = parser.parse_args()
    options = to_options(given)
    steps = _QUICK_STEPS if options.quick else given.steps
    load = load_note()
    with scratch_folder() as folder:
        runs_dir = folder / "runs"
        with MadeRun(Registry(runs_dir), steps, is_live=True, on_gpu=True) as run:
            memories = watch(options, runs_dir, run, steps)
            size_bytes = run.folder.events.stat().st_size
            detail = look_closer(run.folder, min(1_000_000, steps // 2))
    result = make_result(options, memories, detail, size_bytes, load)
    save(options.results, result.name, result)
    print(describe(result))


def watch(options: Options, runs_dir: Path, run: MadeRun, steps: int) -> list[Memory]:
    """Let a dashboard follow a log from its first step to its last, and ask what it holds."""
    memories = []
    asked_at = _ASKED_AT if steps > _QUICK_STEPS else (steps // 5, steps)
    looks: list[tuple[int, int]] = []
    with Terminal(options, runs_dir, "run1") as terminal:
        terminal.wait_for("run1 .*running")
        while run.step < steps:
            run.train(min(steps, run.step + _PIECE_STEPS))
            said = f"read-up-to-{run.step:08d}"
            run.say(said)
            # On the screen only when all before it was read.
            terminal.wait_for_bytes(said.encode())
            if any(0 <= asked - run.step < _LOOKS * _PIECE_STEPS for asked in asked_at):
                time.sleep(_AT_REST_S)
                looks.append((terminal.resident_bytes, terminal.own_bytes))
            if run.step in asked_at:
                resident_bytes, own_bytes = map(statistics.median, zip(*looks, strict=True))
                memories.append(Memory(run.step, resident_bytes, own_bytes))
                looks = []
    return memories


def look_closer(folder: RunFolder, first: int) -> Detail:
    """Read a log as the dashboard does, then a window of it, and check each step of that.

    Raises:
        RuntimeError: a step is missing, or is not as it was logged.
    """
    since = time.perf_counter()
    tail = RunTail(folder)
    view = tail.read()
    while tail.is_behind:
        view = tail.read() or view
    log_s = time.perf_counter() - since
    last = first + _ZOOM_STEPS - 1
    since = time.perf_counter()
    tail.look_closer(((first, last),))
    shown = tail.read()
    while tail.is_behind:
        shown = tail.read() or shown
    window_s = time.perf_counter() - since
    if view is None or shown is None:
        raise RuntimeError(f"{folder.events} could not be read")
    check_whole(shown.series.steps.between(first, last), first)
    return Detail(log_s, window_s)


def check_whole(steps: Table, first: int) -> None:
    """Make sure that a window holds each of its steps as it was logged.

    Raises:
        RuntimeError: it does not.
    """
    expected = figures_of(first, _ZOOM_STEPS)
    is_whole = len(steps) == _ZOOM_STEPS and all(
        np.array_equal(steps[field.name], getattr(expected, field.name))
        for field in dataclasses.fields(expected)
    )
    if not is_whole:
        raise RuntimeError(f"{len(steps)} rows, not the {_ZOOM_STEPS} steps from {first} on")


def make_result(
    options: Options, memories: list[Memory], detail: Detail, size_bytes: int, load: str
) -> Result:
    """What was measured, and the rows."""
    rows = [
        _row(f"resident memory at {_words(one.steps)} steps", one.resident_bytes / 1e6, "MB")
        for one in memories
    ]
    last = memories[-1]
    early = next((one for one in memories if one.steps == 5_000_000), memories[0])
    name = f"{_words(last.steps)} steps / {_words(early.steps)} steps"
    ratio = last.resident_bytes / early.resident_bytes
    rows.append(_row(name, ratio, "×", _FLAT))
    own = last.own_bytes / early.own_bytes
    rows.append(_row(f"{name}, memory of its own", own, "×"))
    rows.append(_row("the log read whole", detail.log_s, "s"))
    rows.append(_row(f"{_words(_ZOOM_STEPS)} steps of it read again", 1e3 * detail.window_s, "ms"))
    return Result(
        name="long_run",
        title="A day of training",
        device=options.device,
        compared=(
            "`tuitrain dashboard` in a pseudo-terminal, attached to a run before its first step; "
            f"a log as {STEPS_PER_S} steps a second write it in a day (blocks of {BLOCK_STEPS}, "
            "epochs of 469 steps with evaluation and checkpoint, resources each second of the "
            f"run, {size_bytes / 1e6:,.0f} MB in all) grows as fast as the dashboard shows it, "
            f"{_words(_PIECE_STEPS)} steps at a time. Memory is the median of {_LOOKS} looks, each "
            "a second after a piece, the last at the step named. Then the log is read by the "
            "dashboard's own reader, and a window is looked at closely: every step of it was "
            "there, each figure as it was logged."
        ),
        rows=tuple(rows),
        notes=(load,),
        is_quick=options.quick,
    )


def _words(count: int) -> str:
    return f"{count:,}".replace(",", " ")


def _row(what: str, value: float, unit: str, target: Target | None = None) -> Row:
    return Row(what=what, figure=estimate_median([value]), unit=unit, target=target)


if __name__ == "__main__":
    main()
