"""The one table of keys."""

from __future__ import annotations

import pytest
from textual.binding import Binding

from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.bindings import KEYS, Place, bindings_of, footer_keys, keys_of, places_at
from tui_trainer.dashboard.screens.compare import CompareScreen
from tui_trainer.dashboard.screens.form import FormScreen
from tui_trainer.dashboard.screens.help import HelpScreen, help_rows
from tui_trainer.dashboard.screens.run import RunScreen
from tui_trainer.dashboard.screens.runs import RunsScreen
from tui_trainer.dashboard.screens.viewport import ViewportScreen

OWNERS: dict[Place, type] = {
    "compare": CompareScreen,
    "charts": ViewportScreen,
    "runs": RunsScreen,
    "run": RunScreen,
    "form": FormScreen,
    "help": HelpScreen,
    "everywhere": DashboardApp,
}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.place} {key.action}")
def test_every_key_does_something_where_it_stands(key) -> None:  # type: ignore[no-untyped-def]
    action = key.action.partition("(")[0]
    assert hasattr(OWNERS[key.place], f"action_{action}")
    assert key.meaning and key.label and key.shown


@pytest.mark.parametrize("place", OWNERS)
def test_no_key_means_two_things_in_one_place(place: Place) -> None:
    names = [name for at in places_at(place) for key in keys_of(at) for name in key.keys.split(",")]
    if place == "help":
        names.remove("question_mark")  # it closes the page it opened
    assert len(names) == len(set(names)) or place == "everywhere"
    bound = {binding.key for binding in bindings_of(place) if isinstance(binding, Binding)}
    assert len(bound) == len([key for key in KEYS if key.place == place])


def test_the_footer_names_help_and_the_way_out() -> None:
    for place in ("runs", "run"):
        actions = {key.action for key in footer_keys(place)}
        assert "help" in actions and actions & {"quit", "back"}


def test_the_help_page_holds_every_key() -> None:
    text = "\n".join("".join(span.text for span in row) for row in help_rows("run"))
    for key in KEYS:
        assert key.place == "help" or key.meaning in text
