"""The first samples of a run, as the model is given them, to look at."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.data.samples import make_inputs, make_spec, serve
from tests.train.runs import Runs, assert_same_run
from tui_trainer.data.prepared import load_split
from tui_trainer.train.samples import draw_grid


def _pictures(folder: Path) -> list[Any]:
    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    tags = read.Tags()["images"]
    assert tags in ([], ["samples/train"])
    return [(event.step, event) for tag in tags for event in read.Images(tag)]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("count", "rows", "columns"), [(1, 1, 1), (5, 1, 5), (20, 3, 8), (99, 8, 8)]
)
def test_a_grid_holds_the_pixels_that_are_stored(
    channels: int, count: int, rows: int, columns: int
) -> None:
    spec = make_spec((channels, 6, 7))
    images = make_inputs(spec, count)
    (batch,) = serve(spec, images, batch_size=count).in_order()
    grid = draw_grid(batch.x, spec)
    assert (grid.shape, grid.dtype) == ((rows * 6, columns * 7, channels), np.uint8)
    for number in range(rows * columns):
        row, column = divmod(number, columns)
        shown = grid[row * 6 : row * 6 + 6, column * 7 : column * 7 + 7].transpose(2, 0, 1)
        assert np.array_equal(shown, images[number] if number < count else np.zeros_like(shown))


def test_large_images_make_no_endless_picture() -> None:
    spec = make_spec((1, 1, 3000))
    assert draw_grid(torch.zeros(64, 1, 1, 3000), spec).shape == (1, 3000, 1)


def test_a_run_shows_its_first_batch_once(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp")
    runs.train(folder, config, stop_at=3)
    runs.train(folder, config, resume=True)
    ((step, event),) = _pictures(folder.path)
    assert (step, event.width, event.height) == (0, 8 * 28, 4 * 28)
    pixels = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    images_NCHW, _ = load_split(runs.data_dir, "mnist", "train")
    assert any(np.array_equal(pixels[:28, :28], image_CHW[0]) for image_CHW in images_NCHW)


@pytest.mark.parametrize("scalars", [False, True])
def test_it_can_be_switched_off_and_changes_no_number(runs: Runs, scalars: bool) -> None:
    shown = runs.finish(model__name="mlp", tensorboard__scalars=scalars)
    plain = runs.finish(model__name="mlp", tensorboard__scalars=scalars, tensorboard__samples=False)
    assert len(_pictures(shown.path)) == 1
    assert (plain.path / "tensorboard").exists() == scalars
    if scalars:
        assert _pictures(plain.path) == []
    assert_same_run(shown, plain, 20)
