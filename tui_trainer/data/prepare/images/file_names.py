"""Names of files that stand in data: only those of files below a given folder are followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tui_trainer.core.specs import Skipped
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.source import Indices

OUTSIDE = "it leads out of the folder"
_NO_NAME = "no file can have this name"

_SHOWN_LENGTH = 300


def show_name(name: str) -> str:
    """A name of a file as it is shown to people."""
    return sanitize(name, limit=_SHOWN_LENGTH)


def keep_inside(root: Path, names: Sequence[str]) -> tuple[Indices, tuple[Skipped, ...]]:
    """Which of the named files, relative to `root`, are regular files in it, links resolved.

    Their places in `names` come back, int64, and why the others are not among them.
    """
    base = os.path.realpath(root)
    folders: dict[str, str] = {}
    kept, skipped = [], []
    for number, name in enumerate(names):
        folder = os.path.dirname(name)
        if folder not in folders:
            folders[folder] = _why_outside(base, os.path.join(base, folder))
        reason = folders[folder] or why_not_file(base, name)
        if reason:
            skipped.append(Skipped(name=show_name(name), reason=reason))
        else:
            kept.append(number)
    return np.array(kept, np.int64), tuple(skipped)


def name_missing(names: Sequence[str], kept: Indices, left_out: Sequence[Skipped]) -> list[str]:
    """The names that may come to be files, of those that `keep_inside` did not keep."""
    is_kept_N = np.zeros(len(names), np.bool_)
    is_kept_N[kept] = True
    others = np.flatnonzero(~is_kept_N).tolist()
    return [
        names[number]
        for number, one in zip(others, left_out, strict=True)
        if one.reason not in (OUTSIDE, _NO_NAME)
    ]


def why_not_file(base: str, name: str) -> str:
    """Why a name in a folder that is known to be inside is not taken; empty if it is.

    `base` is the resolved path of the folder that must not be left.
    """
    path = os.path.join(base, name)
    try:
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            if reason := _why_outside(base, path):
                return reason
            mode = os.stat(path).st_mode
    except OSError as error:
        return f"it cannot be opened: {error.strerror}"
    except ValueError:
        return _NO_NAME
    if not stat.S_ISREG(mode):
        return "it is not a regular file"
    return ""


def _why_outside(base: str, path: str) -> str:
    try:
        resolved = os.path.realpath(path)
        is_inside = os.path.commonpath([base, resolved]) == base
    except (OSError, ValueError):
        return _NO_NAME
    return "" if is_inside else OUTSIDE
