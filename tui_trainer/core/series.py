"""The numbers of one run as columns that only grow, folded from its events.

Views are cheap and never change once taken: growing writes behind their end, and cutting and
merging move to fresh memory. So one thread may fold while another draws. Memory is bounded however
long the run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import singledispatchmethod
from operator import attrgetter

import numpy as np

from tui_trainer.core import events
from tui_trainer.core.axis import XKind
from tui_trainer.core.growing_table import GrowingTable
from tui_trainer.core.happenings import describe_request
from tui_trainer.core.sealed_json import Number
from tui_trainer.core.tables import AXES, FloatArray, Table

STEP_METRICS = ("loss", "lr", "grad_norm", "accuracy")
SPEED = "samples_per_s"
HOST_METRICS = ("process_bytes", "host_used_bytes", "host_total_bytes", "cpu_utilization")
DEVICE_METRICS = (
    "allocated_bytes", "reserved_bytes", "peak_bytes", "used_bytes", "total_bytes",
    "process_used_bytes",
    "utilization", "temperature_c", "power_w",
)  # fmt: skip
_MOST_EVALUATIONS = 1 << 13
_MOST_RESOURCES = 1 << 13
_MOST_SPLITS = 8
_MOST_METRICS = 256
_MOST_BRANCHES, _BRANCH_ROWS = 32, 1 << 11
_MOST_MARKERS = 1 << 11


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that happened at a step: `checkpoint`, `epoch`, `control`, `lr` or `resume`.

    `t` is Unix time.
    """

    step: int
    elapsed_s: float
    kind: str
    label: str
    t: float = 0.0

    def x(self, kind: XKind, steps_per_epoch: int) -> float:
        """Its place on an x axis."""
        if kind == "step":
            return float(self.step)
        if kind == "epoch":
            return self.step / max(1, steps_per_epoch)
        return self.elapsed_s if kind == "time" else self.t


@dataclass(frozen=True)
class Branch:
    """The points that a resume took off the live curve: per step and per evaluated split."""

    steps: Table
    evaluated: Mapping[str, Table]


@dataclass(frozen=True)
class SeriesView:
    """All series of a run as of one moment. `evaluated` is by split; "train" is per epoch.

    Of the steps up to `merged_until`, `rows_per_bin` were merged into one row.
    """

    steps: Table
    evaluated: Mapping[str, Table]
    resources: Table
    branches: tuple[Branch, ...] = ()
    markers: tuple[Marker, ...] = ()
    merged_until: int = 0
    rows_per_bin: int = 1


class _Markers:
    """The markers of a run; of a kind with too many, every second is left out."""

    def __init__(self) -> None:
        self._by_kind: dict[str, list[Marker]] = {}
        self._view: tuple[Marker, ...] | None = ()

    def append(self, marker: Marker) -> None:
        self._view = None
        kind = self._by_kind.setdefault(marker.kind, [])
        kind.append(marker)
        if len(kind) > _MOST_MARKERS:
            del kind[::2]

    def cut(self, after_step: int) -> None:
        self._view = None
        for kind, markers in self._by_kind.items():
            self._by_kind[kind] = [marker for marker in markers if marker.step <= after_step]

    def view(self) -> tuple[Marker, ...]:
        if self._view is None:
            every = [marker for markers in self._by_kind.values() for marker in markers]
            self._view = tuple(sorted(every, key=attrgetter("t", "step")))
        return self._view


