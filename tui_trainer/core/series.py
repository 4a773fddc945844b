"""The numbers of one run as columns that only grow, folded from its events.

Views are cheap and never change once taken: growing writes behind their end, and cutting, which
only a resume does, moves to fresh memory. So one thread may fold while another draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatchmethod

import numpy as np
from numpy.typing import NDArray

from tui_trainer.core import events
from tui_trainer.core.happenings import describe_request
from tui_trainer.core.sealed_json import Number

FloatArray = NDArray[np.float64]

STEP_METRICS = ("loss", "lr", "grad_norm", "accuracy")
HOST_METRICS = ("process_bytes", "host_used_bytes", "host_total_bytes", "cpu_utilization")
DEVICE_METRICS = (
    "allocated_bytes", "reserved_bytes", "peak_bytes", "used_bytes", "total_bytes",
    "utilization", "temperature_c", "power_w",
)  # fmt: skip
_AXES = ("step", "elapsed_s")
_FIRST_CAPACITY = 64


@dataclass(frozen=True)
class Table:
    """Aligned columns: `step` and `elapsed_s` (both never falling) and one per metric.

    `generation` grows whenever rows that were shown before are gone.
    """

    columns: Mapping[str, FloatArray]
    generation: int = 0

    def __len__(self) -> int:
        return len(self.columns["step"])

    def __getitem__(self, name: str) -> FloatArray:
        return self.columns[name]

    @property
    def step(self) -> FloatArray:
        """Completed optimizer steps at each row."""
        return self.columns["step"]

    @property
    def elapsed_s(self) -> FloatArray:
        """Seconds of training at each row."""
        return self.columns["elapsed_s"]


@dataclass(frozen=True)
class Marker:
    """Something that happened at a step: `checkpoint`, `epoch`, `control` or `resume`."""

    step: int
    elapsed_s: float
    kind: str
    label: str


@dataclass(frozen=True)
class Branch:
    """The points that a resume took off the live curve: per step and per evaluated split."""

    from_step: int
    steps: Table
    evaluated: Mapping[str, Table]


@dataclass(frozen=True)
class SeriesView:
    """All series of a run as of one moment. `evaluated` is by split; "train" is per epoch."""

    steps: Table
    evaluated: Mapping[str, Table]
    resources: Table
    branches: tuple[Branch, ...] = ()
    markers: tuple[Marker, ...] = ()
    version: int = 0


class GrowingTable:
    """Columns in buffers that double when full."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = (*_AXES, *names)
        self._buffers = {name: np.empty(_FIRST_CAPACITY) for name in self.names}
        self._size = 0
        self._generation = 0

    def __len__(self) -> int:
        return self._size

    def last(self, name: str) -> float:
        """The newest value of a column; 0 where there is none."""
        return float(self._buffers[name][self._size - 1]) if self._size else 0.0

    def extend(self, rows: Mapping[str, FloatArray]) -> None:
        """Append rows; columns that are not given are NaN."""
        count = len(rows["step"])
        self._reserve(self._size + count)
        end = self._size + count
        for name, buffer in self._buffers.items():
            buffer[self._size : end] = rows.get(name, np.nan)
        self._size = end

    def append(self, step: float, elapsed_s: float, values: Mapping[str, float]) -> None:
        """Append one row; a column met for the first time is NaN before it."""
        for name in values.keys() - self._buffers.keys():
            self._buffers[name] = np.full(len(self._buffers["step"]), np.nan)
            self.names = (*self.names, name)
        row = {"step": step, "elapsed_s": elapsed_s, **values}
        self.extend({name: np.array([value]) for name, value in row.items()})

    def cut(self, after_step: float) -> Table:
        """Take the rows after `after_step` off and return them."""
        keep = int(np.searchsorted(self._buffers["step"][: self._size], after_step, "right"))
        gone = {name: buffer[keep : self._size].copy() for name, buffer in self._buffers.items()}
        if keep < self._size:
            self._buffers = {name: buffer.copy() for name, buffer in self._buffers.items()}
            self._size = keep
            self._generation += 1
        return Table(gone)

    def view(self) -> Table:
        """The rows so far."""
        columns = {name: buffer[: self._size] for name, buffer in self._buffers.items()}
        for column in columns.values():
            column.flags.writeable = False
        return Table(columns, self._generation)

    def _reserve(self, size: int) -> None:
        capacity = len(self._buffers["step"])
        if size <= capacity:
            return
        while capacity < size:
            capacity *= 2
        for name, buffer in self._buffers.items():
            grown = np.empty(capacity)
            grown[: self._size] = buffer[: self._size]
            self._buffers[name] = grown


