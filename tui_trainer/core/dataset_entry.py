"""What is known of a dataset by its name alone."""

from __future__ import annotations

import msgspec

from tui_trainer.core.specs import DatasetSpec, Kind, Task


class DatasetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that tuitrain knows how to prepare; `shape` is that of a sample, as in its spec.

    Attributes:
        classes: What the labels mean; empty where only the original files say it.
        class_count: How many classes there are, where `classes` does not name them.
        train_count, test_count, validation_count: Samples in the official splits, or in those that
            are made where there are none; 0 where there is no such split.
        default_model: what is trained on it where no model is named.
        importable: it can be prepared from files that the user has.
        is_installed: it is prepared from what comes with tuitrain, without a download.
        licence: As its authors state it; `unknown` where they state none.
        source: Where it is published: a URL or a paper.
        size: The side to which its images are brought where none is asked for, as they are of
            many sizes; 0 where they are all of one size.
        download_bytes: About how much is downloaded; 0 where nothing is.
    """

    name: str
    title: str
    kind: Kind
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    train_count: int
    test_count: int
    origin: str
    default_model: str
    validation_count: int = 0
    importable: bool = False
    is_installed: bool = False
    vocabulary: int = 0
    task: Task = "classification"
    targets: tuple[str, ...] = ()
    class_count: int = 0
    licence: str = "unknown"
    source: str = ""
    size: int = 0
    download_bytes: int = 0

    @property
    def num_classes(self) -> int:
        """How many classes there are, none in a regression."""
        return len(self.classes) or self.class_count

    def describes(self, spec: DatasetSpec) -> bool:
        """Whether `spec` is of this dataset, as far as the catalogue knows it."""
        known = (self.name, self.kind, self.shape, self.vocabulary, self.task, self.targets)
        found = (spec.name, spec.kind, spec.shape, spec.vocabulary, spec.task, spec.targets)
        return known == found and (
            spec.classes == self.classes if self.classes else len(spec.classes) == self.class_count
        )
