"""The files that a user's own class says it reads."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import DatasetError

ATTRIBUTE = "source_files"
_TITLE_LENGTH = 200


def read_source_files(instances: Iterable[Any], title: str) -> list[str]:
    """The absolute paths in the attribute `source_files` of datasets; of one without it, none.

    Relative ones begin at the working folder, as they do when a file is opened.

    Raises:
        DatasetError: the attribute is no list of paths.
    """
    paths: list[str] = []
    for instance in instances:
        named = getattr(instance, ATTRIBUTE, ())
        if not isinstance(named, (list, tuple)) or not all(
            isinstance(path, (str, os.PathLike)) for path in named
        ):
            raise DatasetError(
                f"The attribute {ATTRIBUTE} of {sanitize(title, limit=_TITLE_LENGTH)} is no list "
                "of paths.",
                "Give a list of str or pathlib.Path.",
            )
        paths += [os.path.abspath(os.fsdecode(path)) for path in named]
    return paths
