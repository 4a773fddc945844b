"""What an app looks like and remembers for the person at it."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from textual.scrollbar import ScrollBar, ScrollBarRender

from tui_trainer.dashboard.palette import ThemeName, show_in
from tui_trainer.dashboard.preferences import PreferenceKeeper
from tui_trainer.dashboard.sturdy import SturdyApp
from tui_trainer.dashboard.terminal import Appearance, show_with
from tui_trainer.dashboard.themes import THEMES
from tui_trainer.store.preferences import Preferences

_REMEMBER_S = 1.0


class _WholeCells(ScrollBarRender):
    """Scroll bars without the blocks that some terminals lack and screen readers would read."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]


class PersonalApp(SturdyApp):
    """An app in one of our themes, in characters that its terminal has."""

    def __init__(self, appearance: Appearance, keeper: PreferenceKeeper) -> None:
        # Without it Textual translates the terminal's own colours into its guess of them.
        super().__init__(ansi_color=True if THEMES[appearance.theme].ansi else None)
        self.appearance = appearance
        self._keeper = keeper
        self._is_to_save = False

    @property
    def preferences(self) -> Preferences:
        """The choices as of now."""
        return self._keeper.current

    def remember(self, **changes: Any) -> None:
        """Go by these choices, fields of `Preferences`, now and the next time."""
        self._keeper.change(**changes)
        if not self._is_to_save:
            self._is_to_save = True
            self.set_timer(_REMEMBER_S, self._save)

    async def _save(self) -> None:
        self._is_to_save = False
        complaint = await asyncio.to_thread(self._keeper.write, self._keeper.take_changes())
        if complaint:
            self.say(complaint)

    def on_unmount(self) -> None:
        """Remember what was chosen in the last moment."""
        self._keeper.write(self._keeper.take_changes())

    def dress(self) -> None:
        """Put on the theme; before the first screen is shown."""
        show_with(self.appearance.glyphs)
        ScrollBar.renderer = _WholeCells
        for theme in THEMES.values():
            self.register_theme(theme)
        self._show_theme(self.appearance.theme)

    def _show_theme(self, name: ThemeName) -> None:
        show_in(name)
        self.theme = THEMES[name].name

    def action_theme(self) -> None:
        """Light where it was dark, and the other way round."""
        if THEMES[self.appearance.theme].ansi:
            self.say("this terminal has no colours for another theme")
            return
        name: ThemeName = "light" if self.appearance.theme == "dark" else "dark"
        self.appearance = Appearance(name, self.appearance.glyphs)
        self._show_theme(name)
        self.remember(theme=name)
