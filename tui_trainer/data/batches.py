"""Batches of a dataset: picked, augmented and normalised on the training device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import torch
from torch import Tensor

from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.augment import Augmenter, changes_images, check_augment
from tui_trainer.data.mix import Batch, Mixer
from tui_trainer.data.normalize import Normalize
from tui_trainer.data.order import ClassMembers, EpochOrder, balanced_order, bucketed, epoch_order
from tui_trainer.data.placement import Placement, choose_placement
from tui_trainer.data.prepared import Inputs, Labels
from tui_trainer.data.resident import ResidentSamples, ResidentTexts
from tui_trainer.data.split import Indices
from tui_trainer.data.stored import StoredSamples, StoredTexts
from tui_trainer.data.stream import StreamedSamples
from tui_trainer.data.texts import Texts
from tui_trainer.errors import ConfigError

__all__ = ["EVALUATION_BATCH_SIZE", "Batch", "Batches", "choose_placement"]

EVALUATION_BATCH_SIZE = 1000

# Batches are made several at a time, which spares the start of an operation for each one of them.
# On a processor a chunk has to fit into its caches.
_CHUNK_BYTES = {"cpu": 1 << 20}
_CHUNK_BYTES_ELSEWHERE = 1 << 24


class Batches:
    """The samples of a split, or some of them, served as batches on the device.

    The same numbers come out for either placement, any count of workers and any batch to begin
    with. Texts are padded to the longest of their batch, by token 0, which no model may see a
    difference by: there is no mask beside it. Use it as a context manager or call `close`, which
    ends the workers.
    """

    def __init__(
        self,
        spec: DatasetSpec,
        inputs: Inputs | Texts,
        labels: Labels,
        indices: Indices | None = None,
        *,
        batch_size: int,
        device: torch.device,
        placement: Placement = "device",
        workers: int = 0,
        augment: AugmentConfig | None = None,
        seed: int = 0,
        only_first: bool = False,
        balance: bool = False,
        channels_last: bool = False,
    ) -> None:
        """Take the samples `indices` (all by default) of a split's `inputs` and `labels`.

        Placement `device` copies them to the device; `stream` reads them when they are needed,
        in this process or by `workers`. Training batches are augmented and mixed as `augment`
        says, drawn from `seed`. With `only_first` every training batch is the first one of epoch
        0, not augmented: to see whether a model can learn one batch by heart. With `balance` an
        epoch takes as many samples of each class. `channels_last` is the layout in memory of
        images with several channels.

        Raises:
            ConfigError: the samples cannot be augmented or balanced so.
        """
        augment = augment or AugmentConfig()
        check_augment(augment, spec)
        if balance and spec.task != "classification":
            raise ConfigError(
                f"--balance is for samples of one class each, and {spec.name} has others.",
                "Leave it out.",
                key="data.balance",
            )
        self.batch_size = batch_size
        self.device = device
        self._indices = indices
        self._seed = seed
        self._only_first = only_first
        self._channels_last = channels_last and spec.kind == "image" and spec.shape[0] > 1
        self._augment = augment
        self._augmenter = Augmenter(augment, spec.shape, seed) if changes_images(augment) else None
        self._normalize = Normalize(spec.mean, spec.std).to(device)
        self._has_targets = spec.task == "regression"
        chosen_labels = labels if indices is None else labels[indices]
        # Float labels go into arithmetic with what the model gives.
        dtype = np.int64 if spec.task == "classification" else np.float32
        host_labels_N = torch.from_numpy(np.array(chosen_labels, dtype))
        self._classes = ClassMembers.of(host_labels_N) if balance else None
        self._labels_N = host_labels_N.to(device)
        self._numbers_N = None if indices is None else torch.from_numpy(indices).to(device)
        self._widths_N = _widths(inputs, indices) if isinstance(inputs, Texts) else None
        self._samples = _place(inputs, indices, batch_size, device, placement, workers)
        chunk_bytes = _CHUNK_BYTES.get(device.type, _CHUNK_BYTES_ELSEWHERE)
        batch_bytes = batch_size * int(np.prod(spec.shape)) * 4
        self._batches_per_chunk = max(1, chunk_bytes // batch_bytes)

    def __len__(self) -> int:
        return len(self._labels_N)

    @property
    def num_batches(self) -> int:
        """Batches in an epoch, the last one perhaps smaller."""
        return -(-len(self) // self.batch_size)

    def shuffled(self, seed: int, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The training batches of an epoch from the 0-based batch `first` on.

        The order depends on (seed, epoch) alone, of texts on their lengths too: a batch holds
        texts of about the same length. Augmentation and mixing depend on (the seed that these
        batches were made with, epoch) and the sample's or batch's number.

        Raises:
            WorkerError: streamed data could not be loaded.
        """
        if self._only_first:
            first_B = self._order(seed, 0).take(slice(self.batch_size))
            (only,) = self._serve(first_B, 0, None)
            for _ in range(first, self.num_batches):
                # A copy: a model may change its input in place.
                yield only._replace(x=only.x.clone())
            return
        order = self._order(seed, epoch)
        if not (self._augment.mixup or self._augment.cutmix):
            yield from self._serve(order, first, epoch)
            return
        mixer = Mixer(
            self._augment, self._seed, epoch, self.num_batches, blends_labels=self._has_targets
        )
        for number, batch in enumerate(self._serve(order, first, epoch), first):
            yield mixer(number, batch.x, batch.labels_B)

    def numbers(self, seed: int, epoch: int, batch: int) -> Tensor:
        """Which samples of the split the 0-based `batch` of `shuffled` holds, int64 B on the host.

        Mixing does not count: a sample is named once.
        """
        if self._only_first:
            epoch = batch = 0
        start = batch * self.batch_size
        chosen_B = self._order(seed, epoch).places_N[start : start + self.batch_size]
        return chosen_B if self._indices is None else torch.from_numpy(self._indices)[chosen_B]

    def in_order(self) -> Iterator[Batch]:
        """Every sample once, in the order of the split, neither augmented nor mixed.

        Raises:
            WorkerError: streamed data could not be loaded.
        """
        return self._serve(EpochOrder(torch.arange(len(self))), 0, None)

    def close(self) -> None:
        """End the workers, if there are any; another pass starts them again."""
        self._samples.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _order(self, seed: int, epoch: int) -> EpochOrder:
        if self._classes is not None:
            order = balanced_order(self._classes, seed, epoch)
        else:
            order = EpochOrder(epoch_order(len(self), seed, epoch))
        if self._widths_N is not None:
            return bucketed(order, self._widths_N, self.batch_size, seed, epoch)
        return order

    def _serve(self, order: EpochOrder, first: int, epoch: int | None) -> Iterator[Batch]:
        """Batches in the given order from `first` on; augmented if an epoch is given."""
        if first >= self.num_batches:
            return
        # A chunk begins at the same batch wherever a pass begins: a batch then lies as it always
        # does in memory, whose alignment can decide which kernel runs, and so the last bit.
        skipped = first % self._batches_per_chunk
        order = order.take(slice((first - skipped) * self.batch_size, None))
        device_order_N = order.places_N.to(self.device)
        size = self._batches_per_chunk * self.batch_size
        chunks = self._samples.chunks(order.places_N, device_order_N, size)
        places = torch.split(order.places_N, size)
        orders = zip(places, torch.split(device_order_N, size), strict=True)
        repeats: Sequence[Tensor | None] = [None] * len(places)
        if order.repeats_N is not None:
            repeats = torch.split(order.repeats_N.to(self.device), size)
        for stored, (on_host, chosen), repeats_C in zip(chunks, orders, repeats, strict=True):
            x = self._cut(self._finish(stored, chosen, repeats_C, epoch), on_host)
            labels = torch.split(self._labels_N.index_select(0, chosen), self.batch_size)
            for x_B, labels_B in zip(x[skipped:], labels[skipped:], strict=True):
                yield Batch(x_B, labels_B)
            skipped = 0

    def _cut(self, x: Tensor, order_C: Tensor) -> Sequence[Tensor]:
        """The batches of a chunk, whose samples are `order_C`."""
        if self._widths_N is None:
            return torch.split(x, self.batch_size)
        widths = torch.split(self._widths_N[order_C], self.batch_size)
        shapes = [(len(widths_B), int(widths_B.max())) for widths_B in widths]
        parts = torch.split(x, [count * width for count, width in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]

    def _finish(
        self, stored: Tensor, chosen_B: Tensor, repeats_B: Tensor | None, epoch: int | None
    ) -> Tensor:
        """What the model is fed, of stored samples of which `chosen_B` tells the places."""
        if epoch is not None and self._augmenter is not None:
            numbers_N = self._numbers_N
            numbers_B = chosen_B if numbers_N is None else numbers_N.index_select(0, chosen_B)
            if repeats_B is not None:
                # A sample that an epoch takes again is changed in another way.
                numbers_B = numbers_B + (repeats_B << 32)
            stored = self._augmenter(stored, numbers_B, epoch)
        x = self._normalize.fresh(stored)
        if self._channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        return x


def _place(
    inputs: Inputs | Texts,
    indices: Indices | None,
    batch_size: int,
    device: torch.device,
    placement: Placement,
    workers: int,
) -> ResidentSamples | ResidentTexts | StreamedSamples:
    """What gives the samples, chunk by chunk; of texts each batch padded for itself."""
    if isinstance(inputs, Texts):
        if placement == "device":
            return ResidentTexts(inputs, indices, device, batch_size)
        return StreamedSamples(StoredTexts(inputs, batch_size), indices, device, workers)
    if placement == "device":
        return ResidentSamples(inputs, indices, device)
    return StreamedSamples(StoredSamples(inputs), indices, device, workers)


def _widths(texts: Texts, indices: Indices | None) -> Tensor:
    """How wide a batch of each text alone would be, int64 on the host."""
    lengths_N = texts.lengths_N if indices is None else texts.lengths_N[indices]
    return torch.from_numpy(lengths_N).clamp(min=1)
