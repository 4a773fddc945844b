"""Samples that workers read from a file while the device computes."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tui_trainer.data.processes import end_with_parent
from tui_trainer.data.split import Indices
from tui_trainer.errors import WorkerError

_CHUNKS_AHEAD = 4

# Forking takes milliseconds, and a worker touches nothing that a fork may break: it calls neither
# CUDA nor OpenMP, only copies rows of its own mapping of the file. Elsewhere than on Linux the
# system's own libraries do not survive a fork.
_START_METHOD = "fork" if sys.platform == "linux" else "spawn"


class StreamedSamples:
    """Samples read chunk by chunk, in this process or by workers that stay between epochs.

    One pass over the samples at a time: a new one ends the one before.
    """

    def __init__(
        self,
        stored: Dataset[Tensor],
        indices: Indices | None,
        device: torch.device,
        workers: int,
    ) -> None:
        """Serve from `stored`, which gives the samples of an array of numbers."""
        self._stored = stored
        self._indices = indices
        self._device = device
        self._workers = workers
        self._plan = _Plan()
        self._loader: DataLoader[Tensor] | None = None
        self._pass_number = 0
        _open_streams.add(self)

    def chunks(self, order_N: Tensor, device_order_N: Tensor, size: int) -> Iterator[Tensor]:
        """The samples in the given order, `size` at a time, as `stored` gives them, on the device.

        Raises:
            WorkerError: a worker died, or the file could not be read.
        """
        numbers_N: Indices = order_N.numpy()
        if self._indices is not None:
            numbers_N = self._indices[numbers_N]
        plan = [numbers_N[start : start + size] for start in range(0, len(numbers_N), size)]
        if self._device.type == "cuda":
            return _copied_ahead(self._load(plan), self._device)
        return (chunk.to(self._device) for chunk in self._load(plan))

    def close(self) -> None:
        """End the workers."""
        loader, self._loader = self._loader, None
        iterator = loader._iterator if loader is not None else None
        if iterator is not None and self._workers:
            # It has no public name; without it the workers end when the last reference goes.
            iterator._shutdown_workers()  # type: ignore[attr-defined]

    def _load(self, plan: list[Indices]) -> Iterator[Tensor]:
        self._pass_number += 1
        this_pass = self._pass_number
        self._plan.chunks = plan
        try:
            arriving = self._start()
            while True:
                assert this_pass == self._pass_number, "another pass over these samples has begun"
                chunk = next(arriving, None)
                if chunk is None:
                    return
                yield chunk
        except (RuntimeError, OSError, ValueError, MemoryError) as error:
            self.close()
            reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise WorkerError(
                f"The data could not be loaded: {reason.rstrip('.')}.",
                "See that the data's file is in its place and memory is left; "
                "--set data.workers=0 loads without further processes.",
            ) from error

    def _start(self) -> Iterator[Tensor]:
        if self._loader is not None:
            return iter(self._loader)
        self._loader = DataLoader(
            self._stored,
            batch_size=None,
            sampler=self._plan,
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            worker_init_fn=partial(_prepare_worker, os.getpid()),
            multiprocessing_context=_START_METHOD if self._workers else None,
            # Of its own, so that nothing is drawn from the one that the model draws from.
            generator=torch.Generator(),
            prefetch_factor=_CHUNKS_AHEAD if self._workers else None,
            persistent_workers=self._workers > 0,
        )
        with _signals_for_the_trainer():
            return iter(self._loader)


class _Plan(Sampler[Indices]):
    """The numbers of the samples of each chunk of the pass to come."""

    def __init__(self) -> None:
        self.chunks: list[Indices] = []

    def __iter__(self) -> Iterator[Indices]:
        return iter(self.chunks)

    def __len__(self) -> int:
        return len(self.chunks)


@contextmanager
def _signals_for_the_trainer() -> Iterator[None]:
    """Start workers that no signal to the whole process group ends, and whose end disturbs nobody.

    The trainer still needs its data to stop well. Workers inherit that the signals are blocked,
    and so there is no moment at which one could reach them.
    """
    is_main = threading.current_thread() is threading.main_thread()
    child_handler = signal.getsignal(signal.SIGCHLD)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if is_main and child_handler is not None:
            # torch's handler raises wherever the process is when a worker dies, be it in the
            # middle of an update of the weights. Without it the death is found out when the
            # worker's data are waited for.
            signal.signal(signal.SIGCHLD, child_handler)


def _prepare_worker(trainer: int, worker: int) -> None:
    # What was inherited belongs to the trainer; collecting it here would flush files a second time.
    gc.freeze()
    # torch's own watch misses a trainer that was killed before the worker's loop began, or in the
    # middle of writing what the worker reads.
    end_with_parent(trainer)


def _copied_ahead(chunks: Iterator[Tensor], device: torch.device) -> Iterator[Tensor]:
    """Copies of pinned chunks on a CUDA device, each under way while the one before is used."""
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    ahead: tuple[Tensor, torch.cuda.Event] | None = None
    for pinned in chunks:
        with torch.cuda.stream(side):
            arriving = pinned.to(device, non_blocking=True), side.record_event()
        if ahead is not None:
            yield _arrived(*ahead)
        ahead = arriving
    if ahead is not None:
        yield _arrived(*ahead)


def _arrived(chunk: Tensor, copied: torch.cuda.Event) -> Tensor:
    """`chunk`, for use by the stream that computes once the copy is complete."""
    computing = torch.cuda.current_stream(chunk.device)
    computing.wait_event(copied)
    # Its memory belongs to the side stream, which must not reuse it before computing is through.
    chunk.record_stream(computing)
    return chunk


_open_streams: weakref.WeakSet[StreamedSamples] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    # multiprocessing's own clean-up, which runs after this one because it was registered before,
    # sends the workers a SIGTERM, which does not reach them, and waits for them.
    for stream in list(_open_streams):
        stream.close()
