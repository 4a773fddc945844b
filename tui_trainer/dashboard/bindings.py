"""Every key of the dashboard, once: from here come dispatch, the footer and the help screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Place = Literal["runs", "run", "compare", "form", "charts", "help", "everywhere"]


_WITH_CHARTS: tuple[Place, ...] = ("run", "compare")
_CHARTS: tuple[Place, ...] = ("charts",)


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
    Key("runs", "home", "home", "jump(0)", "top", "to the top of the list"),
    Key("runs", "g", "g", "first", "newest", "to the newest run, and follow it", 9),
    Key("runs", "end,G,shift+g", "end G", "jump(-1)", "end", "to the end of the list"),
    Key("runs", "slash", "/", "filter", "filter", "list only runs like: mnist tag:x acc>0.99", 2),
    Key("runs", "o", "o", "sort", "sort", "sort by the next column", 3),
    Key("runs", "O,shift+o", "O", "reverse", "reverse", "sort the other way round"),
    Key("runs", "space", "space", "mark", "mark", "mark the run, or take its mark off", 4),
    Key("runs", "c", "c", "compare", "compare", "compare the runs that are marked", 5),
    Key("runs", "n", "n", "new", "new run", "start a new run", 6),
    Key("runs", "d", "d", "duplicate", "duplicate", "start a run like this one, changed", 8),
    Key("runs", "r", "r", "resume", "resume", "let a run that has ended go on", 7),
    Key("runs", "escape", "esc", "clear", "all runs", "take the filter off, then the marks"),
    Key("runs", "q", "q", "quit", "quit", "leave the dashboard; runs go on", 1),
    Key("run", "space", "space", "pause", "pause", "pause the run, or let it go on", 2),
    Key("run", "c", "c", "checkpoint", "checkpoint", "save a checkpoint now", 3),
    Key("run", "l", "l", "set_lr", "learning rate", "change the learning rate of a live run", 3),
    Key(
        "run",
        "e",
        "e",
        "evaluate",
        "evaluate",
        "live: validate now, choosing no checkpoint; ended: judge the best on the test split",
        3,
    ),
    Key("run", "s", "s", "stop", "stop", "stop the run with a checkpoint; asks once", 1),
    Key(
        "run",
        "S,shift+s",
        "S",
        "stop_after_epoch",
        "stop after epoch",
        "stop when the epoch and its validation are over; once more takes it back",
        6,
    ),
    Key("run", "r", "r", "resume", "resume", "go on with a run that was cut short; asks once", 1),
    Key("run", "o", "o", "export", "export", "write the best checkpoint as ONNX; asks once", 4),
    Key("run", "d", "d", "duplicate", "duplicate", "a new run with changes to this one", 5),
    Key("run", "1", "1…5", "page(1)", "pages", "1 overview, and with 2 to 5 the other pages", 8),
    Key("run", "2", "2", "page(2)", "charts", "every chart that there is room for"),
    Key("run", "3", "3", "page(3)", "events", "diagnosis and events"),
    Key("run", "4", "4", "page(4)", "log", "what the worker printed"),
    Key("run", "5", "5", "page(5)", "settings", "configuration, choices and environment"),
    Key("run", "tab", "tab", "choose(1)", "pane", "the next pane is for enter, m and w", 13),
    Key("run", "shift+tab", "⇧ tab", "choose(-1)", "pane", "the pane before it"),
    Key("run", "enter", "enter", "enlarge", "enlarge", "one chart alone, or all again", 14),
    Key("run", "m", "m", "metric", "metric", "another metric in the place of this pane", 14),
    Key("run", "right_square_bracket", "]", "widen(4)", "wider", "the pane wider"),
    Key("run", "left_square_bracket", "[", "widen(-4)", "narrower", "the pane narrower"),
    Key("run", "right_curly_bracket", "}", "heighten(2)", "higher", "the pane higher"),
    Key("run", "left_curly_bracket", "{", "heighten(-2)", "lower", "the pane lower"),
    Key("run", "backslash", "\\", "even", "even", "every pane as large as the others again"),
    Key("run", "w", "w", "write", "write", "write the chart to a file: SVG, PNG or CSV", 15),
    Key("run", "Y,shift+y", "Y", "copy", "copy", "copy the values at the cursor, or the folder"),
    Key("run", "down,j", "↓ j", "scroll(1)", "down", "down in a page of text"),
    Key("run", "up,k", "↑ k", "scroll(-1)", "up", "up in a page of text"),
    Key("run", "pageup,ctrl+b", "page ↑", "scroll_page(-1)", "page up", "up by a screenful"),
    Key("run", "pagedown,ctrl+f", "page ↓", "scroll_page(1)", "page down", "down by a screenful"),
    Key("run", "home,g", "home g", "start", "start", "to the beginning of a page of text"),
    Key("run", "end,G,shift+g", "end G", "end", "end", "to its end"),
    Key(
        "run",
        "escape",
        "esc",
        "escape",
        "out",
        "out of the cursor, a large pane, a page, the run",
    ),
    Key("run", "q", "q", "back", "runs", "back to the list of runs", 0),
    Key("compare", "m", "m", "metric", "metric", "the next metric that any of the runs has", 1),
    Key("compare", "t", "t", "table", "differences", "what tells the runs apart, as a table", 2),
    Key("compare", "b", "b", "bands", "seeds", "runs alike but for their seed as mean and band", 3),
    Key("compare", "up,k", "↑ k", "scroll(-1)", "up", "up in the legend or the table"),
    Key("compare", "down,j", "↓ j", "scroll(1)", "down", "down in the legend or the table"),
    Key("compare", "pageup,ctrl+b", "page ↑", "page(-1)", "page up", "up by a screenful"),
    Key("compare", "pagedown,ctrl+f", "page ↓", "page(1)", "page down", "down by a screenful"),
    Key("compare", "q,escape", "q esc", "back", "runs", "back to the list of runs", 0),
    Key("charts", "y", "y", "log", "log y", "losses and norms logarithmic, or all linear", 8),
    Key("charts", "x", "x", "x_axis", "x axis", "steps, epochs, training time or the clock", 8),
    Key("charts", "plus,equals_sign", "+", "smooth(1)", "smoother", "smooth the curves more", 9),
    Key("charts", "minus", "−", "smooth(-1)", "rougher", "smooth the curves less", 10),
    Key("charts", "left", "← →", "cursor(-1)", "cursor", "move the cursor, values above", 7),
    Key("charts", "right", "→", "cursor(1)", "cursor", "move the cursor to the right"),
    Key("charts", "shift+left", "⇧ ←", "cursor(-10)", "cursor", "the cursor far to the left"),
    Key("charts", "shift+right", "⇧ →", "cursor(10)", "cursor", "the cursor far to the right"),
    Key("charts", "z", "z", "zoom(1)", "zoom", "zoom in, around the cursor or at the end", 7),
    Key("charts", "Z,shift+z", "Z", "zoom(-1)", "zoom out", "zoom out"),
    Key("charts", "less_than_sign", "<", "pan(-1)", "left", "to the left, where zoomed in"),
    Key("charts", "greater_than_sign", ">", "pan(1)", "right", "to the right, where zoomed in"),
    Key("charts", "0", "0", "whole", "whole", "everything, without a cursor"),
    Key("charts", "f", "f", "follow", "follow", "where the data end, from now on"),
    Key("form", "up,k", "↑ k", "move(-1)", "up", "to the setting above"),
    Key("form", "down,j", "↓ j", "move(1)", "down", "to the setting below"),
    Key("form", "pageup,ctrl+b", "page ↑", "page(-1)", "page up", "one screenful up"),
    Key("form", "pagedown,ctrl+f", "page ↓", "page(1)", "page down", "one screenful down"),
    Key("form", "home,g", "home g", "end(-1)", "first", "to the first setting"),
    Key("form", "end,G,shift+g", "end G", "end(1)", "last", "to the last setting"),
    Key("form", "enter", "enter", "edit", "type", "type a value for the setting", 2),
    Key("form", "right,l", "← →", "cycle(1)", "choose", "through the values to choose from", 4),
    Key("form", "left,h", "h l", "cycle(-1)", "choose", "the same: the one before, the next"),
    Key("form", "backspace", "⌫", "undo", "undo", "leave what was typed for the setting", 5),
    Key("form", "a", "a", "all", "all settings", "every setting, or those in common use", 3),
    Key("form", "slash", "/", "search", "search", "the settings that have to do with a word", 6),
    Key("form", "ctrl+s", "ctrl+s", "start", "start", "start the run and open its screen", 0),
    Key("form", "escape,q", "esc q", "back", "back", "leave the form; asks once", 1),
    Key("help", "down,j", "↓ j", "scroll(1)", "down", "further down", 1),
    Key("help", "up,k", "↑ k", "scroll(-1)", "up", "back up", 2),
    Key("help", "pagedown,space,ctrl+f", "page ↓", "page(1)", "page down", "a screenful down"),
    Key("help", "pageup,ctrl+b", "page ↑", "page(-1)", "page up", "a screenful up"),
    Key("help", "end,G,shift+g", "end G", "page(999)", "end", "to the end"),
    Key("help", "home,g", "home g", "page(-999)", "start", "to the beginning"),
    Key("help", "q,escape,question_mark", "q", "close", "close", "back to where you were", 0),
    Key("everywhere", "question_mark", "?", "help", "help", "every key, and what it does", 1),
    Key("everywhere", "ctrl+p", "ctrl+p", "command_palette", "commands", "do anything by name"),
    Key("everywhere", "T,shift+t", "T", "theme", "theme", "light on dark, or dark on light"),
    Key("everywhere", "ctrl+c,ctrl+q", "ctrl+c", "quit", "quit", "leave at once; runs go on"),
)


def keys_of(place: Place) -> list[Key]:
    """The keys that work in a place, its own before those that work everywhere."""
    return [key for key in KEYS if key.place == place]


# Keys that come in one burst are obeyed in order: each before the next one is handed to a widget.
# Not where a screen itself looks at keys, of which it would get none that is bound.
_AT_ONCE: tuple[Place, ...] = ("runs",)


def places_at(place: Place) -> list[Place]:
    """Whose keys work in a place: its own, those over charts where it has some, and the app's."""
    return [place, *_CHARTS, "everywhere"] if place in _WITH_CHARTS else [place, "everywhere"]


def bindings_of(*places: Place) -> list[BindingType]:
    """The keys of some places for Textual to dispatch."""
    return [
        Binding(
            key.keys,
            f"app.{key.action}" if place == "everywhere" else key.action,
            key.meaning,
            show=False,
            priority=priority,
        )
        for place in places
        for key in keys_of(place)
        for priority in _priorities(key)
    ]


def _priorities(key: Key) -> tuple[bool, ...]:
    if key.place in _AT_ONCE:
        # Not only: a key of a burst may have been handed to the screen that the last one closed.
        return True, False
    return ("ctrl+" in key.keys and key.place == "everywhere",)


def footer_keys(place: Place) -> list[Key]:
    """The keys to name in the footer of a place, in order."""
    places = [place] if place == "help" else places_at(place)
    return [key for place in places for key in keys_of(place) if key.rank is not None]
