"""The progress of a job: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tui_trainer.cli.output import say, talk_console
from tui_trainer.core.format import format_bytes, format_count, format_duration, format_rate
from tui_trainer.core.job_progress import JobProgress, Pace
from tui_trainer.core.text_safety import sanitize

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_BAR_WIDTH = 20
_REFRESH_PER_S = 8
_EVERY_S = 3.0
# What is done where the job gives it no name.
_NAMELESS = "reading"


def watch_job() -> LiveBar | PlainLines:
    """What shows a job's progress on standard error, for the time of a `with`."""
    # A terminal that cannot move its cursor shows lines, as a file does.
    can_redraw = sys.stderr.isatty() and not talk_console().is_dumb_terminal
    return LiveBar() if can_redraw else PlainLines()


class PlainLines:
    """A line for each thing that is begun, and one every few seconds on how far it is."""

    def __init__(self, every_s: float = _EVERY_S) -> None:
        self._every_s = every_s
        self._pace = Pace()
        self._text = ""
        self._said_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        return None

    def say(self, text: str) -> None:
        """A line of talk."""
        self._text = text
        say(text)

    def report(self, progress: JobProgress) -> None:
        """Take how far the job is."""
        now_s = time.monotonic()
        self._pace.add(progress, now_s)
        if progress.text and progress.text != self._text:
            self.say(progress.text)
            self._said_at = now_s
        elif progress.done and now_s - self._said_at >= self._every_s:
            say(describe(progress, self._pace))
            self._said_at = now_s

    def close(self, text: str) -> None:
        """Say a last line."""
        _say_over(text)


class LiveBar:
    """One line that stays at the bottom, under what is said."""

    def __init__(self) -> None:
        from rich.live import Live

        self._pace = Pace()
        self._is_shown = False
        console = talk_console()
        self._live: Live = Live(console=console, refresh_per_second=_REFRESH_PER_S, transient=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._hide()

    def close(self, text: str) -> None:
        """Take the bar away and say a last line in its place."""
        self._hide()
        _say_over(text)

    def _hide(self) -> None:
        if self._is_shown:
            self._live.stop()
            self._is_shown = False

    def say(self, text: str) -> None:
        """A line of talk, above the bar."""
        from rich.text import Text

        self._live.console.print(Text(sanitize(text)))

    def report(self, progress: JobProgress) -> None:
        """Take how far the job is."""
        self._pace.add(progress, time.monotonic())
        if not self._is_shown:
            # Only now: a job that is done at once leaves no bar.
            self._live.start()
            self._is_shown = True
        self._live.update(render_bar(progress, self._pace, self._live.console.width))


def _say_over(text: str) -> None:
    """A line in the place of the `^C` that a terminal shows for the key."""
    if sys.stderr.isatty():
        sys.stderr.write("\r")
    say(text)


def describe(progress: JobProgress, pace: Pace) -> str:
    """`reading: 1 200 of 6 000 samples, 20 %, 400 samples/s, 0:12 left`."""
    percent, amount, rate, left = _figures(progress, pace)
    parts = [
        amount,
        percent.strip(),
        *([rate] if rate else []),
        *([f"{left} left"] if left else []),
    ]
    return f"{progress.text or _NAMELESS}: {', '.join(parts)}"


def render_bar(progress: JobProgress, pace: Pace, width: int) -> Text:
    """Text, bar, share, pace and time left, as many of them as fit."""
    from rich.text import Text

    percent, amount, rate, left = _figures(progress, pace)
    filled = round(progress.share * _BAR_WIDTH)
    bar = Text.assemble(("▰" * filled, "cyan"), ("▱" * (_BAR_WIDTH - filled), "dim"))
    fields = [
        (0, Text.assemble((sanitize(progress.text) or _NAMELESS, "bold"))),
        (2, bar),
        (0, Text(percent)),
        (3, Text(amount)),
        (4, Text(rate)),
        (1, Text.assemble((f"{left} left" if left else "", "dim"))),
    ]
    fields = [(rank, text) for rank, text in fields if text.plain]
    line = Text("  ").join(text for _, text in fields)
    while len(fields) > 1 and line.cell_len > width:
        fields.remove(max(fields, key=lambda ranked: ranked[0]))
        line = Text("  ").join(text for _, text in fields)
    line.truncate(width, overflow="ellipsis")
    return line


def _figures(progress: JobProgress, pace: Pace) -> tuple[str, str, str, str]:
    """Share, amount, pace and time left in words; the last two empty while they are not known."""
    per_s, left_s = pace.per_s, pace.left_s(progress)
    if progress.unit == "bytes":
        amount = f"{format_bytes(progress.done)} of {format_bytes(progress.total)}"
        rate = f"{format_bytes(per_s)}/s" if per_s else ""
    else:
        unit = sanitize(progress.unit)
        amount = f"{format_count(progress.done)} of {format_count(progress.total)} {unit}"
        rate = f"{format_rate(per_s)} {unit}/s" if per_s else ""
    return f"{progress.share:>4.0%}", amount, rate, format_duration(left_s) if left_s else ""
