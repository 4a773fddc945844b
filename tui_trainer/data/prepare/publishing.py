"""From files that are written to a dataset that is there: finished, described, published whole."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np

from tui_trainer import paths
from tui_trainer.core.sealed_json import encode_sealed
from tui_trainer.core.specs import DatasetSpec, SourceFacts, SplitSpec
from tui_trainer.data.prepare.source import Source
from tui_trainer.data.prepare.split_writer import SplitWriter
from tui_trainer.store.atomic import holds, new_folder, write_durable
from tui_trainer.store.datasets import remember_verified

_PIECE_ROWS = 1 << 16


def publish_dataset(
    folder: Path,
    work: Path,
    described: DatasetSpec,
    files: Mapping[str, bytes],
    writers: Mapping[str, SplitWriter],
) -> DatasetSpec:
    """Make a dataset of the arrays in `work`, and let it appear as `folder`, in place of another.

    `files` are kept with it; `described` is its manifest, but for these and what was measured.

    Raises:
        OSError: something cannot be written, or not read back as written.
    """
    shared_count = _count_shared(writers)
    mean, std = writers["train"].moments.result()
    label_mean, label_std = writers["train"].label_moments.result()
    is_regression = described.task == "regression"
    splits = _finish(writers)
    with new_folder(folder) as temporary:
        spec = msgspec.structs.replace(
            described,
            splits=splits,
            files=_write_files(temporary, files),
            mean=mean,
            std=std,
            label_mean=label_mean if is_regression else (),
            label_std=label_std if is_regression else (),
            shared_count=shared_count,
        )
        if spec.kind == "tokens":
            longest = max(writer.reached.longest for writer in writers.values())
            spec = msgspec.structs.replace(spec, shape=(longest,))
        for part in splits.values():
            for array in part.arrays:
                (work / array.file).rename(temporary / array.file)
        _write_checked(temporary / paths.DATASET_MANIFEST, encode_sealed(spec))
        remember_verified(temporary, spec)
    return spec


def _finish(writers: Mapping[str, SplitWriter]) -> dict[str, SplitSpec]:
    # They are read back and hashed, which holds no lock of the interpreter.
    with ThreadPoolExecutor(len(writers)) as threads:
        finished = threads.map(SplitWriter.finish, writers.values())
        return dict(zip(writers, finished, strict=True))


def _count_shared(writers: Mapping[str, SplitWriter]) -> int:
    """Samples held out whose inputs are those of a training sample too."""
    seen_N = writers["train"].digests_N
    # In place, and then piece by piece: of very many samples a copy is too much.
    seen_N.sort()
    count = 0
    for split, writer in writers.items():
        if split == "train":
            continue
        for piece_B in np.array_split(writer.digests_N, -(-len(writer.digests_N) // _PIECE_ROWS)):
            places_B = np.searchsorted(seen_N, piece_B).clip(max=len(seen_N) - 1)
            count += int((seen_N[places_B] == piece_B).sum())
    return count


def _write_files(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write further files durably; the SHA-256 of each comes back."""
    for name, content in files.items():
        assert os.sep not in name
        _write_checked(folder / name, content)
    return {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def _write_checked(file: Path, content: bytes) -> None:
    write_durable(file, content)
    if not holds(file, content):
        raise OSError(errno.EIO, "The disk did not give it back as it was written")


def describe_source(
    name: str, source: Source, origin: SourceFacts, skipped_count: int
) -> DatasetSpec:
    """The manifest of a dataset, as far as its source tells it."""
    facts = source.facts
    return DatasetSpec(
        name=name,
        title=facts.title,
        kind=facts.kind,
        task=facts.task,
        shape=facts.shape,
        classes=facts.classes,
        targets=facts.targets,
        features=facts.features,
        mean=(),
        std=(),
        splits={},
        origin=facts.origin,
        vocabulary=facts.vocabulary,
        skipped_count=skipped_count,
        source=msgspec.structs.replace(origin, stamps=dict(source.stamps)),
    )
