"""What it costs a training never to lose it: checkpoints, syncs of the log, summaries.

python -m benchmarks.safety
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.engine import make_job
from benchmarks.options import Options, make_parser, require_prepared, to_options
from benchmarks.processes import scratch_folder
from benchmarks.report import describe
from benchmarks.results import Result, Row, load_note, save
from benchmarks.statistics import Target, estimate_median
from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.worker.session import run_session
from tui_trainer.worker.threads import choose_threads

_EPOCHS = 3
_LARGEST_SHARE = Target(1.0, at_least=False)
_LONGEST_STALL = Target(5.0, at_least=False)

# Where the loop's thread does what only safety asks for.
_CLOCKED: dict[str, dict[str, tuple[str, ...]]] = {
    "tui_trainer.train.saving": {"CheckpointKeeper": ("save", "settle", "wait", "close")},
    "tui_trainer.store.event_writer": {"EventLogWriter": ("sync",)},
    "tui_trainer.store.run_writer": {"RunWriter": ("_write_summary",)},
}


@dataclasses.dataclass
class Clock:
    """Adds up the time spent in clocked calls; one within another counts once."""

    total_s: float = 0.0
    depth: int = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time counted."""

        @functools.wraps(function)
        def clocked(*args: Any, **kwargs: Any) -> Any:
            self.depth += 1
            since = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self.depth -= 1
                if self.depth == 0:
                    self.total_s += time.perf_counter() - since

        return clocked


@dataclasses.dataclass(frozen=True)
class Cost:
    """What safety took of a run: of its time, and for each checkpoint."""

    run_s: float
    standing_s: float
    stalls_s: list[float]
    writing_s: list[float]

    @property
    def share(self) -> float:
        """Percent of the run's time in which training stood still for safety."""
        return 100.0 * self.standing_s / self.run_s


def main() -> None:
    """Measure, save and print."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--runs", type=int, default=6, help="runs to measure")
    given = parser.parse_args()
    options = to_options(given)
    require_prepared(options, "mnist")
    load = load_note()
    with scratch_folder() as folder:
        costs = [measure(options, folder) for _ in range(1 if options.quick else given.runs)]
    result = make_result(options, costs, load)
    save(options.results, result.name, result)
    print(describe(result))


def measure(options: Options, folder: Path) -> Cost:
    """Train MNIST as `tuitrain train mnist` does, with clocks on what safety asks for."""
    settings = {
        "data.dataset": "mnist",
        "training.epochs": _EPOCHS,
        "hardware.device": options.device,
        "hardware.threads": options.threads,
    }
    job = make_job(options.data_dir, folder / "runs", settings)
    choose_threads(job.config.hardware.threads)
    with clocked() as clock:
        run_session(job, Interrupts())
    log = EventLogReader(Path(job.run_path) / paths.EVENTS).read().events
    saved = [event for event in log if isinstance(event, events.CheckpointSaved)]
    return Cost(
        run_s=log[-1].elapsed_s,
        standing_s=clock.total_s,
        stalls_s=[event.stall_s for event in saved],
        writing_s=[event.duration_s for event in saved],
    )


@contextmanager
def clocked() -> Iterator[Clock]:
    """Clocks on all that safety asks of the loop's thread, for the length of the block."""
    clock = Clock()
    with ExitStack() as patches:
        for module, classes in _CLOCKED.items():
            for name, methods in classes.items():
                owner = getattr(importlib.import_module(module), name)
                for method in methods:
                    timed = clock.around(getattr(owner, method))
                    patches.enter_context(mock.patch.object(owner, method, timed))
        yield clock


def make_result(options: Options, costs: list[Cost], load: str) -> Result:
    """The share of the time, and milliseconds for each checkpoint."""
    stalls = [1e3 * stall_s for cost in costs for stall_s in cost.stalls_s]
    writing = [1e3 * writing_s for cost in costs for writing_s in cost.writing_s]
    rows = (
        Row(
            what="training stands still for safety, of the run's time",
            figure=estimate_median([cost.share for cost in costs]),
            unit="%",
            target=_LARGEST_SHARE,
        ),
        Row(
            what="training stands still for a checkpoint",
            figure=estimate_median(stalls),
            unit="ms",
            target=_LONGEST_STALL,
        ),
        Row(
            what="the longest it stood still for one",
            figure=estimate_median([1e3 * max(cost.stalls_s) for cost in costs]),
            unit="ms",
            target=_LONGEST_STALL,
        ),
        Row(
            what="the thread writes, reads and publishes one",
            figure=estimate_median(writing),
            unit="ms",
        ),
    )
    return Result(
        name="safety",
        title="What safety costs",
        device=options.device,
        compared=(
            f"`tuitrain train mnist --epochs {_EPOCHS}` with its defaults: the time its loop "
            "spends in copying its state for checkpoints, waiting for the last one, logging "
            "them, syncing the log and writing summaries, against the run's whole time. "
            "Checkpoints are saved at every best validation and at the end, which is more often "
            "than in a longer run."
        ),
        rows=rows,
        notes=(load,),
        is_quick=options.quick,
    )


if __name__ == "__main__":
    main()
