"""The dashboard in a pseudo-terminal: its first frame, what a live update costs, its memory.

python -m benchmarks.dashboard
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import re
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.made_runs import BLOCK_STEPS, MadeRun, make_registry
from benchmarks.options import Options, make_parser, to_options
from benchmarks.processes import scratch_folder
from benchmarks.report import describe
from benchmarks.results import Result, Row, load_note, save
from benchmarks.statistics import Target, estimate_median, interleave
from benchmarks.terminal import COLUMNS, LINES, Terminal
from tui_trainer.store.registry import Registry

_LAST_WORDS = "the last of the log"
_FOOTER = r"\? help"
_CHARTS_PAGE = "2"
_AXIS = r"(?:^|│) {7}0(?= {4,}\d)"
_GROUPS, _UPDATES = 8, 6
_IDLE_S = 5.0
_PLANNED_STEPS = 26_000_000


@dataclasses.dataclass(frozen=True)
class Size:
    """How much there is to measure on, and how often."""

    runs: int
    run_steps: int
    log_steps: int
    starts: int
    groups: int
    events: int


@dataclasses.dataclass(frozen=True)
class Attached:
    """A dashboard that was started on a long log: when it showed what, and its memory then."""

    first_frame_s: float
    whole_log_s: float
    cpu_s: float


@dataclasses.dataclass(frozen=True)
class Watched:
    """What a dashboard cost that watched a log grow: per update, idle, and in memory."""

    overview_cpu_s: list[float]
    charts_cpu_s: list[float]
    idle_share: float
    event_s: list[float]
    resident_bytes: int
    own_bytes: int
    panes: int


def main() -> None:
    """Measure, save and print."""
    given = _make_parser().parse_args()
    options = to_options(given)
    size = Size(given.runs, 1000, given.steps, given.starts, _GROUPS, given.events)
    if options.quick:
        size = Size(20, 200, 100_000, 3, 2, 5)
    load = load_note()
    with scratch_folder() as folder:
        many, long = folder / "many", folder / "long"
        make_registry(many, size.runs, size.run_steps)
        with MadeRun(Registry(long), _PLANNED_STEPS, is_live=True) as run:
            run.train(size.log_steps)
            run.say(_LAST_WORDS)
            starts = {
                "list": functools.partial(_open_list, options, many, size.runs),
                "attach": functools.partial(_attach, options, long, size.log_steps),
            }
            # Once unmeasured: byte code is cached and the files are in memory.
            interleave(starts, 1)
            frames = interleave(starts, size.starts)
            watched = _watch(options, long, run, size)
    result = make_result(options, size, frames["list"], frames["attach"], watched, load)
    save(options.results, result.name, result)
    print(describe(result))


def _make_parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--runs", type=int, default=200, help="runs in the registry")
    parser.add_argument("--steps", type=int, default=1_000_000, help="steps in the long log")
    parser.add_argument("--starts", type=int, default=10, help="starts of each kind")
    parser.add_argument("--events", type=int, default=30, help="events to wait for")
    return parser


def _open_list(options: Options, runs_dir: Path, runs: int) -> Attached:
    with Terminal(options, runs_dir) as terminal:
        newest = rf"run{runs} .*mnist.*finished|finished .*run{runs} .*mnist"
        first_s = terminal.wait_for(newest, rf"\b{runs} runs", "[\u2801-\u28ff]", _FOOTER)
        return Attached(first_s, first_s, terminal.cpu_s)


def _attach(options: Options, runs_dir: Path, steps: int) -> Attached:
    with Terminal(options, runs_dir, "run1") as terminal:
        shown = f"{steps:,}".replace(",", " ")
        first_s = terminal.wait_for("run1 .*running", shown, " loss ", "accuracy ", _FOOTER)
        cpu_s = terminal.cpu_s
        return Attached(first_s, terminal.wait_for(_LAST_WORDS), cpu_s)


def _watch(options: Options, runs_dir: Path, run: MadeRun, size: Size) -> Watched:
    """Follow the log of a live run; memory is asked for at the end."""
    with Terminal(options, runs_dir, "run1") as terminal:
        terminal.wait_for(_LAST_WORDS)
        events_s = [_wait_for_event(terminal, run, number) for number in range(size.events)]
        idle_share = _measure_idle(terminal)
        overview_cpu_s = [_measure_updates(terminal, run) for _ in range(size.groups)]
        terminal.send(_CHARTS_PAGE)
        terminal.wait_for(" gradient norm ")
        charts_cpu_s = [_measure_updates(terminal, run) for _ in range(size.groups)]
        return Watched(
            overview_cpu_s=overview_cpu_s,
            charts_cpu_s=charts_cpu_s,
            idle_share=idle_share,
            event_s=events_s,
            resident_bytes=terminal.resident_bytes,
            own_bytes=terminal.own_bytes,
            panes=_count_panes(terminal.text),
        )


def _wait_for_event(terminal: Terminal, run: MadeRun, number: int) -> float:
    """Seconds from an event's being in the log to its bytes at the terminal."""
    # Not in step with the dashboard's own rhythm.
    time.sleep(0.3 + 0.0137 * number)
    text = f"event-{number:04d}-of-the-benchmark"
    since = time.perf_counter()
    run.say(text)
    return terminal.wait_for_bytes(text.encode()) - since


