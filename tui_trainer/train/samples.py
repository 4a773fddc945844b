"""The first samples of a run, as the model is given them, to look at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.batches import Batch
from tui_trainer.train.tensorboard import Board

_MOST, _MOST_SIDE_PIXELS = 64, 4096


def show_first(batches: Iterator[Batch], board: Board, spec: DatasetSpec) -> Iterator[Batch]:
    """The same batches, of which the first is put on the board if it is of images."""
    if spec.kind != "image" or spec.shape[0] not in (1, 3):
        return batches
    first = next(batches)
    board.add_picture("samples/train", draw_grid(first.x, spec), 0)
    return itertools.chain([first], batches)


def draw_grid(x_BCHW: Tensor, spec: DatasetSpec) -> npt.NDArray[np.uint8]:
    """Normalised images side by side as a picture H×W×C of bytes, at most 64 of them."""
    side = max(1, min(math.isqrt(_MOST), _MOST_SIDE_PIXELS // max(spec.shape[1:])))
    images_BCHW = x_BCHW[: side * side].detach().cpu()
    shape = (1, -1, 1, 1)
    mean_C, std_C = torch.tensor(spec.mean), torch.tensor(spec.std)
    stored_BCHW = images_BCHW * std_C.view(shape) + mean_C.view(shape)
    bytes_BHWC = stored_BCHW.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1)
    count, height, width, channels = bytes_BHWC.shape
    columns = min(side, count)
    rows = -(-count // columns)
    cells = torch.zeros(rows * columns, height, width, channels, dtype=torch.uint8)
    cells[:count] = bytes_BHWC
    grid = cells.view(rows, columns, height, width, channels).transpose(1, 2)
    return grid.reshape(rows * height, columns * width, channels).numpy()
