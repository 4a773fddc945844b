"""The files of one split, written block by block."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from tui_trainer.core.specs import INPUT_DTYPES, LABEL_DTYPES, SplitSpec
from tui_trainer.data.moments import PixelMoments, moments_of
from tui_trainer.data.prepare.array_writer import ArrayWriter
from tui_trainer.data.prepare.measured_block import SplitPart
from tui_trainer.data.prepare.source import AnyLabels, Facts

_PIECE_BYTES = 4 << 20


class Reached(msgspec.Struct, frozen=True):
    """How much of a split is written: samples, and of texts their tokens and the longest."""

    samples: int = 0
    tokens: int = 0
    longest: int = 0


class SplitWriter:
    """Appends samples to the files of a split, and gathers what the manifest tells of them."""

    def __init__(
        self,
        folder: Path,
        split: str,
        facts: Facts,
        labels_N: AnyLabels,
        reached: Reached,
        listed: int,
    ) -> None:
        """Begin the files, or go on after what was `reached`; `labels_N` are of the whole source.

        So many samples are `listed` in the split; fewer come where some cannot be read.

        Raises:
            OSError: a file cannot be written, or does not hold what was reached.
        """
        self._split, self._facts, self._labels_N = split, facts, labels_N
        self._listed = listed
        self._is_text = facts.kind == "tokens"
        self._tokens, self._longest = reached.tokens, reached.longest
        self.moments = moments_of(facts.kind, facts.shape)
        self.label_moments = moments_of("table", labels_N.shape[1:] or (1,))
        self._writers: dict[str, ArrayWriter] = {}
        self._counts_K = np.zeros(len(facts.classes), np.int64)
        samples = reached.samples
        try:
            row_shape = () if self._is_text else facts.shape
            rows = reached.tokens if self._is_text else samples
            self._open(folder, "inputs", INPUT_DTYPES[facts.kind], row_shape, rows)
            self._open(folder, "labels", LABEL_DTYPES[facts.task], labels_N.shape[1:], samples)
            self._open(folder, "digests", "uint64", (), samples)
            if self._is_text:
                self._open(folder, "offsets", "int64", (), samples + 1 if samples else 0)
                if not samples:
                    self._writers["offsets"].append(np.zeros(1, np.int64))
            self._recall(samples)
        except BaseException:
            self.close()
            raise

    @property
    def reached(self) -> Reached:
        """How much is written."""
        return Reached(self._writers["labels"].rows, self._tokens, self._longest)

    @property
    def counts_K(self) -> npt.NDArray[np.int64]:
        """Samples of each class."""
        return self._counts_K

    @property
    def digests_N(self) -> npt.NDArray[np.uint64]:
        """A hash of each sample's inputs."""
        digests_N: npt.NDArray[np.uint64] = self._writers["digests"].read_back(
            0, self._writers["digests"].rows
        )
        return digests_N

    def append(self, part: SplitPart) -> None:
        """Put samples of this split at the end."""
        if part.lengths_B is not None:
            ends_B = np.cumsum(part.lengths_B)
            self._writers["offsets"].append((self._tokens + ends_B).astype(np.int64))
            self._tokens += int(ends_B[-1])
            self._longest = max(self._longest, int(part.lengths_B.max()))
        self._writers["inputs"].append(part.inputs)
        self._writers["digests"].append(part.digests_B)
        labels_B = self._labels_N[part.numbers_B]
        self._writers["labels"].append(labels_B)
        if isinstance(self.moments, PixelMoments) and part.levels_CV is not None:
            self.moments.add_levels(part.levels_CV)
        else:
            self.moments.add(part.inputs)
        self._count(labels_B)

    def flush(self) -> None:
        """Make durable what was appended."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Leave the files as they are."""
        for writer in self._writers.values():
            writer.close()

    def finish(self) -> SplitSpec:
        """Make the files whole, and tell what they are.

        Raises:
            OSError: one cannot be written, or not read back as written.
        """
        files = {name: writer.finish() for name, writer in self._writers.items()}
        is_regression = self._facts.task == "regression"
        return SplitSpec(
            count=self._writers["labels"].rows,
            inputs=files["inputs"],
            labels=files["labels"],
            offsets=files.get("offsets"),
            digests=files["digests"],
            class_counts=() if is_regression else tuple(self._counts_K.tolist()),
        )

    def _open(
        self, folder: Path, part: str, dtype: str, row_shape: tuple[int, ...], rows: int
    ) -> None:
        file = folder / f"{self._split}-{part}.npy"
        expected = self._listed + 1 if part == "offsets" else self._listed
        self._writers[part] = ArrayWriter(file, dtype, row_shape, rows, expected_rows=expected)

    def _recall(self, samples: int) -> None:
        """Gather from the files what was gathered when they were begun."""
        is_dense = not self._is_text
        row_bytes = max(self._writers[part].row_bytes for part in ("inputs", "labels"))
        rows = max(1, _PIECE_BYTES // max(1, row_bytes))
        for start in range(0, samples, rows):
            stop = min(start + rows, samples)
            if is_dense:
                self.moments.add(self._writers["inputs"].read_back(start, stop))
            self._count(self._writers["labels"].read_back(start, stop))

    def _count(self, labels_B: AnyLabels) -> None:
        match self._facts.task:
            case "classification":
                self._counts_K += np.bincount(labels_B, minlength=len(self._counts_K))
            case "multilabel":
                self._counts_K += labels_B.sum(0, dtype=np.int64)
            case "regression":
                self.label_moments.add(labels_B)