class RunSeries:
    """Folds the events of one run, in the order of its log, into series."""

    def __init__(self) -> None:
        self._steps = GrowingTable(STEP_METRICS)
        self._resources = GrowingTable((*HOST_METRICS, *DEVICE_METRICS))
        self._evaluated: dict[str, GrowingTable] = {}
        self._branches: list[Branch] = []
        self._markers: list[Marker] = []
        self._elapsed_s = 0.0
        self._version = 0

    def apply(self, event: events.Event) -> None:
        """Take one more event."""
        self._fold(event)
        self._elapsed_s = max(self._elapsed_s, event.elapsed_s)

    def view(self) -> SeriesView:
        """The series so far, never to change."""
        self._version += 1
        return SeriesView(
            steps=self._steps.view(),
            evaluated={split: table.view() for split, table in self._evaluated.items()},
            resources=self._resources.view(),
            branches=tuple(self._branches),
            markers=tuple(self._markers),
            version=self._version,
        )

    @singledispatchmethod
    def _fold(self, event: events.Event) -> None:
        return

    @_fold.register
    def _(self, event: events.Steps) -> None:
        count = len(event.loss)
        if not count:
            return
        first = float(event.first)
        if first <= self._steps.last("step"):
            # A log that goes back without saying so; the newer rows win.
            self._steps.cut(first - 1)
        until_s = max(self._elapsed_s, event.elapsed_s)
        # Clock times inside a block are not logged: the block's span is shared out evenly.
        share: FloatArray = np.arange(1, count + 1, dtype=np.float64) / count
        self._steps.extend(
            {
                "step": np.arange(count, dtype=np.float64) + first,
                "elapsed_s": share * (until_s - self._elapsed_s) + self._elapsed_s,
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
        self._mark(event.step, event, "control", describe_request(event))

    @_fold.register
    def _(self, event: events.Resumed) -> None:
        evaluated = {split: table.cut(event.from_step) for split, table in self._evaluated.items()}
        steps = self._steps.cut(event.from_step)
        if len(steps) or any(len(table) for table in evaluated.values()):
            self._branches.append(Branch(event.from_step, steps, evaluated))
        self._markers = [marker for marker in self._markers if marker.step <= event.from_step]
        self._mark(event.from_step, event, "resume", "resumed")

    @_fold.register
    def _(self, event: events.Resources) -> None:
        values = {name: float(getattr(event, name)) for name in HOST_METRICS}
        if event.device is not None:
            for name in DEVICE_METRICS:
                value = getattr(event.device, name)
                values[name] = np.nan if value is None else float(value)
        step = max(self._steps.last("step"), self._resources.last("step"))
        self._resources.append(step, max(self._elapsed_s, event.elapsed_s), values)

    def _evaluate(
        self, split: str, step: int, event: events.Event, metrics: Mapping[str, Number]
    ) -> None:
        table = self._evaluated.setdefault(split, GrowingTable(("loss", "accuracy")))
        table.cut(step - 1)  # judged again at the same step: the newer figures win
        values = {name: float(value) for name, value in metrics.items() if name not in _AXES}
        elapsed_s = max(self._elapsed_s, event.elapsed_s)
        table.append(float(step), elapsed_s, values)

    def _mark(self, step: int, event: events.Event, kind: str, label: str) -> None:
        self._markers.append(Marker(step, max(self._elapsed_s, event.elapsed_s), kind, label))


def floats(column: Sequence[Number], count: int) -> FloatArray:
    """`count` numbers from a column of the log, NaN where it is shorter."""
    values = np.fromiter(map(float, column), np.float64, len(column))
    if len(values) == count:
        return values
    whole = np.full(count, np.nan)
    whole[: len(values)] = values[:count]
    return whole
