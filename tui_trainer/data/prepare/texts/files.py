"""`text:PATH`: texts with their labels, encoded by a vocabulary of their own.

Three passes over the files: the labels, from which the splits follow; the words of the training
texts, from which the vocabulary follows; and the texts themselves. None holds more than a few.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import Skipped
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.images.file_names import show_name
from tui_trainer.data.prepare.images.listing import class_name
from tui_trainer.data.prepare.source import (
    SPLITS,
    AnyLabels,
    Block,
    Facts,
    ReadTask,
    ReadySource,
    Source,
)
from tui_trainer.data.prepare.texts.labels import LabelRule, choose_rule
from tui_trainer.data.prepare.texts.layout import Part, find_layout
from tui_trainer.data.prepare.texts.records import Record
from tui_trainer.data.prepare.texts.tokenizer import (
    VOCABULARY_FILE,
    Tokenizer,
    WordCounter,
    has_words,
)
from tui_trainer.data.split import split_off
from tui_trainer.errors import DatasetError

# By the labels of so many texts it is told what they mean, where nobody says so.
_LOOKED_AT = 1000
_BLOCK_TEXTS = 512
_BLOCK_CHARACTERS = 1 << 21
# Skipped samples are kept in memory, each with its name.
_MOST_SKIPPED = 200_000
_LENGTH = 200


def open_text(path: Path, preparation: PreparationConfig) -> Source:
    """Texts as a source of tokens, with `vocabulary.json`.

    A file `.csv`, `.tsv`, `.jsonl` (one object on each line) or `.parquet`, a folder of such
    files called `train`, `test` and perhaps `validation`, whose splits then count, or a folder of
    classes, each a folder of `.txt` files, perhaps in folders of splits.

    Raises:
        DatasetError: there are no texts, it cannot be told what their labels are, a file as a
            whole cannot be read, or nothing can be learnt from it.
    """
    layout = find_layout(path, preparation)
    texts = _Texts(layout.parts, _choose_rule(layout.parts, preparation))
    listing = _list_texts(path, texts, layout.skipped)
    labels = texts.rule.finish()
    splits_N = _choose_splits(listing.splits_N, labels.labels_N, preparation)
    tokenizer = _count_words(texts, splits_N, preparation)
    origins = dict.fromkeys(part.reader.origin for part in layout.parts)
    return ReadySource(
        facts=Facts(
            kind="tokens",
            task=texts.rule.task,
            shape=(preparation.max_length,),
            title=class_name(str(path.absolute())) or "texts",
            origin="; ".join(origins),
            classes=labels.classes,
            targets=labels.targets,
            vocabulary=tokenizer.vocabulary,
        ),
        labels_N=labels.labels_N,
        read=partial(_make_tasks, path, texts, tokenizer, len(splits_N)),
        splits_N=splits_N,
        skipped=listing.skipped,
        stamps=layout.stamps.few,
        files={VOCABULARY_FILE: tokenizer.save(), **layout.stamps.files},
    )


class _Sample(NamedTuple):
    """A text that can be used, its label as its rule understands it, and its part's split."""

    text: str
    label: Any
    split: str


@dataclass(frozen=True)
class _Texts:
    """All texts, as often as they are asked for."""

    parts: tuple[Part, ...]
    rule: LabelRule

    def read(self) -> Iterator[_Sample | Skipped]:
        """Each text that can be used, and what cannot and why, always in the same order."""
        for part in self.parts:
            for record in part.reader.read():
                if isinstance(record, Skipped):
                    yield record
                    continue
                try:
                    label = self.rule.parse(record.labels)
                    if not has_words(record.text):
                        raise ValueError("its text is empty")
                except ValueError as error:
                    yield Skipped(name=record.name, reason=sanitize(str(error), limit=_LENGTH))
                else:
                    yield _Sample(record.text, label, part.split)


