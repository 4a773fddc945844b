"""One sanitiser between text from data and any terminal."""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, line and paragraph separators, and the bidirectional controls that
# can make a line read as something it is not; zero-width marks hide text the same way.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
# A whole escape sequence goes, not just its first byte, so that its tail is not left as litter.
_ESCAPE_SEQUENCE = re.compile(
    "\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[\x1b][PX^_][^\x1b]*(?:\x1b\\\\)?"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-~]?"
)


def sanitize(text: str, *, limit: int = 10_000) -> str:
    """One line of text with nothing in it that a terminal would obey.

    Tabs and line ends become spaces; escape sequences, control characters, bidirectional and
    zero-width marks go. At most `limit` characters come back.
    """
    text = _ESCAPE_SEQUENCE.sub("", text[: 4 * limit])
    text = text.replace("\t", " ").replace("\r\n", " ").replace("\n", " ").replace("\r", " ")
    return _UNSAFE.sub("", text)[:limit]


def sanitize_lines(text: str, *, limit: int = 1_000_000) -> str:
    """Like `sanitize`, line by line: line ends stay, everything else that is unsafe goes."""
    return "\n".join(sanitize(line) for line in re.split("\r\n|\n|\r", text[:limit]))