def _measure_idle(terminal: Terminal) -> float:
    """The share of one core that watching a run takes that logs nothing."""
    before_s, since_s = terminal.cpu_s, time.perf_counter()
    time.sleep(_IDLE_S)
    return (terminal.cpu_s - before_s) / (time.perf_counter() - since_s)


def _measure_updates(terminal: Terminal, run: MadeRun) -> float:
    """Processor time of an update: a block is logged once the one before it is on the screen."""
    before_s = terminal.cpu_s
    for _ in range(_UPDATES):
        until = run.step + BLOCK_STEPS
        run.train(until)
        terminal.wait_for_bytes(f"{run.step:,}".replace(",", " ").encode())
    return (terminal.cpu_s - before_s) / _UPDATES


def _count_panes(screen: str) -> int:
    """Charts on the screen: each has an x axis that begins at 0."""
    return sum(len(re.findall(_AXIS, line)) for line in screen.splitlines())


def make_result(
    options: Options,
    size: Size,
    lists: Sequence[Attached],
    attached: Sequence[Attached],
    watched: Watched,
    load: str,
) -> Result:
    """What was compared, and the rows."""
    log = f"a log of {size.log_steps:,} steps".replace(",", " ")
    rows = (
        _row(f"first frame, {size.runs} runs", [one.first_frame_s for one in lists], "s", 0.6),
        _row(f"first frame, attached to {log}", [one.first_frame_s for one in attached], "s", 1.2),
        _row("the whole of that log is on the screen", [one.whole_log_s for one in attached], "s"),
        _row("processor time until the first frame, attached", _cpu(attached), "s"),
        _row(
            "processor time of a live update, overview",
            [1e3 * s for s in watched.overview_cpu_s],
            "ms",
            10,
        ),
        _row(
            f"processor time of a live update, page of {watched.panes} charts",
            [1e3 * s for s in watched.charts_cpu_s],
            "ms",
            10,
        ),
        _row("watching a run that logs nothing, of one core", [100 * watched.idle_share], "%"),
        _row("an event in the log is on the screen", [1e3 * s for s in watched.event_s], "ms", 250),
        _row("the slowest of these events", [1e3 * max(watched.event_s)], "ms", 250),
        _row("resident memory, attached", [watched.resident_bytes / 1e6], "MB", 120),
        _row("memory of its own, attached", [watched.own_bytes / 1e6], "MB"),
    )
    return Result(
        name="dashboard",
        title="The dashboard",
        device=options.device,
        compared=(
            f"`tuitrain dashboard` in a pseudo-terminal of {COLUMNS} × {LINES}, from the moment "
            "it is started; a frame counts when the terminal has all of it: list, sparklines and "
            "footer, or header, charts and footer. Runs are made up, folders and logs are as "
            f"real ones. A live update is a block of {BLOCK_STEPS} steps behind that log, each "
            "appended once the one before is on the screen; its processor time is that of all "
            "threads, looking for news included. Events are logged while the run logs nothing "
            "else, at odds with the dashboard's rhythm."
        ),
        rows=rows,
        notes=(load,),
        is_quick=options.quick,
    )


def _cpu(started: Sequence[Attached]) -> list[float]:
    return [one.cpu_s for one in started]


def _row(what: str, values: Sequence[float], unit: str, at_most: float | None = None) -> Row:
    target = None if at_most is None else Target(at_most, at_least=False)
    return Row(what=what, figure=estimate_median(values), unit=unit, target=target)


if __name__ == "__main__":
    main()
