"""Scalars and pictures for TensorBoard, in tensorboardX's messages."""

from __future__ import annotations

import io
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import masked_crc32c

from tui_trainer.core.config.tensorboard import TensorboardConfig
from tui_trainer.train.figures import Block, Floats


class EventFile:
    """A file that TensorBoard reads: events as TFRecords, each written whole or not at all.

    tensorboardX's own writer does not serve: on a full disk its thread ends, and those who add a
    point wait for it for ever.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now_ns = time.time_ns()
        # Two sessions begun in one second need names of their own; readers sort by name.
        name = f"events.out.tfevents.{now_ns // 10**9}.{socket.gethostname()}.{now_ns}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(folder / name, flags, 0o600)
        self._size = 0

    def append(self, event: Event) -> None:
        """Write an event, stamped with the time of now.

        Raises:
            OSError: it could not be written; the file is as it was before.
        """
        event.wall_time = time.time()
        body = event.SerializeToString()
        length = struct.pack("<Q", len(body))
        record = length + _checksum(length) + body + _checksum(body)
        try:
            if os.write(self._descriptor, record) != len(record):
                raise OSError("the disk took only a part")
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(record)

    def close(self) -> None:
        """Nothing can be appended after."""
        os.close(self._descriptor)


def _checksum(content: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(content))


class Board:
    """Writes the run's curves and pictures; a training point is the mean since the last one."""

    def __init__(
        self,
        folder: Path,
        config: TensorboardConfig,
        *,
        from_step: int | None = None,
        warn: Callable[[str], None],
    ) -> None:
        """`from_step` is the step that a resumed session goes on from; None in the first one.

        `warn` is told, once, when points cannot be written; they are left out until they can be.
        """
        self._every_s = config.every_s
        self._warn = warn
        self._is_failing = False
        self.wants_samples = config.samples
        self._has_scalars = config.scalars
        self._file = EventFile(folder) if config.scalars or config.samples else None
        self._append(Event(file_version="brain.Event:2"))
        if from_step is not None:
            # Points after it were written by a session whose steps are trained again.
            restart = SessionLog(status=SessionLog.START)
            self._append(Event(step=from_step + 1, session_log=restart))
        self._blocks: list[Block] = []
        self._due = 0.0

    def add_block(self, block: Block) -> None:
        """Take a block of steps; a point is written when the last one is old enough."""
        if not self._has_scalars:
            return
        self._blocks.append(block)
        if time.monotonic() >= self._due:
            self._write_blocks()

    def add_metrics(self, split: str, metrics: dict[str, float], step: int) -> None:
        """The figures of an epoch or an evaluation."""
        if self._has_scalars:
            self._add_point({f"{name}/{split}": value for name, value in metrics.items()}, step)

    def add_picture(self, tag: str, pixels_HWC: npt.NDArray[np.uint8], step: int) -> None:
        """A picture of one channel, which is grey, or of three."""
        # Here, as a run without pictures need not wait for it.
        from PIL import Image

        height, width, num_channels = pixels_HWC.shape
        file = io.BytesIO()
        grey = pixels_HWC[:, :, 0] if num_channels == 1 else pixels_HWC
        Image.fromarray(grey).save(file, "PNG")
        image = Summary.Image(
            height=height,
            width=width,
            colorspace=num_channels,
            encoded_image_string=file.getvalue(),
        )
        self._append(Event(step=step, summary=Summary(value=[Summary.Value(tag=tag, image=image)])))

    def close(self) -> None:
        """Write what is left."""
        if self._file is not None:
            if self._blocks:
                self._write_blocks()
            self._file.close()

    def _write_blocks(self) -> None:
        blocks, self._blocks = self._blocks, []
        self._due = time.monotonic() + self._every_s
        step = blocks[-1].first + len(blocks[-1].loss) - 1
        count = sum(block.num_samples for block in blocks)
        duration_s = sum(block.duration_s for block in blocks)
        scalars = {
            "loss/step": np.mean(np.concatenate([block.loss for block in blocks])),
            "grad_norm": _mean_finite(np.concatenate([block.grad_norm for block in blocks])),
            "lr": blocks[-1].lr[-1],
            "samples_per_s": count / max(duration_s, 1e-9),
        }
        self._add_point(scalars, step)

    def _add_point(self, scalars: Mapping[str, Any], step: int) -> None:
        values = [Summary.Value(tag=tag, simple_value=float(v)) for tag, v in scalars.items()]
        self._append(Event(step=step, summary=Summary(value=values)))

    def _append(self, event: Event) -> None:
        if self._file is None:
            return
        try:
            self._file.append(event)
        except OSError as error:
            if not self._is_failing:
                self._warn(
                    f"TensorBoard's points cannot be written: {error.strerror or error}. They are "
                    "left out until they can be; the event log has them."
                )
            self._is_failing = True
        else:
            self._is_failing = False


def _mean_finite(values: Floats) -> np.floating[Any]:
    """The mean without overflows, by which fp16 finds its loss scale; NaN where all are."""
    finite = values[np.isfinite(values)]
    return np.mean(finite) if len(finite) else np.float32(np.nan)
