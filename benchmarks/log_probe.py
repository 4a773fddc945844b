"""Clocks on what tuitrain's training loop does for its log; knows its inside as `engine` does."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

from benchmarks.engine import run_counted
from benchmarks.pacer import Ended
from tui_trainer.core.jobs import TrainJob
from tui_trainer.worker.threads import choose_threads

_WARM_UP_STEPS = 100
_KEPT_STEPS = 100


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Some consecutive steps: how many, how long they took, how much of that was logging."""

    steps: int
    wall_s: float
    logging_s: float


class Probe:
    """Cuts a training into chunks and ends it after the last, or hands it over before its end."""

    def __init__(self, chunks: int, chunk_steps: int, then: Callable[[Any], None] | None) -> None:
        self.reporter: Any = None
        self.chunks: list[Chunk] = []
        self._wanted = chunks
        self._chunk_steps = chunk_steps
        self._then = then
        self._left = _WARM_UP_STEPS
        self._is_warm = False
        self._since = self._logged_s = 0.0

    def step_done(self) -> None:
        """Count a step.

        Raises:
            Ended: the last chunk is done.
        """
        self._left -= 1
        if self._left > 0:
            return
        now = time.perf_counter()
        if self._is_warm:
            logging_s = self.reporter.logging_s - self._logged_s
            self.chunks.append(Chunk(self._chunk_steps, now - self._since, logging_s))
        if len(self.chunks) == self._wanted:
            if self._then is not None:
                self._then(self.reporter)
            raise Ended
        self._is_warm = True
        self._left = self._chunk_steps
        self._since, self._logged_s = now, self.reporter.logging_s


def make_timed_reporter(base: Any, block_steps: int | None) -> Any:
    """A StepReporter that adds up the time spent in it; blocks of so many steps, if given."""

    class TimedReporter(base):  # type: ignore[misc]
        add: Any
        next_row: Any

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.logging_s = 0.0
            self.kept: list[tuple[float, int]] = []
            self.plain_next_row = self.next_row
            self.next_row = self._next_row_timed
            self.last_step = 0
            self._gathered = 0
            self.plain_add = self.add
            self.add = self._add_timed

        def _next_row_timed(self) -> Any:
            since = time.perf_counter()
            row = self.plain_next_row()
            self.logging_s += time.perf_counter() - since
            return row

        def _add_timed(self, step: int, lr: float, count: int) -> bool:
            since = time.perf_counter()
            is_due: bool = self.plain_add(step, lr, count)
            self.logging_s += time.perf_counter() - since
            self.last_step = step
            self._gathered += 1
            if len(self.kept) < _KEPT_STEPS:
                self.kept.append((lr, count))
            return is_due if block_steps is None else self._gathered >= block_steps

        def deliver(self) -> None:
            since = time.perf_counter()
            super().deliver()
            self.logging_s += time.perf_counter() - since
            self._gathered = 0

        def replay(self, steps: int, block: int) -> float:
            """Log the last figures again and again, in blocks, without training: seconds a step."""
            next_row, add, deliver = self.plain_next_row, self.plain_add, super().deliver
            step = self.last_step
            kept = [*itertools.islice(itertools.cycle(self.kept), block)]
            since = time.perf_counter()
            for _ in range(steps // block):
                for lr, count in kept:
                    step += 1
                    next_row()
                    add(step, lr, count)
                deliver()
            passed_s = time.perf_counter() - since
            replayed = step - self.last_step
            self.last_step = step
            return passed_s / replayed

    return TimedReporter


def measure_live(
    job: TrainJob,
    *,
    chunks: int,
    chunk_steps: int,
    block_steps: int | None = None,
    then: Callable[[Any], None] | None = None,
) -> list[Chunk]:
    """Train for some chunks with clocks on the log; `then` gets the reporter before the end."""
    choose_threads(job.config.hardware.threads)
    trainer: Any = importlib.import_module("tui_trainer.train.trainer")
    probe = Probe(chunks, chunk_steps, then)
    timed = make_timed_reporter(trainer.StepReporter, block_steps)

    def make(*args: Any, **kwargs: Any) -> Any:
        probe.reporter = timed(*args, **kwargs)
        return probe.reporter

    with mock.patch.object(trainer, "StepReporter", make):
        run_counted(job, probe)
    return probe.chunks
