"""From a source to a prepared dataset: read in order, checked, measured, published whole."""

from __future__ import annotations

import errno
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from tui_trainer import paths
from tui_trainer.core.format import format_count
from tui_trainer.core.sealed_json import encode_sealed
from tui_trainer.core.specs import (
    DATASET_VERSION,
    DatasetSpec,
    Skipped,
    SourceFacts,
    SplitSpec,
)
from tui_trainer.data.prepare.checks import check_block, check_labels, check_split
from tui_trainer.data.prepare.progress_file import (
    Progress,
    read_progress,
    write_progress,
)
from tui_trainer.data.prepare.source import LEFT_OUT, SPLITS, Block, Source
from tui_trainer.data.prepare.split_writer import Reached, SplitWriter
from tui_trainer.data.prepare.task_runner import read_blocks
from tui_trainer.data.split import split_off
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import holds, make_folder, new_folder, write_durable
from tui_trainer.store.dataset_lookup import SKIPPED_LIST
from tui_trainer.store.datasets import discard_leftovers, remember_verified

Report = Callable[[int, int], object]
"""`report(done, total)`: samples that have been looked at, of how many."""

_KEPT_S = 2.0
_PIECE_ROWS = 1 << 16
_SHOWN_REASONS = 3


class Preparation:
    """Prepares one dataset; who calls holds the lock on its name."""

    def __init__(
        self, data_dir: Path, name: str, source: Source, origin: SourceFacts, processes: int
    ) -> None:
        """Look at the source, and find what was reached of it before, if anything was.

        Raises:
            DatasetError: there is nothing to learn in the source.
        """
        self._name, self._source, self._origin = name, source, origin
        self._data_dir, self._processes = data_dir, processes
        self._splits_N = _choose_splits(source, origin)
        self._total = len(source.labels_N)
        self._work = data_dir / f"{paths.UNFINISHED_DATASET}{name}"
        self._progress = Progress(identity=_identify(source, origin, self._splits_N))
        self._writers: dict[str, SplitWriter] = {}
        self._is_torn = False

    def run(self, report: Report) -> DatasetSpec:
        """Read everything that was not read before, and publish the dataset.

        Raises:
            DatasetError: too much of it cannot be read, or it cannot be written.
        """
        folder = self._data_dir / self._name
        try:
            make_folder(self._work)
            self._begin()
            try:
                self._read(report)
                return self._publish(folder)
            finally:
                for writer in self._writers.values():
                    writer.close()
        except OSError as error:
            raise DatasetError(
                f"{folder} cannot be written: {error.strerror or error}.",
                "Free some space, or name another folder with --data-dir.",
            ) from error

    def _begin(self) -> None:
        identity = self._progress.identity
        self._progress = read_progress(self._work, identity)
        try:
            self._open_writers()
        except OSError:
            if not self._progress.blocks:
                raise
            # What was reached is not there any more: it is read again.
            for writer in self._writers.values():
                writer.close()
            self._progress = Progress(identity=identity)
            self._open_writers()

    def _open_writers(self) -> None:
        found = np.unique(self._splits_N)
        for number, split in enumerate(SPLITS):
            if number in found:
                reached = self._progress.reached.get(split, Reached())
                facts, labels_N = self._source.facts, self._source.labels_N
                self._writers[split] = SplitWriter(self._work, split, facts, labels_N, reached)

    def _read(self, report: Report) -> None:
        skipped = list(self._progress.skipped) or list(self._source.skipped)
        blocks, kept_at = self._progress.blocks, time.monotonic()
        done = sum(writer.reached.samples for writer in self._writers.values()) + len(skipped)
        report(done, self._total)
        # What was read before a break may be too much already, and nothing be left to read.
        self._check_skipped(skipped)
        try:
            for block in read_blocks(self._source, blocks, self._processes):
                check_block(self._source.facts, block)
                # Until it is counted, too: who goes on would read it a second time.
                self._is_torn = True
                self._append(block)
                skipped += block.skipped
                blocks += 1
                self._is_torn = False
                self._check_skipped(skipped)
                done += len(block.numbers_B) + len(block.skipped)
                report(done, self._total)
                if time.monotonic() - kept_at > _KEPT_S:
                    self._keep(blocks, skipped)
                    kept_at = time.monotonic()
        except BaseException:
            # Of a block that is in the files in part, or is not counted, nothing counts.
            if not self._is_torn:
                self._keep(blocks, skipped)
            raise
        self._progress = msgspec.structs.replace(
            self._progress, blocks=blocks, skipped=tuple(skipped)
        )
        self._check_whole(len(skipped) - len(self._source.skipped))

    def _check_whole(self, skipped_count: int) -> None:
        """Make sure that every sample that was listed came, once."""
        listed = int((self._splits_N >= 0).sum())
        written = sum(writer.reached.samples for writer in self._writers.values())
        if written <= listed <= written + skipped_count:
            return
        discard_leftovers(self._data_dir, self._name)
        raise DatasetError(
            f"{format_count(listed)} samples were listed, but {format_count(written)} came: "
            "the source was changed while it was read.",
            "Prepare it again once nothing writes to it.",
        )

    def _append(self, block: Block) -> None:
        splits_B = self._splits_N[block.numbers_B]
        for number, split in enumerate(SPLITS):
            if split in self._writers:
                self._writers[split].append(block, splits_B == number)

    def _keep(self, blocks: int, skipped: list[Skipped]) -> None:
        """Note how far it is; the files come first, so that what is noted is there."""
        for writer in self._writers.values():
            writer.flush()
        reached = {split: writer.reached for split, writer in self._writers.items()}
        self._progress = msgspec.structs.replace(
            self._progress, blocks=blocks, reached=reached, skipped=tuple(skipped)
        )
        write_progress(self._work, self._progress)

    def _check_skipped(self, skipped: list[Skipped]) -> None:
        most = self._origin.preparation.max_bad
        total = self._total + len(self._source.skipped)
        if len(skipped) <= most * total:
            return
        shown = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:_SHOWN_REASONS])
        raise DatasetError(
            f"{format_count(len(skipped))} of the first samples of {format_count(total)} cannot be "
            f"read, more than a share of {most:g}: {shown}.",
            "Mend or remove them, or allow more with --max-bad.",
        )

    def _publish(self, folder: Path) -> DatasetSpec:
        for split, writer in self._writers.items():
            check_split(self._source.facts, split, writer.reached.samples, writer.counts_K)
        shared_count = _count_shared(self._writers)
        moments = self._writers["train"].moments.result()
        label_moments = self._writers["train"].label_moments.result()
        splits = {split: writer.finish() for split, writer in self._writers.items()}
        skipped = self._progress.skipped
        with new_folder(folder) as temporary:
            files = {SKIPPED_LIST: msgspec.json.encode(skipped)} if skipped else {}
            hashes = _write_files(temporary, {**self._source.files, **files})
            spec = _describe(self._name, self._source, self._origin, splits, hashes)
            spec = msgspec.structs.replace(
                spec,
                mean=moments[0],
                std=moments[1],
                label_mean=label_moments[0] if spec.task == "regression" else (),
                label_std=label_moments[1] if spec.task == "regression" else (),
                skipped_count=len(skipped),
                shared_count=shared_count,
                shape=(max(w.reached.longest for w in self._writers.values()),)
                if spec.kind == "tokens"
                else spec.shape,
            )
            for part in splits.values():
                for array in part.arrays:
                    (self._work / array.file).rename(temporary / array.file)
            _write_checked(temporary / paths.DATASET_MANIFEST, encode_sealed(spec))
            remember_verified(temporary, spec)
        discard_leftovers(self._data_dir, self._name)
        return spec


