"""Sources from arrays in files: inputs and labels of each split, read slice by slice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import Skipped
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.arrays.forms import (
    NO_RANGE,
    ArrayForm,
    choose_form,
    choose_layout,
    needs_range,
)
from tui_trainer.data.prepare.arrays.pairs import Pair, StoredArray, check_pairs
from tui_trainer.data.prepare.source import SPLITS, Block, Facts, ReadTask, ReadySource, Source
from tui_trainer.data.prepare.tables.columns import clean_names
from tui_trainer.data.prepare.tables.label_columns import LabelColumn
from tui_trainer.data.prepare.tables.label_meaning import (
    Guess,
    Meaning,
    settle_column,
    settle_columns,
)
from tui_trainer.errors import DatasetError

_BLOCK_BYTES = 4 << 20
_MAX_SAMPLE_BYTES = 32 << 20
_BLOCK_SAMPLES = 512
_TABLE_SAMPLES = 4096
_LABEL_ROWS = 1 << 16
_MAX_TARGETS = 1000


def open_arrays(
    pairs: Sequence[Pair],
    *,
    title: str,
    origin: str,
    stamps: Mapping[str, tuple[int, int]],
    preparation: PreparationConfig,
) -> Source:
    """Samples and labels of arrays as a source.

    Raises:
        DatasetError: they do not fit together, or nothing can be learnt from them.
    """
    check_pairs(pairs)
    form, note = _choose_form(pairs, preparation)
    meaning = read_labels([pair.labels for pair in pairs], preparation)
    counts = [pair.inputs.shape[0] for pair in pairs]
    names = [(pair.inputs.name, count) for pair, count in zip(pairs, counts, strict=True)]
    kept_N = np.ones(sum(counts), np.bool_)
    kept_N[list(meaning.bad)] = False
    splits = [
        np.full(n, SPLITS.index(p.split) if p.split else 0, np.int8)
        for p, n in zip(pairs, counts, strict=True)
    ]
    return ReadySource(
        facts=Facts(
            kind=form.kind,
            task=meaning.task,
            shape=form.shape,
            title=sanitize(title, limit=200),
            origin="; ".join(filter(None, (origin, note))),
            classes=meaning.classes,
            targets=meaning.targets,
        ),
        labels_N=meaning.labels_N[kept_N],
        read=partial(_make_tasks, tuple(pairs), form, kept_N),
        splits_N=np.concatenate(splits)[kept_N] if pairs[0].split else None,
        skipped=tuple(
            Skipped(name=_name_sample(names, number), reason=reason)
            for number, reason in sorted(meaning.bad.items())
        ),
        stamps=stamps,
    )


def read_labels(arrays: Sequence[StoredArray], preparation: PreparationConfig) -> Meaning:
    """What the labels in arrays mean: whole numbers and texts are classes, others numbers.

    Raises:
        DatasetError: they are no labels.
    """
    first = arrays[0]
    width = math.prod(first.shape[1:])
    if len(first.shape) > 2 or not 0 < width <= _MAX_TARGETS:
        raise DatasetError(
            f"The labels in {first.name} have the shape {_show_shape(first.shape)}.",
            f"Give N of them, or N×K with K up to {_MAX_TARGETS}.",
        )
    # A text such as NA may be a class: whoever writes an array has other ways to leave one out.
    columns = [LabelColumn(missing=frozenset({""})) for _ in range(width)]
    for array in arrays:
        row_bytes = max(1, array.dtype.itemsize * width)
        rows = max(1, min(_LABEL_ROWS, _BLOCK_BYTES // row_bytes))
        for start in range(0, array.shape[0], rows):
            values = array.read(start, min(start + rows, array.shape[0]))
            if not isinstance(values, np.ndarray):
                columns[0].add([text.strip() for text in values])
                continue
            for column, part in zip(columns, values.reshape(len(values), -1).T, strict=True):
                column.add(part)
        array.close()
    name, wanted = first.name.rsplit("/", 1)[-1], preparation.task
    if width == 1 and wanted != "multilabel":
        usable_N = np.ones(sum(array.shape[0] for array in arrays), np.bool_)
        guess: Guess = "numbers" if first.dtype.kind == "f" else "classes"
        return settle_column(
            columns[0], usable_N, name=name, wanted=wanted, guess=guess, names=first.classes
        )
    names = first.classes or [f"{name} {place}" for place in range(width)]
    if len(names) != width:
        raise DatasetError(
            f"{first.name} has {width} columns and {len(names)} names of classes.",
            "Give as many of the one as of the other.",
        )
    if wanted == "auto" and first.dtype.kind != "f":
        wanted = "multilabel"
    elif wanted == "auto":
        wanted = "regression"
    return settle_columns(columns, clean_names(names), wanted)


def _choose_form(pairs: Sequence[Pair], preparation: PreparationConfig) -> tuple[ArrayForm, str]:
    first = pairs[0].inputs
    sample = first.shape[1:]
    layout = choose_layout(sample, first.name)
    if math.prod(sample) * first.dtype.itemsize > _MAX_SAMPLE_BYTES:
        raise DatasetError(
            f"One sample of {first.name} takes more than {_MAX_SAMPLE_BYTES >> 20} MiB.",
            "Make the images smaller, or their values bytes.",
        )
    values, dtype = NO_RANGE, first.dtype
    for pair in pairs:
        if needs_range(layout, pair.inputs.dtype):
            dtype = pair.inputs.dtype
            for start, stop in _slices(pair.inputs):
                part = pair.inputs.read(start, stop)
                assert isinstance(part, np.ndarray)
                values = values.including(part)
    if len({pair.inputs.dtype for pair in pairs}) > 1 and layout != "features":
        raise DatasetError(
            f"{first.name} is not of the same type in all splits.", "Give images of one type."
        )
    return choose_form(sample, layout, dtype, values, preparation, first.name)


def _slices(inputs: StoredArray) -> Iterator[tuple[int, int]]:
    """Where blocks begin and end: few samples at a time, in steps that suit the file."""
    count, sample = inputs.shape[0], inputs.shape[1:]
    # What is read, and what it becomes: float32 for each number at most.
    sample_bytes = max(4, inputs.dtype.itemsize) * math.prod(sample)
    most = _TABLE_SAMPLES if len(sample) < 2 else _BLOCK_SAMPLES
    samples = max(1, min(most, _BLOCK_BYTES // max(1, sample_bytes)))
    if 1 < inputs.step <= 2 * samples:
        samples = max(1, samples // inputs.step) * inputs.step
    for start in range(0, count, samples):
        yield start, min(start + samples, count)


def _make_tasks(
    pairs: Sequence[Pair], form: ArrayForm, kept_N: npt.NDArray[np.bool_]
) -> Iterator[ReadTask]:
    begin = number = 0
    for pair in pairs:
        for start, stop in _slices(pair.inputs):
            kept_B = kept_N[begin + start : begin + stop]
            if kept_B.any():
                yield partial(_read_slice, pair.inputs, form, start, kept_B.copy(), number)
            number += int(kept_B.sum())
        begin += pair.inputs.shape[0]


def _read_slice(
    inputs: StoredArray, form: ArrayForm, start: int, kept_B: npt.NDArray[np.bool_], first: int
) -> Block:
    samples = inputs.read(start, start + len(kept_B))
    if start + len(kept_B) == inputs.shape[0]:
        inputs.close()
    assert isinstance(samples, np.ndarray)
    kept = np.flatnonzero(kept_B)
    converted, bad = form.convert(samples[kept])
    usable_B = np.ones(len(kept), np.bool_)
    usable_B[list(bad)] = False
    skipped = tuple(
        Skipped(name=f"{inputs.name}[{start + int(kept[place])}]", reason=reason)
        for place, reason in bad.items()
    )
    return Block(
        (first + np.flatnonzero(usable_B)).astype(np.int64), converted[usable_B], skipped=skipped
    )


def _name_sample(names: Sequence[tuple[str, int]], number: int) -> str:
    for name, count in names:
        if number < count:
            return f"{name}[{number}]"
        number -= count
    raise IndexError(number)


def _show_shape(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
