"""What a prepared dataset is: where data and models meet."""

from __future__ import annotations

from typing import Literal

import msgspec

from tui_trainer.core.config.preparation import PreparationConfig

DATASET_VERSION = 3

Kind = Literal["image", "table", "tokens"]
Task = Literal["classification", "multilabel", "regression"]

# How the inputs of each kind are stored.
INPUT_DTYPES: dict[Kind, str] = {"image": "uint8", "table": "float32", "tokens": "int32"}
# How the labels of each task are stored: N, N×K of 0 and 1, and N×T.
LABEL_DTYPES: dict[Task, str] = {
    "classification": "int64",
    "multilabel": "uint8",
    "regression": "float32",
}
# What a person calls the inputs of each kind.
KIND_NOUNS: dict[Kind, str] = {"image": "images", "table": "rows of a table", "tokens": "tokens"}
# The token that fills a text up to the common length; no model may see a difference by it.
PADDING_TOKEN = 0
# The token of a word that is not in the vocabulary.
UNKNOWN_TOKEN = 1


class ArrayFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a prepared dataset, named relative to its folder: a `.npy` array."""

    file: str
    shape: tuple[int, ...]
    dtype: str
    size_bytes: int
    sha256: str


class SplitSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A split: inputs of the dataset's kind with N first, and labels of its task.

    Attributes:
        offsets: Of texts only, int64 N+1: text n is `inputs[offsets[n]:offsets[n + 1]]`.
        digests: uint64 N, a hash of each sample's inputs: equal samples have equal ones.
        class_counts: Samples of each class; empty in a regression.
    """

    count: int
    inputs: ArrayFile
    labels: ArrayFile
    offsets: ArrayFile | None = None
    digests: ArrayFile | None = None
    class_counts: tuple[int, ...] = ()

    @property
    def arrays(self) -> tuple[ArrayFile, ...]:
        """All files of the split."""
        files = (self.inputs, self.labels, self.offsets, self.digests)
        return tuple(file for file in files if file is not None)


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A sample that could not be read, and why."""

    name: str
    reason: str


class SourceFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset was prepared from, to see whether it has changed since.

    Attributes:
        reference: As it is named on the command line, paths made absolute; or a catalogue name.
        stamps: Size and time of change, in nanoseconds, of the source's files and folders, by path;
            −1 and −1 of what was missing. Of very many they are those of the folders or tables, and
            the others stand in a file of the dataset (`store.source_stamps`).
    """

    reference: str
    preparation: PreparationConfig
    stamps: dict[str, tuple[int, int]] = {}


class DatasetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A prepared dataset: what its samples are and where they lie.

    | kind | `shape` of a sample | stored as | `mean` and `std` of the training samples |
    |---|---|---|---|
    | `image` | (C, H, W) | uint8 | per channel, of pixels as stored |
    | `table` | (F,) | float32 | per feature |
    | `tokens` | (L,), the longest | int32 below `vocabulary`, one text after the other | empty |

    | task | labels | `classes` |
    |---|---|---|
    | `classification` | int64 N | what the labels 0 … K−1 mean |
    | `multilabel` | uint8 N×K, 0 or 1 | what each column says of a sample |
    | `regression` | float32 N×T | empty; `targets` name the columns |

    Attributes:
        name: The folder in the data folder; also the catalogue's name, where it is prepared as
            the catalogue says.
        label_mean, label_std: Of each target of a regression, over the training samples.
        skipped_count: Samples set aside because they could not be read; `skipped.json` lists them.
        shared_count: Test samples whose inputs are also among the training samples.
        files: Further files of the dataset, such as the vocabulary of texts, with their SHA-256.
    """

    name: str
    title: str
    kind: Kind
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    splits: dict[str, SplitSpec]
    origin: str
    task: Task = "classification"
    targets: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    label_mean: tuple[float, ...] = ()
    label_std: tuple[float, ...] = ()
    vocabulary: int = 0
    skipped_count: int = 0
    shared_count: int = 0
    files: dict[str, str] = {}
    source: SourceFacts | None = None
    version: int = DATASET_VERSION

    @property
    def num_outputs(self) -> int:
        """Numbers that a model gives for a sample: one for each class or target."""
        return len(self.targets) if self.task == "regression" else len(self.classes)
