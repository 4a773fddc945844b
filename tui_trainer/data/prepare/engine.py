"""From a source to a prepared dataset: read in order, and resumed where it was broken off."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from tui_trainer import paths
from tui_trainer.core.format import format_count
from tui_trainer.core.specs import DATASET_VERSION, DatasetSpec, Skipped, SourceFacts
from tui_trainer.data.prepare.checks import check_labels, check_split, source_errors_told
from tui_trainer.data.prepare.measured_block import BlockReader, MeasuredBlock
from tui_trainer.data.prepare.progress_file import (
    Progress,
    read_progress,
    write_progress,
)
from tui_trainer.data.prepare.publishing import describe_source, publish_dataset
from tui_trainer.data.prepare.source import LEFT_OUT, SPLITS, ReadTask, Source
from tui_trainer.data.prepare.split_writer import Reached, SplitWriter
from tui_trainer.data.prepare.stamp_log import StampLog
from tui_trainer.data.prepare.task_runner import read_blocks
from tui_trainer.data.split import split_off
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import make_folder
from tui_trainer.store.dataset_lookup import SKIPPED_LIST
from tui_trainer.store.datasets import discard_leftovers
from tui_trainer.store.source_stamps import STAMP_LIST

Report = Callable[[int, int], object]
"""`report(done, total)`: samples that have been looked at, of how many."""

_KEPT_S = 2.0
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
        self._listed_counts = _count_splits(self._splits_N)
        self._total = sum(self._listed_counts.values()) + len(source.skipped)
        self._work = data_dir / f"{paths.UNFINISHED_DATASET}{name}"
        self._progress = Progress(identity=_identify(source, origin, self._splits_N))
        self._writers: dict[str, SplitWriter] = {}
        self._stamps = StampLog(self._work)
        self._is_torn = False

    def run(self, report: Report, say: Callable[[str], object] = lambda text: None) -> DatasetSpec:
        """Read everything that was not read before, and publish the dataset.

        `say` hears where what was read before cannot be used.

        Raises:
            DatasetError: too much of it or all of it cannot be read, or it cannot be written.
        """
        folder = self._data_dir / self._name
        try:
            make_folder(self._work)
            self._begin(say)
            try:
                self._read(report)
                spec = self._publish(folder)
            finally:
                for writer in self._writers.values():
                    writer.close()
            discard_leftovers(self._data_dir, self._name)
            return spec
        except OSError as error:
            raise DatasetError(
                f"{folder} cannot be written: {error.strerror or error}.",
                "Free some space, or name another folder with --data-dir.",
            ) from error

    def _begin(self, say: Callable[[str], object]) -> None:
        begun, identity = read_progress(self._work), self._progress.identity
        is_same = begun is not None and begun.identity == identity
        if begun is not None and is_same and self._stamps.recall(begun.stamp_bytes):
            self._progress = begun
        elif begun is not None and begun.blocks:
            say("what was read before is not of the source as it is now: it is read from its start")
        try:
            self._open_writers()
        except OSError:
            if not self._progress.blocks:
                raise
            say("what was read before is not there any more: it is read from its start")
            for writer in self._writers.values():
                writer.close()
            self._progress = Progress(identity=identity)
            self._stamps.forget()
            self._open_writers()

    def _open_writers(self) -> None:
        facts, labels_N = self._source.facts, self._source.labels_N
        for split, listed in self._listed_counts.items():
            if listed:
                reached = self._progress.reached.get(split, Reached())
                self._writers[split] = SplitWriter(
                    self._work, split, facts, labels_N, reached, listed
                )

    def _read(self, report: Report) -> None:
        skipped = list(self._progress.skipped) or list(self._source.skipped)
        count, kept_at = self._progress.blocks, time.monotonic()
        report(self._count_written() + len(skipped), self._total)
        # What was read before a break may be too much already, and nothing be left to read.
        self._check_skipped(skipped)
        try:
            with closing(self._read_blocks()) as blocks:
                for block in blocks:
                    # Until it is counted, too: who goes on would read it a second time.
                    self._is_torn = True
                    self._append(block)
                    skipped += block.skipped
                    count += 1
                    self._is_torn = False
                    self._check_skipped(skipped)
                    report(self._count_written() + len(skipped), self._total)
                    if time.monotonic() - kept_at > _KEPT_S:
                        self._keep(count, skipped)
                        kept_at = time.monotonic()
        except BaseException:
            # Of a block that is in the files in part, or is not counted, nothing counts.
            if not self._is_torn:
                self._keep(count, skipped)
            raise
        self._progress = msgspec.structs.replace(
            self._progress, blocks=count, skipped=tuple(skipped)
        )
        self._check_whole(len(skipped) - len(self._source.skipped))

    def _read_blocks(self) -> Generator[MeasuredBlock, None, None]:
        """The blocks that were not read before."""
        reference = self._origin.reference
        reader = BlockReader(self._source.facts, self._splits_N, reference)
        processes = self._processes if self._source.is_heavy else 1

        def list_tasks() -> Iterator[ReadTask]:
            with source_errors_told(reference):
                yield from itertools.islice(self._source.tasks(), self._progress.blocks, None)

        return read_blocks(list_tasks(), reader, processes)

    def _count_written(self) -> int:
        return sum(writer.reached.samples for writer in self._writers.values())

    def _check_whole(self, skipped_count: int) -> None:
        """Make sure that every sample that was listed came, once."""
        listed, written = sum(self._listed_counts.values()), self._count_written()
        if written <= listed <= written + skipped_count:
            return
        discard_leftovers(self._data_dir, self._name)
        raise DatasetError(
            f"{format_count(listed)} samples were listed, but {format_count(written)} came: "
            "the source was changed while it was read.",
            "Prepare it again once nothing writes to it.",
        )

    def _append(self, block: MeasuredBlock) -> None:
        for part in block.parts:
            self._writers[part.split].append(part)
        self._stamps.append(block.stamps)

    def _keep(self, blocks: int, skipped: list[Skipped]) -> None:
        """Note how far it is; the files come first, so that what is noted is there."""
        for writer in self._writers.values():
            writer.flush()
        self._stamps.flush()
        reached = {split: writer.reached for split, writer in self._writers.items()}
        self._progress = msgspec.structs.replace(
            self._progress,
            blocks=blocks,
            reached=reached,
            skipped=tuple(skipped),
            stamp_bytes=self._stamps.kept_bytes,
        )
        write_progress(self._work, self._progress)

    def _check_skipped(self, skipped: list[Skipped]) -> None:
        most = self._origin.preparation.max_bad
        if len(skipped) <= most * self._total:
            return
        shown = "; ".join(f"{one.name}: {one.reason}" for one in skipped[:_SHOWN_REASONS])
        raise DatasetError(
            f"{format_count(len(skipped))} of the first samples of {format_count(self._total)} "
            f"cannot be read, more than a share of {most:g}: {shown}.",
            "Mend or remove them, or allow more with --max-bad.",
        )

    def _publish(self, folder: Path) -> DatasetSpec:
        for split, writer in self._writers.items():
            check_split(self._source.facts, split, writer.reached.samples, writer.counts_K)
        files = dict(self._source.files)
        if stamps := files.get(STAMP_LIST, b"") + self._stamps.records:
            files[STAMP_LIST] = stamps
        if skipped := self._progress.skipped:
            files[SKIPPED_LIST] = msgspec.json.encode(skipped)
        spec = describe_source(self._name, self._source, self._origin, len(skipped))
        return publish_dataset(folder, self._work, spec, files, self._writers)


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
    counts = _count_splits(splits_N)
    for split in ("train", "test"):
        if not counts[split]:
            raise DatasetError(
                f"There are too few samples for a {split} split: {format_count(len(labels_N))}.",
                "Add samples, or hold out another share with --test-share.",
            )
    return splits_N


def _count_splits(splits_N: npt.NDArray[np.int8]) -> dict[str, int]:
    """How many samples are of each split; those that are left out are of none."""
    return {split: int((splits_N == number).sum()) for number, split in enumerate(SPLITS)}


def _identify(source: Source, origin: SourceFacts, splits_N: npt.NDArray[np.int8]) -> str:
    """A hash of everything that the files of the dataset follow from."""
    digest = hashlib.sha256(f"{DATASET_VERSION}".encode())
    facts = source.facts
    digest.update(repr(facts).encode(errors="surrogateescape"))
    preparation = msgspec.structs.replace(origin.preparation, max_bad=0)
    digest.update(repr((origin.reference, preparation)).encode(errors="surrogateescape"))
    digest.update(repr(sorted(source.stamps.items())).encode(errors="surrogateescape"))
    digest.update(source.files.get(STAMP_LIST, b""))
    digest.update(np.ascontiguousarray(source.labels_N).data)
    digest.update(np.ascontiguousarray(splits_N).data)
    return digest.hexdigest()


assert LEFT_OUT not in range(len(SPLITS))
