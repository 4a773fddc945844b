"""A line to type in, where the footer was: a filter, a learning rate, the name of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.bindings import keys_of
from tui_trainer.dashboard.rows import clip_text
from tui_trainer.dashboard.widgets.key_bar import KeyBar
from tui_trainer.dashboard.widgets.lines import Lines

_KEYS_OF_THE_APP = {
    name for key in keys_of("everywhere") for name in key.keys.split(",") if "ctrl+" in name
}
_MOST_CHARACTERS = 400
_LEAST_ENTRY_WIDTH = 16


class Prompt(Horizontal):
    """Asks for one line of text, with a hint at the right, or what is wrong with the text.

    Mounted on a screen, which an action should await, it hides the footer; `close` brings it
    back. Every key is for the text, but for those that work in the whole app whatever happens,
    such as ctrl+c. What is submitted or cancelled has to be answered by `close` or a complaint:
    until then keys wait.
    """

    DEFAULT_CSS = """
    Prompt, Prompt > Lines { height: 1; }
    Prompt > Input, Prompt > Input:focus {
        height: 1;
        width: 1fr;
        border: none;
        padding: 0;
        background: $background;
        background-tint: transparent;
        color: $foreground;
    }
    Prompt > Input > .input--cursor {
        background: $background;
        color: $foreground;
        text-style: reverse;
    }
    """

    @dataclass
    class Changed(Message):
        """The text is another one now."""

        prompt: Prompt
        value: str

    @dataclass
    class Submitted(Message):
        """Enter: the text is meant."""

        prompt: Prompt
        value: str

    @dataclass
    class Cancelled(Message):
        """Escape: nothing is to be done."""

        prompt: Prompt

    def __init__(
        self,
        label: str,
        initial: str = "",
        hint: str = "",
        *,
        select: bool = False,
        id: str | None = None,
    ) -> None:
        """With `select` the first key typed replaces the initial text."""
        super().__init__(id=id)
        self._label = _Note(f" {sanitize(label)} ")
        self._entry = _Entry(initial, select=select)
        self._hint = sanitize(hint)
        self._note = _Note(self._hint)
        self._complaint = ""
        self._value = self._entry.value
        self._focused_before: Widget | None = None
        self._is_open = False

    @property
    def value(self) -> str:
        """The text as it stands."""
        return self._entry.value

    @property
    def complaint(self) -> str:
        """What is said to be wrong with the text; empty if nothing."""
        return self._complaint

    def complain(self, text: str, role: str = "error") -> None:
        """Say what is wrong instead of the hint; with an empty text the hint is there again."""
        self._complaint = sanitize(text)
        if self._complaint:
            self._note.say(self._complaint, role)
            self._entry.go_on()
        else:
            self._note.say(self._hint)
        self._share_width()

    def close(self) -> None:
        """Give the footer its place back, and the keys to what had them before."""
        self._is_open = False
        self._show_footer(True)
        self.screen.set_focus(self._focused_before)
        self._entry.go_on()
        self.remove()

    def compose(self) -> ComposeResult:
        """Label, entry, and the hint at the right."""
        yield self._label
        yield self._entry
        yield self._note

    def on_mount(self) -> None:
        """Take the footer's place and all keys."""
        self._is_open = True
        self._focused_before = self.screen.focused
        self._show_footer(False)
        # At once, where `focus` would let keys pass that were typed meanwhile.
        self.screen.set_focus(self._entry)

    def on_resize(self) -> None:
        """Share the line anew."""
        self._share_width()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell the screen, once for every text that is different."""
        event.stop()
        self._share_width()
        if event.value != self._value:
            self._value = event.value
            self.post_message(self.Changed(self, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Tell the screen."""
        event.stop()
        self.post_message(self.Submitted(self, event.value))

    def on_input_blurred(self, event: Input.Blurred) -> None:
        """A click elsewhere does not take the keys away."""
        event.stop()
        if self._is_open:
            self._entry.focus()

    def cancel(self) -> None:
        """Tell the screen that nothing is to be done."""
        self.post_message(self.Cancelled(self))

    def _show_footer(self, shown: bool) -> None:
        for bar in self.screen.query(KeyBar):
            bar.display = shown

    def _share_width(self) -> None:
        """Room for label and text first; the note has what is left of the line."""
        label = min(self._label.text_width, max(0, self.size.width - _LEAST_ENTRY_WIDTH))
        entry = max(_LEAST_ENTRY_WIDTH, cell_len(self._entry.value) + 2)
        room = max(0, self.size.width - label - entry)
        self._label.styles.width = label
        self._note.styles.width = min(room, self._note.text_width + 1)


class _Entry(Input, inherit_bindings=False):
    """Textual's input, without a frame; of keys it does not know nothing happens."""

    # Not those of a view that scrolls: where there is nothing to scroll they act on the screen.
    BINDINGS: ClassVar[list[BindingType]] = list(Input.BINDINGS)

    def __init__(self, initial: str, *, select: bool) -> None:
        super().__init__(
            sanitize(initial, limit=_MOST_CHARACTERS),
            max_length=_MOST_CHARACTERS,
            select_on_focus=select,
            compact=True,
        )
        self.cursor_blink = False
        self.cursor_position = len(self.value)
        self._waits = False
        self._typed_ahead: list[events.Key] = []

    def validate_value(self, value: str) -> str:
        """What is pasted is as safe to show as what is read from files."""
        return sanitize(value, limit=_MOST_CHARACTERS)

    def go_on(self) -> None:
        """Let the keys that were typed meanwhile go to where the keys go now."""
        self._waits = False
        typed, self._typed_ahead = self._typed_ahead, []
        for event in typed:
            self.app.post_message(events.Key(event.key, event.character))

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Every key, so that none of the screen's is obeyed before it gets here."""
        return key not in _KEYS_OF_THE_APP

    async def on_key(self, event: events.Key) -> None:
        """Obey every key here and at once, in the order in which they were typed.

        Left to bindings, those that edit would count only after letters typed behind them, and
        those that mean nothing here would reach the screen, where they may.
        """
        if self._waits:
            self._typed_ahead.append(event)
        elif event.key == "enter":
            self._waits = True
            await self.action_submit()
        elif event.key == "escape":
            self._waits = True
            prompt = self.parent
            assert isinstance(prompt, Prompt)
            prompt.cancel()
        elif event.is_printable:
            return
        else:
            for binding in self._bindings.key_to_bindings.get(event.key, ()):
                await self.app.run_action(binding.action, self)
        event.prevent_default()
        event.stop()


class _Note(Lines):
    """A piece of the line beside the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text, self._role = text, "quiet"

    @property
    def text_width(self) -> int:
        """Cells that the text takes whole."""
        return cell_len(self._text)

    def say(self, text: str, role: str = "quiet") -> None:
        """Show this from now on."""
        self._text, self._role = text, role
        self.redraw()

    def build_rows(self, width: int, height: int) -> tuple[Row, ...]:
        """The text, as much of it as fits."""
        return ((Span(clip_text(self._text, width), self._role),),)
