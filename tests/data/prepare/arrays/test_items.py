"""A user's own class gives images, features or tokens, in any usual form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.data.prepare.reading import Read, read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.arrays.items import open_items
from tui_trainer.data.prepare.source import Source
from tui_trainer.errors import DatasetError

PLAIN = PreparationConfig()


class Items:
    """Gives a list of items; an exception among them is raised."""

    def __init__(self, items: Sequence[Any], **attributes: Any) -> None:
        self._items = items
        self.__dict__.update(attributes)

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, number: int) -> Any:
        item = self._items[number]
        if isinstance(item, Exception):
            raise item
        return item


def open_list(items: Sequence[Any], preparation: PreparationConfig = PLAIN, **named: Any) -> Source:
    return open_items({"": Items(items, **named)}, title="own.py:Items", preparation=preparation)


def read_list(items: Sequence[Any], **settings: Any) -> tuple[Source, Read]:
    source = open_list(items, PreparationConfig(**settings))
    return source, read_all(source)


_GRAY = np.arange(20, dtype=np.uint8).reshape(4, 5)
_RGB = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
_AS_IMAGES: dict[str, tuple[Any, Any]] = {
    "gray-array": (_GRAY, _GRAY[None]),
    "gray-picture": (Image.fromarray(_GRAY), _GRAY[None]),
    "channels-first": (_RGB, _RGB),
    "channels-last": (_RGB.transpose(1, 2, 0), _RGB),
    "picture": (Image.fromarray(_RGB.transpose(1, 2, 0)), _RGB),
    "tensor": (torch.from_numpy(_RGB), _RGB),
    "float-tensor": (torch.from_numpy(_RGB) / 255, _RGB),
    "bfloat16": ((torch.from_numpy(_GRAY) * 12 / 255).bfloat16(), None),
}


@pytest.mark.parametrize("form", _AS_IMAGES)
def test_images_in_any_form(form: str) -> None:
    given, expected = _AS_IMAGES[form]
    source, read = read_list([(given, 0), (given, 1), (given, 0)])
    assert source.facts.kind == "image"
    if expected is not None:
        assert np.array_equal(read.inputs, [expected] * 3)
    assert read.labels.tolist() == [0, 1, 0]


def test_images_are_brought_to_a_size() -> None:
    items = [(Image.new("RGB", (n + 8, n + 9)), n % 2) for n in range(4)]
    _, read = read_list(items, size=4, color="gray")
    assert read.inputs.shape == (4, 1, 4, 4)
    items = [(np.zeros((n + 8, n + 9, 3), np.uint8), n % 2) for n in range(4)]
    assert read_list(items, size=4)[1].inputs.shape == (4, 3, 4, 4)


def test_features_and_numbers_to_learn() -> None:
    items = [([0.5, n], n / 2) for n in range(1200)]
    source, read = read_list(items)
    assert source.facts.task == "regression"
    assert np.array_equal(read.inputs, np.array([x for x, _ in items], np.float32))
    assert read.labels[:, 0].tolist() == [n / 2 for n in range(1200)]


def test_tokens_are_trimmed_and_cut() -> None:
    texts = [[3, 9, 2, 0, 0], [5], [1, 2, 3, 4, 5, 6], [0, 0], [1, 0, 2], [-1, 2], [7, 7]]
    items = [(torch.tensor(text), "ab"[n % 2]) for n, text in enumerate(texts)]
    source, read = read_list(items, max_length=4)
    assert source.facts.kind == "tokens"
    assert source.facts.shape == (4,)
    assert source.facts.vocabulary == 10
    assert read.texts == [[3, 9, 2], [5], [1, 2, 3, 4], [7, 7]]
    assert list(read.reasons) == ["[3]", "[4]", "[5]"]


@pytest.mark.parametrize(
    ("labels", "task", "classes", "expected"),
    [
        (["b", "a", "b"], "classification", ("a", "b"), [1, 0, 1]),
        ([5, np.int64(-2), torch.tensor(5)], "classification", ("-2", "5"), [1, 0, 1]),
        ([True, False, True], "classification", ("0", "1"), [1, 0, 1]),
        ([1, 2.5, np.float32(0)], "regression", (), [[1], [2.5], [0]]),
        (
            [[1, 0], np.array([1, 1]), torch.tensor([0, 1])],
            "multilabel",
            ("the dataset 0", "the dataset 1"),
            [[1, 0], [1, 1], [0, 1]],
        ),
        ([(0.5, 1.0), (1.5, 2.0), (2.5, 3.0)], "regression", (), [[0.5, 1], [1.5, 2], [2.5, 3]]),
    ],
)
def test_labels_in_any_form(
    labels: Sequence[Any], task: str, classes: tuple[str, ...], expected: list[Any]
) -> None:
    source, read = read_list([([0.5, 1.0], label) for label in labels])
    assert source.facts.task == task
    assert source.facts.classes == classes
    assert read.labels.tolist() == expected


def test_the_class_names_its_classes() -> None:
    items = [([0.5], 1), ([0.5], 0), ([0.5], 2)]
    source = open_list(items, classes=["ant", "bee"])
    assert source.facts.classes == ("ant", "bee")
    assert read_all(source).reasons == {"[2]": "its label '2' is not one of the 2 classes"}


def test_instances_by_split_give_the_splits() -> None:
    instances = {
        "test": Items([([2.0], 1), ([3.0], 0)]),
        "train": Items([([0.0], 0), ([1.0], 1), ValueError("bad\x1b[2J luck")]),
    }
    source = open_items(instances, title="own.py:Items", preparation=PLAIN)
    read = read_all(source)
    assert source.splits_N is not None
    assert source.splits_N.tolist() == [0, 0, 1, 1]
    assert read.inputs.tolist() == [[0], [1], [2], [3]]
    assert read.reasons == {"train[2]": "ValueError: bad luck"}
    with pytest.raises(DatasetError, match="no splits called train and test"):
        open_items({"train": instances["train"]}, title="own", preparation=PLAIN)


class Lazy(Exception):
    """What a user's own code may raise."""