class RunSeries:
    """Folds the events of one run, in the order of its log, into series."""

    def __init__(self, *, elapsed_s: float = 0.0, t: float = 0.0, steps_per_epoch: int = 0) -> None:
        """What came before the first event, where that is not the log's first."""
        self._steps = GrowingTable((*STEP_METRICS, SPEED))
        self._resources = GrowingTable((*HOST_METRICS, *DEVICE_METRICS), _MOST_RESOURCES)
        self._evaluated: dict[str, GrowingTable] = {}
        self._branches: list[Branch] = []
        self._markers = _Markers()
        self._steps_per_epoch = steps_per_epoch
        self._elapsed_s = elapsed_s
        self._t = t

    def apply(self, event: events.Event) -> None:
        """Take one more event."""
        self._fold(event)
        self.pass_by(event)

    def pass_by(self, event: events.Event) -> None:
        """Take of an event no more than its time."""
        self._elapsed_s = max(self._elapsed_s, event.elapsed_s)
        # Clocks are set back at times; an axis is not.
        self._t = max(self._t, event.t)

    @property
    def step(self) -> int:
        """The last step that was taken in."""
        return int(self._steps.last("step"))

    @property
    def position(self) -> tuple[float, float, int]:
        """Training time, Unix time and steps per epoch, for a fold that goes on from here."""
        return self._elapsed_s, self._t, self._steps_per_epoch

    def view(self) -> SeriesView:
        """The series so far, never to change."""
        steps = self._steps.view(self._steps_per_epoch)
        merged_until, rows_per_bin = _merged(steps)
        return SeriesView(
            steps=steps,
            evaluated={
                split: table.view(self._steps_per_epoch) for split, table in self._evaluated.items()
            },
            resources=self._resources.view(self._steps_per_epoch),
            branches=tuple(self._branches),
            markers=self._markers.view(),
            merged_until=merged_until,
            rows_per_bin=rows_per_bin,
        )

    @singledispatchmethod
    def _fold(self, event: events.Event) -> None:
        return

    @_fold.register
    def _(self, event: events.RunStarted) -> None:
        self._steps_per_epoch = event.steps_per_epoch

    @_fold.register
    def _(self, event: events.Steps) -> None:
        count = len(event.loss)
        if not count:
            return
        first = float(event.first)
        if first <= self._steps.last("step"):
            # A log that goes back without saying so; the newer rows win.
            self._steps.cut(first - 1)
        duration_s = max(self._elapsed_s, event.elapsed_s) - self._elapsed_s
        until_t = max(self._t, event.t)
        # Clock times inside a block are not logged: the block's span is shared out evenly.
        share: FloatArray = np.arange(1, count + 1, dtype=np.float64) / count
        self._steps.extend(
            {
                "step": np.arange(count, dtype=np.float64) + first,
                "elapsed_s": share * duration_s + self._elapsed_s,
                "t": np.maximum(self._t, until_t - (1 - share) * duration_s),
                SPEED: np.full(count, float(event.samples_per_s)),
            }
            | {name: floats(getattr(event, name), count) for name in STEP_METRICS}
        )

    @_fold.register
    def _(self, event: events.EpochFinished) -> None:
        self._evaluate("train", event.step, event, event.train)
        self._mark(event.step, event, "epoch", f"epoch {event.epoch}")

    @_fold.register
    def _(self, event: events.Evaluated) -> None:
        self._evaluate(event.split, event.step, event, event.metrics)

    @_fold.register
    def _(self, event: events.CheckpointSaved) -> None:
        self._mark(event.step, event, "checkpoint", "best" if event.best else "ckpt")

    @_fold.register
    def _(self, event: events.ControlApplied) -> None:
        kind = "lr" if event.request == "set" else "control"
        self._mark(event.step, event, kind, describe_request(event))

    @_fold.register
    def _(self, event: events.Resumed) -> None:
        self._steps_per_epoch = event.steps_per_epoch
        evaluated = {
            split: replace(table.cut(event.from_step), steps_per_epoch=event.steps_per_epoch)
            for split, table in self._evaluated.items()
        }
        gone = self._steps.cut(event.from_step, _BRANCH_ROWS)
        steps = replace(gone, steps_per_epoch=event.steps_per_epoch)
        if len(steps) or any(len(table) for table in evaluated.values()):
            self._branches.append(Branch(steps, evaluated))
            del self._branches[:-_MOST_BRANCHES]
        self._markers.cut(event.from_step)
        self._mark(event.from_step, event, "resume", "resumed")

    @_fold.register
    def _(self, event: events.Resources) -> None:
        values = {name: float(getattr(event, name)) for name in HOST_METRICS}
        if event.device is not None:
            for name in DEVICE_METRICS:
                value = getattr(event.device, name)
                values[name] = np.nan if value is None else float(value)
        step = max(self._steps.last("step"), self._resources.last("step"))
        elapsed_s, t = max(self._elapsed_s, event.elapsed_s), max(self._t, event.t)
        self._resources.append(step, elapsed_s, t, values)

    def _evaluate(
        self, split: str, step: int, event: events.Event, metrics: Mapping[str, Number]
    ) -> None:
        if split not in self._evaluated and len(self._evaluated) >= _MOST_SPLITS:
            return
        table = self._evaluated.setdefault(
            split, GrowingTable(("loss", "accuracy"), _MOST_EVALUATIONS)
        )
        table.cut(step - 1)  # judged again at the same step: the newer figures win
        known = table.metrics
        fresh = [name for name in metrics if name not in known and name not in AXES]
        kept = (*(known & metrics.keys()), *fresh[: _MOST_METRICS - len(known)])
        values = {name: float(metrics[name]) for name in kept}
        elapsed_s, t = max(self._elapsed_s, event.elapsed_s), max(self._t, event.t)
        table.append(float(step), elapsed_s, t, values)

    def _mark(self, step: int, event: events.Event, kind: str, label: str) -> None:
        elapsed_s, t = max(self._elapsed_s, event.elapsed_s), max(self._t, event.t)
        self._markers.append(Marker(step, elapsed_s, kind, label, t))


def _merged(steps: Table) -> tuple[int, int]:
    """Up to which step rows were merged, and how many into one at most."""
    if steps.rows is None or not (steps.rows > 1).any():
        return 0, 1
    return int(steps.step[np.flatnonzero(steps.rows > 1)[-1]]), int(steps.rows.max())


def floats(column: Sequence[Number], count: int) -> FloatArray:
    """`count` numbers from a column of the log, NaN where it is shorter."""
    values = np.fromiter(map(float, column), np.float64, len(column))
    if len(values) == count:
        return values
    whole = np.full(count, np.nan)
    whole[: len(values)] = values[:count]
    return whole
