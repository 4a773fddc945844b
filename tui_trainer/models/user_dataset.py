"""A user's own class of samples."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from tui_trainer.errors import DatasetError
from tui_trainer.models.user_code import LoadedCode, explained

WHOLE = ""
"""The name under which samples go that are of no split."""

_SPLITS = ("train", "test")


def build_user_samples(loaded: LoadedCode) -> Mapping[str, Any]:
    """What the class or function makes, by split; by `WHOLE` where it knows of no splits.

    It is called with `split="train"` and `split="test"` if it has a parameter of that name, with
    `train=True` and `train=False` if it has that, else without arguments.

    Raises:
        DatasetError: it cannot be called so, or raises.
    """
    make = loaded.object
    if not callable(make):
        if hasattr(make, "__getitem__") and hasattr(make, "__len__"):
            return {WHOLE: make}
        raise DatasetError(
            f"The {loaded.title} is neither a class nor a function nor a list of samples.",
            "Name a class with __len__ and __getitem__.",
        )
    names = _parameters(loaded)
    if "split" in names:
        calls: dict[str, dict[str, Any]] = {split: {"split": split} for split in _SPLITS}
    elif "train" in names:
        calls = {split: {"train": split == "train"} for split in _SPLITS}
    else:
        calls = {WHOLE: {}}
    with explained(loaded.title, loaded.path, "when it is built", DatasetError):
        return {split: make(**arguments) for split, arguments in calls.items()}


def _parameters(loaded: LoadedCode) -> set[str]:
    """The names of its parameters that an argument can be given by."""
    try:
        parameters = inspect.signature(loaded.object).parameters.values()
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f"The {loaded.title} does not show its parameters.",
            "Name a function of your own that calls it.",
        ) from error
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for p in parameters:
        if p.default is p.empty and p.name not in ("split", "train") and p.kind not in variable:
            raise DatasetError(
                f"The {loaded.title} needs a value for {p.name}, which tuitrain does not know.",
                "Give it a default; what is given by name is split or train.",
            )
    return {p.name for p in parameters if p.kind is not inspect.Parameter.POSITIONAL_ONLY}
