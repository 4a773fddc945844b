"""A run that is watched: how much slower it trains, and what watching takes of the processor.

python -m benchmarks.watched
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.options import Options, make_parser, require_prepared, to_options
from benchmarks.processes import clean_environment, run, scratch_folder, tuitrain_command
from benchmarks.report import describe
from benchmarks.results import Result, Row, load_note, save
from benchmarks.statistics import Target, estimate_median, interleave, paired_ratios
from benchmarks.terminal import COLUMNS, LINES, Terminal
from tui_trainer.core import events
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.registry import Registry

EventType = TypeVar("EventType", bound=events.Event)

_EPOCHS = 2
_POLL_S = 0.2
_PATIENCE_S = 600.0


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run's speed in its last epoch, and of a dashboard on it meanwhile, if there was one.

    `cpu_share` is of one core; `events` how many were logged a second.
    """

    samples_per_s: float
    cpu_share: float = 0.0
    resident_bytes: int = 0
    own_bytes: int = 0
    events_per_s: float = 0.0


def main() -> None:
    """Measure, save and print."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--pairs", type=int, default=6, help="interleaved pairs of runs")
    given = parser.parse_args()
    options = to_options(given)
    require_prepared(options, "mnist")
    load = load_note()
    with scratch_folder() as folder:
        runs_dir = folder / "runs"
        runs_dir.mkdir()
        contestants = {
            "watched": partial(train, options, runs_dir, is_watched=True),
            "alone": partial(train, options, runs_dir, is_watched=False),
        }
        trained = interleave(contestants, 1 if options.quick else given.pairs)
    result = make_result(options, trained["watched"], trained["alone"], load)
    save(options.results, result.name, result)
    print(describe(result))


def train(options: Options, runs_dir: Path, *, is_watched: bool) -> Trained:
    """Train MNIST in a process of its own, with or without a dashboard on it."""
    environment = clean_environment(TUITRAIN_DATA=str(options.data_dir))
    command = [*tuitrain_command(), "train", "mnist", "--epochs", str(_EPOCHS), "--detach"]
    command += ["--runs", str(runs_dir), "--device", options.device]
    command += ["--threads", str(options.threads)]
    name = run(command, cwd=runs_dir, environment=environment).stdout.strip()
    log = _Log(Registry(runs_dir).find(name).events)
    with contextlib.ExitStack() as stack:
        terminal = stack.enter_context(Terminal(options, runs_dir, name)) if is_watched else None
        log.wait_for(events.EpochFinished, _EPOCHS - 1)
        since_s, cpu_s, count = time.perf_counter(), terminal.cpu_s if terminal else 0.0, log.count
        last = log.wait_for(events.EpochFinished, _EPOCHS)
        lasted_s = time.perf_counter() - since_s
        figures = Trained(
            samples_per_s=float(last.samples_per_s), events_per_s=(log.count - count) / lasted_s
        )
        if terminal:
            figures = dataclasses.replace(
                figures,
                cpu_share=(terminal.cpu_s - cpu_s) / lasted_s,
                resident_bytes=terminal.resident_bytes,
                own_bytes=terminal.own_bytes,
            )
        log.wait_for(events.Finished, 1)
    return figures


class _Log:
    """The log of a run that is training now."""

    def __init__(self, path: Path) -> None:
        self._reader = EventLogReader(path)
        self._events: list[events.Event] = []

    @property
    def count(self) -> int:
        """Events so far."""
        return len(self._events)

    def wait_for(self, kind: type[EventType], number: int) -> EventType:
        """The `number`-th event of a kind.

        Raises:
            RuntimeError: the run failed, or it took too long.
        """
        deadline = time.perf_counter() + _PATIENCE_S
        while time.perf_counter() < deadline:
            self._events += self._reader.read().events
            found = [event for event in self._events if isinstance(event, kind)]
            if len(found) >= number:
                return found[number - 1]
            if any(isinstance(event, events.Failed) for event in self._events):
                break
            time.sleep(_POLL_S)
        raise RuntimeError(f"{self._reader.path} has no {kind.__name__} number {number}")


def make_result(
    options: Options, watched: Sequence[Trained], alone: Sequence[Trained], load: str
) -> Result:
    """What was compared, and the rows."""
    speeds = [one.samples_per_s for one in watched], [one.samples_per_s for one in alone]
    rows = (
        _row("samples a second, watched", speeds[0], "samples/s"),
        _row("samples a second, alone", speeds[1], "samples/s"),
        _row("watched / alone", paired_ratios(*speeds), "×", Target(0.98, at_least=True)),
        _row("watching, of one core", [100 * one.cpu_share for one in watched], "%", _at_most(2)),
        _row("events logged a second meanwhile", [one.events_per_s for one in watched], ""),
        _row(
            "resident memory of the dashboard",
            [one.resident_bytes / 1e6 for one in watched],
            "MB",
            _at_most(120),
        ),
        _row("memory of its own", [one.own_bytes / 1e6 for one in watched], "MB"),
    )
    return Result(
        name="watched",
        title="A watched run",
        device=options.device,
        compared=(
            f"`tuitrain train mnist --epochs {_EPOCHS} --detach` with {options.threads} threads, "
            f"with and without `tuitrain dashboard` on it in a pseudo-terminal of {COLUMNS} × "
            f"{LINES}, in turn. All figures are of the last epoch, when the dashboard has long "
            "been started: speed as the run's own log has it, processor time of all threads of "
            "the dashboard. What reads the terminal here takes its share of the processor too."
        ),
        rows=rows,
        notes=(load,),
        is_quick=options.quick,
    )


def _at_most(bound: float) -> Target:
    return Target(bound, at_least=False)


def _row(what: str, values: Sequence[float], unit: str, target: Target | None = None) -> Row:
    return Row(what=what, figure=estimate_median(values), unit=unit, target=target)


if __name__ == "__main__":
    main()
