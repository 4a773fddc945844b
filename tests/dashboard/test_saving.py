"""Saving a chart to a file."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from tests.dashboard.hostile import NASTY
from tui_trainer.core.chart_spec import ChartSpec, Curve, Mark
from tui_trainer.core.picture import HEIGHT, WIDTH, ChartTitle, draw_picture
from tui_trainer.dashboard.palette import color_of
from tui_trainer.dashboard.saving import FileKind, draw_png, name_of, save_chart
from tui_trainer.errors import StorageError

TITLE = ChartTitle("run42", "gradient norm", "not smoothed")
X = np.arange(1.0, 101.0)
SPEC = ChartSpec(
    curves=(
        Curve(X, 1 / X, "train"),
        Curve(X[9::10], 2 / X[9::10], "validation", "○"),
        Curve(X[49:50], X[49:50] / 99, "test", "◇"),
    ),
    marks=(Mark(40.0, "lr 0.05→0.01", "lr"),),
)
KINDS = get_args(FileKind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_chart_is_saved_under_the_names_of_run_and_metric(tmp_path: Path, kind: FileKind) -> None:
    file = save_chart(SPEC, TITLE, kind, tmp_path)
    assert file == tmp_path / f"run42-gradient-norm.{kind}"
    starts = {"svg": b"<?xml", "png": b"\x89PNG", "csv": b"step,training,validation,test\n"}
    assert file.read_bytes().startswith(starts[kind])
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("kind", KINDS)
def test_no_file_is_overwritten(tmp_path: Path, kind: FileKind) -> None:
    saved = [save_chart(SPEC, TITLE, kind, tmp_path).name for _ in range(3)]
    assert saved == [f"run42-gradient-norm{end}.{kind}" for end in ("", "-2", "-3")]
    (tmp_path / f"run42-gradient-norm-4.{kind}").symlink_to("nowhere")
    assert save_chart(SPEC, TITLE, kind, tmp_path).name == f"run42-gradient-norm-5.{kind}"


def test_a_folder_that_cannot_be_written_to_is_named_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as raised:
        save_chart(SPEC, TITLE, "svg", tmp_path / "missing")
    assert "No such file or directory" in raised.value.message
    assert raised.value.message.count(". ") == 0


def test_a_disk_without_room_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(os, "write", fail)
        save_chart(SPEC, TITLE, "svg", tmp_path)
    assert not list(tmp_path.iterdir())


@settings(max_examples=15, deadline=None)
@given(NASTY)
def test_no_name_leaves_the_folder(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("charts")
    for name in (text, f"../../{text}", f"/{text}/x"):
        for kind in ("svg", "csv"):
            file = save_chart(SPEC, ChartTitle(name, text, text), kind, folder)
            assert file.parent == folder and not file.name.startswith((".", "-"))
            assert len(os.fsencode(file.name)) < 255


def image_of(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image.convert("RGB")


def test_a_png_has_two_pixels_to_a_point_and_every_colour(tmp_path: Path) -> None:
    image = image_of(save_chart(SPEC, TITLE, "png", tmp_path).read_bytes())
    assert image.size == (2 * WIDTH, 2 * HEIGHT)
    colors = {color for _, color in image.getcolors(1 << 24) or ()}
    for role in ("train", "validation", "test", "strong", "line"):
        red, green, blue = bytes.fromhex(color_of(role, "light")[1:])
        assert any(
            abs(color[0] - red) + abs(color[1] - green) + abs(color[2] - blue) < 12
            for color in colors
        )


@settings(max_examples=4, deadline=None)
@given(NASTY)
def test_any_text_can_be_drawn(text: str) -> None:
    spec = ChartSpec(SPEC.curves, marks=(Mark(40.0, text, "lr"),))
    picture = draw_picture(spec, ChartTitle(text, text, text), [text, "b", ""])
    assert image_of(draw_png(picture)).size == (2 * WIDTH, 2 * HEIGHT)


def test_curves_are_named_after_their_roles() -> None:
    nothing = np.empty(0)
    assert name_of(Curve(nothing, nothing, "train")) == "training"
    assert name_of(Curve(nothing, nothing, "host_used")) == "host used"
