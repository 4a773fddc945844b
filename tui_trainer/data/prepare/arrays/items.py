"""Sources from a user's own class: whatever gives a sample and its label by number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.format import format_count
from tui_trainer.core.specs import INPUT_DTYPES, Skipped
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.arrays.array_source import read_labels
from tui_trainer.data.prepare.arrays.forms import NO_RANGE, ValueRange
from tui_trainer.data.prepare.arrays.item_samples import (
    MAX_VOCABULARY,
    Label,
    SampleForm,
    UnfitSampleError,
    choose_sample_form,
    family_of,
    read_item,
    trim_tokens,
    widen_range,
)
from tui_trainer.data.prepare.arrays.pairs import MAX_SAMPLES
from tui_trainer.data.prepare.source import (
    SPLITS,
    Block,
    Facts,
    ReadTask,
    ReadySource,
    Source,
    Stamps,
)
from tui_trainer.data.prepare.tables.label_meaning import MAX_SKIPPED, Meaning, check_skipped
from tui_trainer.errors import DatasetError

_BLOCK_BYTES = 4 << 20
_BLOCK_SAMPLES = 512
_REASON_LENGTH = 200
_ORDER = ("", *SPLITS)


@dataclass(frozen=True, slots=True)
class _Listed:
    """A sample that can be used: of which split, its number there, its label."""

    split: str
    number: int
    label: Label


def open_items(
    instances: Mapping[str, Any],
    *,
    title: str,
    preparation: PreparationConfig,
    stamps: Stamps | None = None,
) -> Source:
    """The samples of a user's own datasets, by their split; of one that has none, as `""`.

    Each has `__len__` and `__getitem__`, which gives an input and its label: an image of Pillow,
    bytes or floats H×W, H×W×C or C×H×W, floats F, or tokens as whole numbers from 1 on; and a
    whole number or text (a class), a float (a number), or several of either. What the classes are
    called may stand in an attribute `classes`. All samples are asked for twice, in order, in this
    process.

    Raises:
        DatasetError: they are no datasets, or nothing can be learnt from them.
    """
    splits = sorted(instances, key=_ORDER.index)
    if splits != [""] and not {"train", "test"} <= set(splits):
        raise DatasetError(
            f"{title} gives no splits called train and test.", "Give both, or one dataset."
        )
    look = _FirstLook(preparation)
    for split in splits:
        look.through(split, instances[split], title)
    listed, skipped, form, note, vocabulary = look.finish(title)
    labels = _LabelList([one.label for one in listed], _read_classes(instances.values(), title))
    meaning = read_labels([labels], preparation)
    listed, labels_N, unlabelled = _leave_out(listed, meaning)
    splits_N = np.array([SPLITS.index(one.split or "train") for one in listed], np.int8)
    return ReadySource(
        facts=Facts(
            kind=form.kind,
            task=meaning.task,
            shape=form.shape,
            title=sanitize(title, limit=_REASON_LENGTH),
            origin="; ".join(filter(None, (sanitize(title, limit=_REASON_LENGTH), note))),
            classes=meaning.classes,
            targets=meaning.targets,
            vocabulary=vocabulary,
        ),
        labels_N=labels_N,
        read=partial(_make_tasks, instances, listed, form, title),
        splits_N=None if splits == [""] else splits_N,
        skipped=(*skipped, *unlabelled),
        stamps=stamps.few if stamps else {},
        files=stamps.files if stamps else {},
    )


class _FirstLook:
    """Looks at every sample once: what it is, and what its label is."""

    def __init__(self, preparation: PreparationConfig) -> None:
        self._preparation = preparation
        self._listed: list[_Listed] = []
        self._skipped: list[Skipped] = []
        self._values: ValueRange = NO_RANGE
        self._first: Any = None
        self._form: SampleForm | None = None
        self._largest_token = 1

    def through(self, split: str, instance: Any, title: str) -> None:
        """Look at all samples of one dataset.

        Raises:
            DatasetError: it is none.
        """
        for number in range(_length_of(instance, title)):
            try:
                sample, label = _ask(instance, number)
                self._note(sample)
            except UnfitSampleError as error:
                # One more than is allowed says that it is too much; memory stays bounded.
                if len(self._skipped) <= MAX_SKIPPED:
                    self._skipped.append(_skip(split, number, error))
                continue
            self._listed.append(_Listed(split, number, label))

    def finish(self, title: str) -> tuple[list[_Listed], list[Skipped], SampleForm, str, int]:
        """Samples that can be used, others, the form of all, what is told of it, the vocabulary."""
        if not self._listed:
            told = f": {self._skipped[0].name}: {self._skipped[0].reason}" if self._skipped else ""
            raise DatasetError(f"{title} has no sample that can be used{told}.", "Mend the class.")
        if self._skipped:
            check_skipped(len(self._skipped), self._skipped[0].reason)
        form, note = choose_sample_form(self._first, self._values, self._preparation)
        vocabulary = self._largest_token + 1 if form.kind == "tokens" else 0
        return self._listed, self._skipped, form, note, vocabulary

    def _note(self, sample: Any) -> None:
        if self._form is None:
            # Only the shape counts until the range of the values is known.
            guessed = ValueRange(0, 1)
            self._form, _ = choose_sample_form(sample, guessed, self._preparation)
            self._first = sample
        self._form.check(sample)
        if family_of(sample) == "tokens":
            tokens = trim_tokens(sample, self._preparation.max_length)
            self._largest_token = max(self._largest_token, int(tokens.max()))
            assert self._largest_token < MAX_VOCABULARY
        self._values = widen_range(self._values, sample)


class _LabelList:
    """Labels in memory, as `read_labels` takes them."""

    name = "the dataset"
    step = 1

    def __init__(self, labels: Sequence[Label], classes: tuple[str, ...]) -> None:
        """Raises `DatasetError` where they are of different kinds."""
        self.classes = classes
        kinds = {_label_kind(label) for label in labels}
        if kinds == {"number", "int"}:
            kinds = {"number"}
        if len(kinds) > 1:
            shown = " and ".join(sorted(kinds))
            raise DatasetError(f"The labels are of different kinds: {shown}.", "Give one kind.")
        self._texts = [str(label) for label in labels] if kinds == {"text"} else None
        self._values = np.zeros(len(labels)) if self._texts else np.array(labels)
        self.shape = self._values.shape
        self.dtype = np.dtype("U1") if self._texts else self._values.dtype
        if self.dtype.kind == "O":
            raise DatasetError("A label is too large a number.", "Number classes from 0 on.")

    def read(self, start: int, stop: int) -> npt.NDArray[Any] | Sequence[str]:
        """Labels from `start` to `stop`."""
        return self._values[start:stop] if self._texts is None else self._texts[start:stop]

    def close(self) -> None:
        """There is no file."""


def _label_kind(label: Label) -> str:
    if isinstance(label, tuple):
        return f"list of {len(label)}"
    if isinstance(label, str):
        return "text"
    return "int" if isinstance(label, int) else "number"


def _length_of(instance: Any, title: str) -> int:
    try:
        count = len(instance)
    except Exception as error:  # a user's own code may raise anything
        raise DatasetError(
            f"{title} does not tell how many samples it has: {_tell(error)}.",
            "Give the class __len__ and __getitem__.",
        ) from error
    if not hasattr(instance, "__getitem__"):
        raise DatasetError(f"{title} gives no samples.", "Give the class __getitem__.")
    if count > MAX_SAMPLES:
        raise DatasetError(
            f"{title} has more than {format_count(MAX_SAMPLES)} samples.", "Take a part of it."
        )
    return count


def _ask(instance: Any, number: int) -> tuple[Any, Label]:
    try:
        item = instance[number]
    except Exception as error:  # a user's own code may raise anything
        raise UnfitSampleError(_tell(error)) from error
    return read_item(item)


def _tell(error: Exception) -> str:
    return sanitize(f"{type(error).__name__}: {error}", limit=_REASON_LENGTH)


def _read_classes(instances: Any, title: str) -> tuple[str, ...]:
    classes = next((one.classes for one in instances if hasattr(one, "classes")), ())
    if not isinstance(classes, (list, tuple)) or not all(isinstance(c, str) for c in classes):
        raise DatasetError(
            f"The attribute classes of {title} is no list of names.", "Give a list of str."
        )
    if len(set(classes)) != len(classes):
        raise DatasetError(f"{title} names a class twice.", "Give each a name of its own.")
    return tuple(classes)


def _leave_out(
    listed: list[_Listed], meaning: Meaning
) -> tuple[list[_Listed], npt.NDArray[Any], list[Skipped]]:
    """Samples whose label means something, their labels, and the others."""
    kept = [number for number in range(len(listed)) if number not in meaning.bad]
    skipped = [
        Skipped(name=_name(listed[number].split, listed[number].number), reason=reason)
        for number, reason in sorted(meaning.bad.items())
    ]
    return [listed[number] for number in kept], meaning.labels_N[kept], skipped


def _skip(split: str, number: int, error: UnfitSampleError) -> Skipped:
    return Skipped(name=_name(split, number), reason=error.reason)


def _name(split: str, number: int) -> str:
    return f"{split}[{number}]" if split else f"[{number}]"


def _make_tasks(
    instances: Mapping[str, Any], listed: Sequence[_Listed], form: SampleForm, title: str
) -> Iterator[ReadTask]:
    sample_bytes = 4 * math.prod(form.shape)
    samples = max(1, min(_BLOCK_SAMPLES, _BLOCK_BYTES // sample_bytes))
    for first in range(0, len(listed), samples):
        yield partial(_read_items, instances, listed[first : first + samples], first, form, title)


def _read_items(
    instances: Mapping[str, Any],
    listed: Sequence[_Listed],
    first: int,
    form: SampleForm,
    title: str,
) -> Block:
    inputs, numbers, skipped = [], [], []
    for place, one in enumerate(listed):
        try:
            sample, label = _ask(instances[one.split], one.number)
            if label != one.label:
                raise DatasetError(
                    f"{title} gives {_name(one.split, one.number)} another label each time.",
                    "Let a number always stand for the same sample.",
                )
            inputs.append(form.convert(sample))
            numbers.append(first + place)
        except UnfitSampleError as error:
            skipped.append(_skip(one.split, one.number, error))
    numbers_B = np.array(numbers, np.int64)
    dtype = INPUT_DTYPES[form.kind]
    if form.kind == "tokens":
        lengths_B = np.array([len(tokens) for tokens in inputs], np.int64)
        flat = np.concatenate([np.empty(0, dtype), *inputs])
        return Block(numbers_B, flat, lengths_B, tuple(skipped))
    filled = np.stack(inputs) if inputs else np.empty((0, *form.shape), dtype)
    return Block(numbers_B, filled, skipped=tuple(skipped))
