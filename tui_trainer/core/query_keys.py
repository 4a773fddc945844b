"""What a query can ask of a run: its texts, its numbers, its metrics and its settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunState

SettingValue = str | float | bool
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}
"""The splits of a metric such as `val.loss`, by how they may be written."""
STATE_WORDS = (*(state.value for state in RunState), "live", "ended")
"""What `state:` takes: the nine states, and two words for several of them."""


@dataclass(frozen=True)
class Facts:
    """What a query looks at: a run, the time, and the run's settings where they were read."""

    record: RunRecord
    now: float
    settings: Mapping[str, SettingValue] = field(default_factory=dict)


def metric_names(records: Iterable[RunRecord]) -> frozenset[str]:
    """The metrics that these runs were judged by."""
    found = {name for record in records for last in record.snapshot.last.values() for name in last}
    return frozenset(found | {"accuracy", "loss"})


def _states(record: RunRecord) -> tuple[str, ...]:
    if record.state is RunState.UNKNOWN:
        return (record.state.value,)
    return (record.state.value, "live" if record.state.is_live else "ended")


TEXTS: Mapping[str, Callable[[RunRecord], tuple[str, ...]]] = {
    "run": lambda record: (record.run,),
    "name": lambda record: (record.annotations.name,),
    "state": _states,
    "dataset": lambda record: (record.snapshot.dataset,),
    "model": lambda record: (record.snapshot.model,),
    "tag": lambda record: record.annotations.tags,
    "note": lambda record: (record.annotations.note,),
    "device": lambda record: (record.snapshot.device, record.snapshot.device_name),
}


def words_of(record: RunRecord) -> tuple[str, ...]:
    """The texts in which a word without a key is looked for."""
    snapshot, notes = record.snapshot, record.annotations
    texts = (record.run, notes.name, record.state.value, snapshot.dataset, snapshot.model)
    return (*texts, *notes.tags, notes.note)


def _age_s(facts: Facts) -> float | None:
    started = facts.record.snapshot.started_t
    return None if started is None else facts.now - started


def _progress(facts: Facts) -> float | None:
    snapshot = facts.record.snapshot
    return snapshot.step / snapshot.steps if snapshot.steps else None


def _best(facts: Facts) -> float | None:
    best = facts.record.snapshot.best
    return None if best is None else best.value


NUMBERS: Mapping[str, Callable[[Facts], float | None]] = {
    "best": _best,
    "loss": lambda facts: facts.record.snapshot.loss,
    "epoch": lambda facts: facts.record.snapshot.epoch,
    "epochs": lambda facts: facts.record.snapshot.epochs or None,
    "step": lambda facts: facts.record.snapshot.step,
    "steps": lambda facts: facts.record.snapshot.steps or None,
    "progress": _progress,
    "lr": lambda facts: facts.record.snapshot.lr,
    "speed": lambda facts: facts.record.snapshot.samples_per_s,
    "age": _age_s,
    "elapsed": lambda facts: facts.record.snapshot.elapsed_s,
    "sessions": lambda facts: facts.record.snapshot.sessions,
    "parameters": lambda facts: facts.record.snapshot.parameters or None,
}
ALIASES = {"acc": "accuracy", "tags": "tag", "params": "parameters"}


def metric_value(record: RunRecord, metric: str, split: str = "") -> float | None:
    """The newest figure of a metric on a split.

    Without a split it is the best where that metric chooses the best, or else the newest of
    validation, or of training.
    """
    snapshot = record.snapshot
    if split:
        return snapshot.last.get(split, {}).get(metric)
    if snapshot.best is not None and snapshot.best.metric == metric:
        return snapshot.best.value
    found = (snapshot.last.get(name, {}).get(metric) for name in ("validation", "train"))
    return next((value for value in found if value is not None), None)


_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdw])+", re.ASCII)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])", re.ASCII)


def read_number(text: str) -> float | None:
    """The number in `0.9`, `1e-3`, `99%`, `2h`, `1h30m`, `nan`, `inf`; None if it is none.

    A duration is in seconds.
    """
    text = text.lower()
    if text.removeprefix("-") in ("nan", "inf"):
        return float(text)
    if _DURATION.fullmatch(text):
        return sum(float(size) * _UNITS_S[unit] for size, unit in _PIECE.findall(text))
    share = text.removesuffix("%")
    if not _NUMBER.fullmatch(share):
        return None
    return float(share) / 100 if share != text else float(share)
