"""Every key of the dashboard, once: from here come dispatch, the footer and the help screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Place = Literal["runs", "run", "help", "everywhere"]


@dataclass(frozen=True)
class Key:
    """A key, or several for one thing.

    `keys` are Textual's names, `shown` is how a person reads them, `label` names the action in
    the footer and `meaning` in the help. Footer entries with a higher `rank` are left out first;
    without a rank the key is only in the help.
    """

    place: Place
    keys: str
    shown: str
    action: str
    label: str
    meaning: str
    rank: int | None = None


KEYS: tuple[Key, ...] = (
    Key("runs", "enter", "enter", "open", "open", "open the run under the cursor", 0),
    Key("runs", "up,k", "↑ k", "move(-1)", "up", "to the run above"),
    Key("runs", "down,j", "↓ j", "move(1)", "down", "to the run below"),
    Key("runs", "pageup,ctrl+b", "page ↑", "page(-1)", "page up", "one screenful up"),
    Key("runs", "pagedown,ctrl+f", "page ↓", "page(1)", "page down", "one screenful down"),
    Key("runs", "home,g", "home g", "first", "newest", "to the newest run, and follow it", 3),
    Key("runs", "end,G,shift+g", "end G", "last", "oldest", "to the oldest run"),
    Key("runs", "q", "q", "quit", "quit", "leave the dashboard; runs go on", 1),
    Key("run", "space", "space", "pause", "pause", "pause the run, or let it go on", 2),
    Key("run", "c", "c", "checkpoint", "checkpoint", "save a checkpoint now", 3),
    Key("run", "v", "v", "evaluate", "validate", "judge the weights of now; chooses no checkpoint"),
    Key("run", "s", "s", "stop", "stop", "stop the run with a checkpoint; asks once", 1),
    Key(
        "run",
        "y",
        "y",
        "log",
        "log y",
        "loss and norm logarithmic, accuracy close up; or all linear",
        4,
    ),
    Key("run", "x", "x", "x_axis", "x axis", "curves over steps or over training time", 5),
    Key("run", "plus,equals_sign", "+", "smooth(1)", "smoother", "smooth the curves more", 6),
    Key("run", "minus", "−", "smooth(-1)", "rougher", "smooth the curves less", 7),
    Key("run", "q,escape", "q esc", "back", "runs", "back to the list of runs", 0),
    Key("help", "down,j", "↓ j", "scroll(1)", "down", "further down", 1),
    Key("help", "up,k", "↑ k", "scroll(-1)", "up", "back up", 2),
    Key("help", "q,escape,question_mark", "q", "close", "close", "back to where you were", 0),
    Key("everywhere", "question_mark", "?", "help", "help", "every key, and what it does", 1),
    Key("everywhere", "ctrl+c,ctrl+q", "ctrl+c", "quit", "quit", "leave at once; runs go on"),
)


def keys_of(place: Place) -> list[Key]:
    """The keys that work in a place, its own before those that work everywhere."""
    return [key for key in KEYS if key.place == place]


def bindings_of(place: Place) -> list[BindingType]:
    """The keys of a place for Textual to dispatch."""
    prefix = "app." if place == "everywhere" else ""
    return [
        Binding(
            key.keys,
            f"{prefix}{key.action}",
            key.meaning,
            show=False,
            priority="ctrl+" in key.keys and place == "everywhere",
        )
        for key in keys_of(place)
    ]


def footer_keys(place: Place) -> list[Key]:
    """The keys to name in the footer of a place, in order."""
    shown = keys_of(place)
    if place != "help":
        shown += keys_of("everywhere")
    return [key for key in shown if key.rank is not None]
