"""Which samples of a dataset a run trains on, validates with and is tested on.

    runs/run1/split.json, held-out.bin

The samples held out are kept with the run, so that it is judged on the same ones for ever.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from tui_trainer import paths
from tui_trainer.core.config.data import DataConfig
from tui_trainer.core.sealed_json import seal, unseal
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.prepared import Labels, load_digests
from tui_trainer.data.split import Indices, choose_subset, split_for_validation
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import replace_file
from tui_trainer.store.plain_file import read_plain

_MOST_BYTES = 1 << 33


@dataclass(frozen=True)
class Part:
    """The samples `indices_N`, int64, of a stored split."""

    split: str
    indices_N: Indices


@dataclass(frozen=True)
class Parts:
    """The samples of a run; no validation where it holds nothing out."""

    train: Part
    validation: Part | None
    test: Part

    @property
    def held_out_N(self) -> Indices:
        """Which samples of the stored training split are held out, int64."""
        validation = self.validation
        if validation is None or validation.split != "train":
            return np.empty(0, np.int64)
        return validation.indices_N

    def find(self, name: str) -> Part:
        """The part `train`, `validation` or `test`.

        Raises:
            DatasetError: the run held nothing out for validation.
        """
        if name == "validation" and self.validation is None:
            raise DatasetError(
                "This run held nothing out for validation.", "Judge it with --split test."
            )
        part = {"train": self.train, "validation": self.validation, "test": self.test}[name]
        assert part is not None
        return part


class _StoredSplit(msgspec.Struct, frozen=True, kw_only=True):
    """What a run keeps of its split beside the samples held out, which are int64 in a file."""

    data_sha256: str
    train_count: int
    held_out_count: int
    held_out_sha256: str
    version: int = 1


def choose_parts(
    spec: DatasetSpec,
    train_labels_N: Labels,
    config: DataConfig,
    seed: int,
    held_out_N: Indices | None = None,
) -> Parts:
    """The parts of a run: the dataset's own validation split, else a share drawn from `seed`.

    Args:
        train_labels_N: The labels of the stored training split.
        config: Which share is held out, without which there is no validation, whatever the
            dataset has; and which of the rest is trained on.
        held_out_N: What a run held out when it began, in place of drawing it again.

    Raises:
        DatasetError: the share leaves nothing to validate with; `held_out_N` are not samples.
    """
    share, num_train = config.validation, len(train_labels_N)
    every_N = np.arange(num_train, dtype=np.int64)
    test = Part("test", np.arange(spec.splits["test"].count, dtype=np.int64))

    def train_on(chosen_N: Indices) -> Part:
        return Part("train", choose_subset(chosen_N, train_labels_N, config.subset, seed))

    if not share:
        return Parts(train_on(every_N), None, test)
    if "validation" in spec.splits:
        count = spec.splits["validation"].count
        official = Part("validation", np.arange(count, dtype=np.int64))
        return Parts(train_on(every_N), official, test)
    if held_out_N is None:
        _, held_out_N = split_for_validation(train_labels_N, share, seed)
    elif not _are_some_of(held_out_N, num_train):
        raise DatasetError(
            f"What this run held out are no samples of {spec.name}.",
            f"Put back a copy of {paths.SPLIT} and {paths.HELD_OUT} in the run's folder, or delete "
            "both to draw them again from the seed.",
        )
    if not len(held_out_N):
        raise DatasetError(
            f"A share of {share:g} of {spec.name} leaves nothing to validate on.",
            "Choose a larger --validation, or 0 to train on all.",
        )
    kept_N = np.setdiff1d(every_N, held_out_N, assume_unique=True)
    return Parts(train_on(kept_N), Part("train", held_out_N), test)


def _are_some_of(held_out_N: Indices, count: int) -> bool:
    """Whether these are places below `count`, ascending, and not all of them."""
    if not len(held_out_N):
        return True
    is_ascending = bool((np.diff(held_out_N) > 0).all())
    return is_ascending and held_out_N[0] >= 0 and held_out_N[-1] < count > len(held_out_N)


def save_parts(run: Path, parts: Parts, data_sha256: str) -> None:
    """Keep with a run which samples it holds out."""
    content = np.ascontiguousarray(parts.held_out_N, "<i8").tobytes()
    stored = _StoredSplit(
        data_sha256=data_sha256,
        train_count=len(parts.train.indices_N),
        held_out_count=len(parts.held_out_N),
        held_out_sha256=hashlib.sha256(content).hexdigest(),
    )
    replace_file(run / paths.HELD_OUT, content)
    replace_file(run / paths.SPLIT, seal(msgspec.json.encode(stored)))


def is_kept(run: Path, data_sha256: str) -> bool:
    """Whether a run kept the split of these very data."""
    stored = _read_stored(run)
    return stored is not None and stored.data_sha256 == data_sha256


def read_held_out(run: Path, data_sha256: str) -> Indices | None:
    """Which samples a run held out when it began; None where it kept that of no such data.

    A run of an earlier tuitrain kept nothing, and one whose dataset is another now cannot mean
    the samples that are there: both draw again, from the seed.

    Raises:
        DatasetError: what was kept is damaged.
    """
    stored = _read_stored(run)
    if stored is None:
        return None
    try:
        content = read_plain(run / paths.HELD_OUT, _MOST_BYTES)
        held_out_N: npt.NDArray[np.int64] = np.frombuffer(content, "<i8").astype(np.int64)
    except (OSError, ValueError) as error:
        raise _damaged(run) from error
    if hashlib.sha256(content).hexdigest() != stored.held_out_sha256:
        raise _damaged(run)
    if stored.data_sha256 != data_sha256 or not stored.held_out_count:
        return None
    return held_out_N


def _read_stored(run: Path) -> _StoredSplit | None:
    try:
        return msgspec.json.decode(unseal(read_plain(run / paths.SPLIT)), type=_StoredSplit)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(run) from error


def count_shared(data_dir: Path, spec: DatasetSpec, parts: Parts) -> int:
    """Validation samples whose inputs are those of a sample that is trained on, too."""
    if parts.validation is None:
        return 0
    trained_N = load_digests(data_dir, spec, parts.train.split)
    held_out_N = load_digests(data_dir, spec, parts.validation.split)
    if not len(trained_N) or not len(held_out_N):
        return 0
    seen = trained_N[parts.train.indices_N]
    return int(np.isin(held_out_N[parts.validation.indices_N], seen).sum())


def _damaged(run: Path) -> DatasetError:
    return DatasetError(
        f"{run / paths.SPLIT} or {paths.HELD_OUT} beside it is damaged: it is not known which "
        "samples the run held out.",
        "Put back a copy of both, or delete both to draw them again from the seed.",
    )