def _choose_splits(source: Source, origin: SourceFacts) -> npt.NDArray[np.int8]:
    """The split of each sample: the source's own, else a share is drawn as the test split."""
    check_labels(source)
    labels_N = source.labels_N
    splits_N = source.splits_N
    if splits_N is None:
        preparation = origin.preparation
        splits_N = np.zeros(len(labels_N), np.int8)
        _, tested = split_off(labels_N, preparation.test, preparation.seed)
        splits_N[tested] = SPLITS.index("test")
    counts = {split: int((splits_N == number).sum()) for number, split in enumerate(SPLITS)}
    for split in ("train", "test"):
        if not counts[split]:
            raise DatasetError(
                f"There are too few samples for a {split} split: {format_count(len(labels_N))}.",
                "Add samples, or hold out another share with --test-share.",
            )
    return splits_N


def _identify(source: Source, origin: SourceFacts, splits_N: npt.NDArray[np.int8]) -> str:
    """A hash of everything that the files of the dataset follow from."""
    digest = hashlib.sha256(f"{DATASET_VERSION}".encode())
    facts = source.facts
    digest.update(repr(facts).encode(errors="surrogateescape"))
    preparation = msgspec.structs.replace(origin.preparation, max_bad=0)
    digest.update(repr((origin.reference, preparation)).encode(errors="surrogateescape"))
    digest.update(repr(sorted(source.stamps.items())).encode(errors="surrogateescape"))
    digest.update(np.ascontiguousarray(source.labels_N).data)
    digest.update(np.ascontiguousarray(splits_N).data)
    return digest.hexdigest()


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


def _describe(
    name: str,
    source: Source,
    origin: SourceFacts,
    splits: dict[str, SplitSpec],
    files: dict[str, str],
) -> DatasetSpec:
    """The manifest, but for what was measured."""
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
        splits=splits,
        origin=facts.origin,
        vocabulary=facts.vocabulary,
        files=files,
        source=msgspec.structs.replace(origin, stamps=dict(source.stamps)),
    )


assert LEFT_OUT not in range(len(SPLITS))