UNFIT: dict[str, tuple[Any, str]] = {
    "raises": (Lazy("no\nfile"), "Lazy: no file"),
    "no-pair": ([0.5], "no pair of input and label but list"),
    "nothing": (None, "no pair of input and label but NoneType"),
    "text": (("text", 1), "no image, array or tensor but str"),
    "objects": ((np.array([None]), 1), "an array of object"),
    "no-values": ((np.zeros(0), 1), "an array of float64"),
    "other-shape": (([0.5, 1.0, 2.0], 1), "it is 3, where the first is 2"),
    "other-kind": ((np.zeros((4, 4)), 1), "of another kind than the first: array"),
    "too-large": ((np.zeros(9 << 20), 1), "takes more than 64 MiB"),
    "not-finite": (([0.5, float("nan")], 1), "its feature 1 is nan"),
    "no-label": (([0.5, 1.0], None), "its label is no number or text but NoneType"),
    "empty-label": (([0.5, 1.0], []), "its label is no list of numbers"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_an_item_that_cannot_be_used_is_set_aside(case: str) -> None:
    item, words = UNFIT[case]
    _, read = read_list([([0.5, 1.0], 0), ([0.5, 2.0], 1), item, ([0.5, 3.0], 0)])
    assert list(read.reasons) == ["[2]"]
    assert words in read.reasons["[2]"]
    assert read.inputs[:, 1].tolist() == [1, 2, 3]


class Moody(Items):
    """Gives another label each time."""

    asked = 0

    def __getitem__(self, number: int) -> Any:
        Moody.asked += 1
        return [0.5], Moody.asked


REFUSED: dict[str, tuple[Callable[[], Source], str]] = {
    "no-dataset": (
        lambda: open_items({"": 5}, title="own", preparation=PLAIN),
        "does not tell how many samples it has: TypeError",
    ),
    "no-items": (lambda: open_items({"": set()}, title="own", preparation=PLAIN), "gives no sam"),
    "empty": (lambda: open_list([]), "no sample that can be used"),
    "only-errors": (lambda: open_list([Lazy("broken")]), "Lazy: broken"),
    "mixed-labels": (lambda: open_list([([0.5], 1), ([0.5], "a")]), "different kinds: int and tex"),
    "mixed-lengths": (lambda: open_list([([0.5], [1]), ([0.5], [1, 0])]), "different kinds: list"),
    "huge-label": (lambda: open_list([([0.5], 10**30), ([0.5], 1)]), "too large a number"),
    "one-class": (lambda: open_list([([0.5], "a")] * 3), "only one class"),
    "bad-classes": (lambda: open_list([([0.5], 1)], classes="ab"), "no list of names"),
    "same-classes": (lambda: open_list([([0.5], 1)], classes=["a", "a"]), "names a class twice"),
    "no-pixels": (lambda: open_list([(np.full((4, 4), -3.0), n) for n in (0, 1)]), "-3 to -3"),
    "moody": (
        lambda: open_items({"": Moody([0] * 3)}, title="own", preparation=PLAIN),
        "another label each time",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_class_that_gives_nothing_to_learn_is_refused(case: str) -> None:
    make, words = REFUSED[case]
    with pytest.raises(DatasetError) as caught:
        read_all(make())
    assert words in caught.value.message
    assert caught.value.hint