@dataclass(frozen=True)
class _Listing:
    """The splits of the texts as their files say, and what cannot be used."""

    splits_N: npt.NDArray[np.int8]
    skipped: tuple[Skipped, ...]


def _choose_rule(parts: tuple[Part, ...], preparation: PreparationConfig) -> LabelRule:
    names = parts[0].reader.label_names
    for part in parts:
        if part.reader.label_names != names:
            raise DatasetError(
                f"The {parts[0].split} and {part.split} texts have labels in different columns.",
                "Name the columns with --label, or give them the same names.",
            )
    records = (record for record in parts[0].reader.read() if isinstance(record, Record))
    first = [record.labels for record in islice(records, _LOOKED_AT)]
    return choose_rule(first, names, preparation.task)


def _list_texts(path: Path, texts: _Texts, skipped: Iterable[Skipped]) -> _Listing:
    """The first pass: every label, and what cannot be used."""
    splits, left_out = array("b"), list(skipped)
    for sample in texts.read():
        if isinstance(sample, _Sample):
            texts.rule.add(sample.label)
            splits.append(SPLITS.index(sample.split or "train"))
            continue
        left_out.append(sample)
        if len(left_out) > _MOST_SKIPPED:
            raise DatasetError(
                f"{show_name(str(path))} holds more than {_MOST_SKIPPED} texts that cannot be "
                f"read: {sample.name}: {sample.reason}.",
                "Check that it is the right file, and mend it.",
            )
    if not splits:
        first = f"; {left_out[0].name}: {left_out[0].reason}" if left_out else ""
        raise DatasetError(
            f"{show_name(str(path))} holds no text that can be used{first}.",
            "Check that it is the right file, and the columns: --inputs, --label.",
        )
    return _Listing(np.frombuffer(splits, np.int8).copy(), tuple(left_out))


def _choose_splits(
    splits_N: npt.NDArray[np.int8], labels_N: AnyLabels, preparation: PreparationConfig
) -> npt.NDArray[np.int8]:
    """The splits of the files; where there is none for testing, a share is drawn."""
    if not (splits_N == SPLITS.index("test")).any():
        _, tested = split_off(labels_N, preparation.test, preparation.seed)
        splits_N[tested] = SPLITS.index("test")
    return splits_N


def _count_words(
    texts: _Texts, splits_N: npt.NDArray[np.int8], preparation: PreparationConfig
) -> Tokenizer:
    """The second pass: the vocabulary of the training texts."""
    counter = WordCounter(preparation.vocabulary, preparation.max_length)
    samples = (sample for sample in texts.read() if isinstance(sample, _Sample))
    is_train = splits_N == SPLITS.index("train")
    # What is there no more is told in the third pass.
    for sample, is_counted in zip(samples, is_train.tolist(), strict=False):
        if is_counted:
            counter.add(sample.text)
    return counter.build()


def _make_tasks(path: Path, texts: _Texts, tokenizer: Tokenizer, count: int) -> Iterator[ReadTask]:
    """The third pass: what encodes the texts, a block each."""
    first, block, characters = 0, list[str](), 0
    for sample in texts.read():
        if isinstance(sample, Skipped):
            continue
        if len(block) == _BLOCK_TEXTS or characters + len(sample.text) > _BLOCK_CHARACTERS:
            if block:
                yield partial(_encode, tokenizer, first, tuple(block))
            first, block, characters = first + len(block), [], 0
        block.append(sample.text)
        characters += len(sample.text)
    if first + len(block) != count:
        raise DatasetError(
            f"{show_name(str(path))} was changed while it was read.", "Prepare it again."
        )
    yield partial(_encode, tokenizer, first, tuple(block))


def _encode(tokenizer: Tokenizer, first: int, texts: tuple[str, ...]) -> Block:
    tokens = [tokenizer.encode(text) for text in texts]
    return Block(
        numbers_B=np.arange(first, first + len(texts)),
        inputs=np.concatenate(tokens),
        lengths_B=np.array([len(text) for text in tokens], np.int64),
    )
