"""Saving a chart to a file, as it is seen: SVG, PNG, or CSV with its numbers."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from tui_trainer.core.chart_files import DOT_RADIUS, diamond, write_csv, write_svg
from tui_trainer.core.chart_spec import ChartSpec, Curve
from tui_trainer.core.picture import (
    HEIGHT,
    WIDTH,
    ChartTitle,
    Dot,
    Line,
    Picture,
    Text,
    draw_picture,
)
from tui_trainer.core.tables import Table
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.palette import BACKGROUND, LOOKS, color_of
from tui_trainer.errors import StorageError
from tui_trainer.store.atomic import replace_file

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont, ImageFont

FileKind = Literal["svg", "png", "csv"]
FILE_KINDS: tuple[FileKind, ...] = get_args(FileKind)

_NAMES = {
    "train": "training",
    "train_raw": "training, not smoothed",
    "branch": "left behind by a resume",
    "lr": "learning rate",
    "grad_norm": "gradient norm",
    "grad_norm_raw": "gradient norm, not smoothed",
    "used": "whole device",
    "limit": "all there is",
}
"""What curves are called whose role is not a word for it."""
_MOST_NUMBERS = 10_000
_STEM_LIMIT = 80
_SCALE, _OVERSAMPLING = 2, 2
_SYSTEM_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf",
                 "Arial Unicode.ttf", "Arial.ttf")  # fmt: skip
# What Pillow's own font has.
_OWN_FONT_TEXT = re.compile("[ -~·]*")


def save_chart(
    spec: ChartSpec,
    title: ChartTitle,
    kind: FileKind,
    folder: Path,
    *,
    names: Sequence[str] | None = None,
    table: Table | None = None,
) -> Path:
    """Write the chart to a new file in `folder`, named after the run and the metric.

    `names` are of its curves, by their roles where not given; `table` lets a CSV file tell the
    step and the time of each row.

    Raises:
        StorageError: the file cannot be written.
    """
    if names is None:
        names = [name_of(curve) for curve in spec.curves]
    if kind == "csv":
        content = write_csv(spec, names, table).encode()
    else:
        picture = draw_picture(spec, title, names)
        if kind == "svg":
            content = write_svg(picture, _color, BACKGROUND.light).encode()
        else:
            content = draw_png(picture)
    return _write_new(folder, f"{title.run}-{title.metric}", kind, content)


def name_of(curve: Curve) -> str:
    """What a curve is called in a legend where nobody says otherwise."""
    return _NAMES.get(curve.role, curve.role.replace("_", " "))


def _color(role: str) -> str:
    return color_of(role if role in LOOKS else "text", "light")


def _write_new(folder: Path, name: str, kind: FileKind, content: bytes) -> Path:
    """Write a file under a name that none has: `run42-loss.svg`, else `run42-loss-2.svg`."""
    stem = re.sub(r"[^\w.]+", "-", sanitize(name))[:_STEM_LIMIT].strip("-.") or "chart"
    try:
        for number in range(1, _MOST_NUMBERS):
            file = folder / (f"{stem}.{kind}" if number == 1 else f"{stem}-{number}.{kind}")
            try:
                # Taking the name first: no one else's file can come under it meanwhile.
                file.touch(exist_ok=False)
            except FileExistsError:
                continue
            try:
                replace_file(file, content)
            except BaseException:
                file.unlink(missing_ok=True)
                raise
            return file
    except OSError as error:
        raise StorageError(
            f"The chart cannot be saved in {folder}: {error.strerror}.", "Try another folder."
        ) from error
    raise StorageError(
        f"There are {_MOST_NUMBERS} files named after {stem} in {folder}.", "Delete some."
    )


def draw_png(picture: Picture) -> bytes:
    """The picture as a PNG image, two pixels to a point."""
    from PIL import Image, ImageDraw

    zoom = _SCALE * _OVERSAMPLING
    image = Image.new("RGB", (WIDTH * zoom, HEIGHT * zoom), BACKGROUND.light)
    pen = _Pen(ImageDraw.Draw(image), zoom)
    for shape in picture.inside:
        pen.draw(shape)
    pen.clear_around(picture.box)
    for shape in picture.around:
        pen.draw(shape)
    image = image.resize((WIDTH * _SCALE, HEIGHT * _SCALE), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True, dpi=(72 * _SCALE, 72 * _SCALE))
    return content.getvalue()


class _Pen:
    """Draws shapes on an image that has `zoom` pixels to a point."""

    def __init__(self, draw: ImageDraw, zoom: int) -> None:
        self._draw = draw
        self._zoom = zoom

    def draw(self, shape: Line | Dot | Text) -> None:
        match shape:
            case Line():
                self._draw_line(shape)
            case Dot():
                self._draw_dot(shape)
            case Text():
                self._draw_text(shape)

    def clear_around(self, box: tuple[float, float, float, float]) -> None:
        """Take away what lies outside the box."""
        left, top, right, bottom = (edge * self._zoom for edge in box)
        width, height = WIDTH * self._zoom, HEIGHT * self._zoom
        for edges in (
            (0, 0, width, top - 1), (0, bottom + 1, width, height),
            (0, 0, left - 1, height), (right + 1, 0, width, height),
        ):  # fmt: skip
            self._draw.rectangle(edges, BACKGROUND.light)

    def _draw_line(self, line: Line) -> None:
        color, width = _color(line.role), max(1, round(line.width * self._zoom))
        points = [(x * self._zoom, y * self._zoom) for x, y in line.points]
        if line.is_filled:
            self._draw.polygon(points, color)
            points.append(points[0])
        if line.is_dashed:
            (x, top), (_, bottom) = points
            for y in range(round(top), round(bottom), 7 * self._zoom):
                self._draw.line(((x, y), (x, y + 3 * self._zoom)), color, width)
        else:
            self._draw.line(points, color, width, joint="curve")

    def _draw_dot(self, dot: Dot) -> None:
        color, width = _color(dot.role), round(1.6 * self._zoom)
        x, y, radius = dot.x * self._zoom, dot.y * self._zoom, DOT_RADIUS * self._zoom
        if dot.glyph == "◇":
            corners = [(a * self._zoom, b * self._zoom) for a, b in diamond(dot.x, dot.y)]
            self._draw.polygon(corners, BACKGROUND.light, color, width)
        else:
            edges = (x - radius, y - radius, x + radius, y + radius)
            self._draw.ellipse(edges, BACKGROUND.light, color, width)

    def _draw_text(self, text: Text) -> None:
        anchors = {"start": "ls", "middle": "ms", "end": "rs"}
        shown = sanitize(text.text)
        self._draw.text(
            (text.x * self._zoom, text.y * self._zoom),
            shown,
            _color(text.role),
            _font_for(shown, text.size * self._zoom),
            anchor=anchors[text.anchor],
        )


def _font_for(text: str, size: float) -> FreeTypeFont | ImageFont:
    """Pillow's own font where it has every character, else one of the system that has more."""
    from PIL import ImageFont

    if not _OWN_FONT_TEXT.fullmatch(text):
        for name in _SYSTEM_FONTS:
            try:
                return ImageFont.truetype(name, size)
            except OSError:
                continue  # not on this system
    return ImageFont.load_default(size)
