"""The order in which charts get a place, and how a person changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tui_trainer.dashboard.layout import EVENTS
from tui_trainer.dashboard.panes.curves import logged_metrics
from tui_trainer.dashboard.panes.memory import resource_charts
from tui_trainer.dashboard.views import RunView

_FIRST = ("loss", "accuracy", "memory", EVENTS, "lr", "grad_norm", "throughput")


def pane_names(view: RunView, chosen: Mapping[str, str]) -> tuple[str, ...]:
    """Every pane that there could be, the one given up last first.

    `chosen` says which chart a person wants in a place, by the place's number.
    """
    resources = resource_charts(view)
    names = [*_FIRST, *logged_metrics(view)]
    names += [name for name in resources if name not in names]
    for place, name in sorted(chosen.items()):
        if name in names and place.isdecimal() and int(place) < len(names):
            other = names.index(name)
            names[int(place)], names[other] = name, names[int(place)]
    return tuple(names)


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
