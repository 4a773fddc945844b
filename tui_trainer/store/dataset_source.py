"""Whether what a dataset was prepared from is still there."""

from __future__ import annotations

import os

from tui_trainer.core.code_names import parse_code_name
from tui_trainer.core.dataset_reference import FILE_FORMATS, parse_reference
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import TuitrainError


def missing_sources(spec: DatasetSpec) -> list[str]:
    """The files and folders named by what a dataset was prepared from that are gone.

    What was prepared stays good. Of a dataset of the catalogue nothing is needed any more.
    """
    if spec.source is None:
        return []
    try:
        parts = parse_reference(spec.source.reference)
    except TuitrainError:
        # It names nothing that could be gone.
        return []
    named = [part.name for part in parts if part.format in FILE_FORMATS]
    code = [parse_code_name(part.name) for part in parts if part.format == "code"]
    named += [name.source for name in code if name.is_file]
    return [path for path in named if _is_gone(path)]


def _is_gone(path: str) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        # It may not be looked at, which does not say that it is gone.
        return False
    return False
