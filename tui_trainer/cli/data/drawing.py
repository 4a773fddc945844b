"""Samples in the terminal: a grid of pictures, a table or texts, and the bars under them."""

from __future__ import annotations

import textwrap
from typing import Any

from rich.cells import cell_len, set_cell_size

from tui_trainer.cli.graphics import Screen
from tui_trainer.cli.output import Column, print_drawing, print_line, print_table
from tui_trainer.core.format import format_count, format_counted
from tui_trainer.core.preview import (
    GAP,
    Bar,
    Grid,
    bar_columns,
    bar_widths,
    choose_bars,
    draw_bar,
    mixed_label,
    most_bars,
)
from tui_trainer.core.text_safety import sanitize

_BOLD, _DIM, _CYAN, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[0m"
_UNKNOWN = "[?]"
_TEXT_LINES = 3
_MOST_COLUMNS = 60
_MOST_LABEL = 60
_BAR_GAP, _MOST_ROOM = 4, 60
_NOUNS = {"image": "images", "table": "rows", "tokens": "texts"}


def draw(document: dict[str, Any], pictures: Any, screen: Screen, grid: Grid) -> None:
    """Print samples and bars; `pictures` are as the job wrote them, None where there are none."""
    print_drawing(_styled(title_of(document), _BOLD, screen))
    if not document["samples"]:
        print_line("there is none of that class")
    elif document["kind"] == "table":
        _draw_table(document)
    elif document["kind"] == "tokens":
        _draw_texts(document, screen)
    else:
        _draw_images(document, pictures, screen, grid)
    print_line("")
    _draw_bars(document, screen)


def title_of(document: dict[str, Any]) -> str:
    """`mnist · train · 20 of 60 000 images`."""
    shown, whole = len(document["samples"]), format_count(document["of"])
    noun = _NOUNS[document["kind"]]
    return f"{document['dataset']} · {document['split']} · {format_count(shown)} of {whole} {noun}"


def label_text(label: Any) -> str:
    """A label in a few words: a class, some of them, or numbers."""
    if isinstance(label, list):
        return ", ".join(map(str, label)) or "none"
    if isinstance(label, dict):
        if len(label) == 1:
            return f"{next(iter(label.values())):.4g}"
        return ", ".join(f"{name} {value:.4g}" for name, value in label.items())
    return str(label)


def tile_labels(document: dict[str, Any], pictures: Any) -> list[str]:
    """What stands under each picture, row by row; a blend tells its shares."""
    own = [label_text(sample["label"]) for sample in document["samples"]]
    if pictures.ndim == 4:
        return own
    return [
        label
        for n, text in enumerate(own)
        for label in (
            text,
            *(mixed_label(text, own[n - 1], share) for share in document["shares"]),
        )
    ]


def _draw_images(document: dict[str, Any], pictures: Any, screen: Screen, grid: Grid) -> None:
    from tui_trainer.cli.pictures import draw_row

    labels = tile_labels(document, pictures)
    columns = pictures.shape[1] if pictures.ndim == 5 else grid.columns
    tiles = pictures.reshape(-1, *pictures.shape[-3:])
    if pictures.ndim == 5:
        heads = ["as stored", *(f"epoch {n}" for n in range(1, columns))]
        print_drawing(_styled(_side_by_side(heads, grid), _DIM, screen))
    for start in range(0, len(tiles), columns):
        row = range(start, min(start + columns, len(tiles)))
        print_drawing(draw_row([tiles[n] for n in row], grid, screen))
        print_drawing(_side_by_side([labels[n] for n in row], grid))


def _side_by_side(texts: list[str], grid: Grid) -> str:
    return (" " * GAP).join(_fit(text, grid.tile_width) for text in texts).rstrip()


def _fit(text: str, width: int) -> str:
    """The text in exactly so many cells; what was cut ends in an ellipsis."""
    text = sanitize(text)
    if cell_len(text) > width:
        text = set_cell_size(text, max(0, width - 1)) + "…"
    return set_cell_size(text, width)


def _draw_table(document: dict[str, Any]) -> None:
    samples = document["samples"]
    width = len(samples[0]["values"])
    names = document["features"] if len(document["features"]) == width else range(1, width + 1)
    shown = [sanitize(str(name), limit=_MOST_LABEL) for name in names][:_MOST_COLUMNS]
    columns = [Column("row", 1, right=True), Column("label", 0)]
    columns += [Column(name, 2 + n, right=True) for n, name in enumerate(shown)]
    rows = [
        (
            format_count(sample["number"]),
            sanitize(label_text(sample["label"]), limit=_MOST_LABEL),
            *(f"{value:.5g}" for value in sample["values"][:_MOST_COLUMNS]),
        )
        for sample in samples
    ]
    left_out = width + 2 - print_table(columns, rows)
    if left_out > 0:
        print_line(f"… and {format_counted(left_out, 'more column')}: --json tells all")


def fit_texts(document: dict[str, Any], screen: Screen, lines: int) -> dict[str, Any]:
    """The document with as many of its texts as are drawn in so many lines, and one at least."""
    if document["kind"] != "tokens":
        return document
    kept: list[dict[str, Any]] = []
    for sample in document["samples"]:
        lines -= 1 + len(_wrap_words(sample, screen))
        if lines < 0 and kept:
            break
        kept.append(sample)
    return document | {"samples": kept}


def _draw_texts(document: dict[str, Any], screen: Screen) -> None:
    for sample in document["samples"]:
        label = sanitize(label_text(sample["label"]), limit=_MOST_LABEL)
        head = f"{label}  {_styled(format_counted(sample['length'], 'word'), _DIM, screen)}"
        print_drawing(head if not screen.colors else f"{_CYAN}{label}{_PLAIN}{head[len(label) :]}")
        print_drawing(textwrap.indent("\n".join(_wrap_words(sample, screen)), "  "))


def _wrap_words(sample: dict[str, Any], screen: Screen) -> list[str]:
    """The first words of a text in lines; an empty text is an empty line."""
    words = " ".join(_UNKNOWN if word is None else sanitize(word) for word in sample["words"])
    width = max(20, screen.columns - 4)
    return textwrap.wrap(words, width, max_lines=_TEXT_LINES, placeholder=" …") or [""]


def _draw_bars(document: dict[str, Any], screen: Screen) -> None:
    """How many samples of the split are of each class, in columns read downwards."""
    histogram = document["histogram"]
    labels = [sanitize(bar["label"], limit=_MOST_LABEL) for bar in histogram]
    most = most_bars(screen.columns, screen.lines)
    bars, left_out = choose_bars(labels, [bar["count"] for bar in histogram], most)
    if not bars:
        return
    columns = bar_columns(len(bars), screen.columns)
    room = min(_MOST_ROOM, (screen.columns - _BAR_GAP * (columns - 1)) // columns)
    widths = bar_widths(bars, room, max(cell_len(bar.label) for bar in bars))
    most = max(bar.count for bar in bars)
    cells = [_draw_one(bar, widths, most, screen) for bar in bars]
    lines = -(-len(cells) // columns)
    for line in range(lines):
        print_drawing((" " * _BAR_GAP).join(cells[line::lines]).rstrip())
    if left_out:
        print_line(f"the most and the fewest; {format_count(left_out)} between them: --json")


def _draw_one(bar: Bar, widths: tuple[int, int, int], most: int, screen: Screen) -> str:
    label_width, bar_width, count_width = widths
    drawn = draw_bar(bar.count, most, bar_width, is_ascii=screen.means == "letters")
    padding = " " * (bar_width - len(drawn))
    count = f"{format_count(bar.count):>{count_width}}"
    drawn = _styled(drawn, _CYAN, screen)
    return f"{_fit(bar.label, label_width)} {drawn}{padding} {_styled(count, _DIM, screen)}"


def _styled(text: str, style: str, screen: Screen) -> str:
    return f"{style}{text}{_PLAIN}" if screen.colors else text
