"""Text and numbers that no file should hold, and what must not come of them."""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import strategies as st

from tui_trainer.core.canvas import Row

NASTY = st.text(max_size=40) | st.sampled_from(
    [
        "\x1b[2J\x1b[31mred",
        "[bold]markup[/]",
        "\u202egpj.exe",
        "a\nb\tc",
        "漢字🙂" * 9,
        "\x9b31m",
        "",
    ]
)
NUMBERS = st.floats() | st.integers(-5, 10**18).map(float)


def texts(rows: Iterable[Row]) -> list[str]:
    return ["".join(span.text for span in row) for row in rows]


def assert_printable(lines: Iterable[str]) -> None:
    for char in "".join(lines):
        assert char >= " " and not "\x7f" <= char <= "\x9f"
        assert char not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
