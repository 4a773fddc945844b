"""The order in which charts get a place, and how a person changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tui_trainer.dashboard.layout import EVENTS
from tui_trainer.dashboard.panes.curves import logged_metrics
from tui_trainer.dashboard.panes.memory import resource_charts
from tui_trainer.dashboard.views import RunView

_FIRST = ("loss", "accuracy", "memory", EVENTS, "lr", "grad_norm", "throughput")


def pane_names(view: RunView, chosen: Mapping[str, str]) -> tuple[str, ...]:
    """Every pane that there could be, the one given up last first.

    `chosen` says which chart a person wants in a place, by the place's number.
    """
    names = list(
        dict.fromkeys((*_first_names(view), *logged_metrics(view), *resource_charts(view)))
    )
    for place, name in sorted(chosen.items()):
        if name in names and place.isdecimal() and int(place) < len(names):
            other = names.index(name)
            names[int(place)], names[other] = name, names[int(place)]
    return tuple(names)


def _first_names(view: RunView) -> tuple[str, ...]:
    """Those that come first: in the place of accuracy what a run is judged by, where that is else.

    A run without an accuracy has no chart of it.
    """
    metric = view.record.snapshot.metric
    if metric in _FIRST:
        return _FIRST
    tables = (view.series.steps, *view.series.evaluated.values())
    has_accuracy = any(
        "accuracy" in table.columns and bool(np.isfinite(table["accuracy"]).any())
        for table in tables
    )
    others = (name for name in _FIRST if name not in ("loss", "accuracy"))
    return ("loss", metric, *others, *(("accuracy",) if has_accuracy else ()))


def next_chart(
    view: RunView, names: Sequence[str], shown: Sequence[str], replaced: str
) -> tuple[tuple[str, ...], str]:
    """The order with another chart in the place of one, and which: those not shown in turn."""
    cycle = [name for name in pane_names(view, {}) if name != EVENTS]
    place = cycle.index(replaced)
    later = [*cycle[place + 1 :], *cycle[:place]]
    new = next((name for name in later if name not in shown), later[0])
    order = [{replaced: new, new: replaced}.get(name, name) for name in names]
    return tuple(order), new
