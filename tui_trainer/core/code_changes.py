"""Uncommitted changes in a few words."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from tui_trainer.core.format import format_counted
from tui_trainer.core.run_record import GitState

_HASH_DIGITS = 8


@lru_cache(64)
def describe_changes(git: GitState) -> str:
    """`none`, or the changes' hash and how many files and lines they touch.

    Equal descriptions are equal changes as far as they were kept.
    """
    if not git.dirty:
        return "none"
    files, added, removed = count_changes(git.diff)
    digest = hashlib.sha256(git.diff.encode(errors="replace")).hexdigest()[:_HASH_DIGITS]
    cut = ", cut" if git.diff_truncated else ""
    return f"{digest} · {format_counted(files, 'file')} +{added} −{removed}{cut}"


def count_changes(diff: str) -> tuple[int, int, int]:
    """The files of a unified diff, and the lines it adds and removes."""
    files = added = removed = 0
    is_header = True
    for line in diff.split("\n"):
        if line.startswith("diff --git "):
            files += 1
            is_header = True
        elif line.startswith("@@"):
            is_header = False
        elif not is_header:
            added += line.startswith("+")
            removed += line.startswith("-")
    return files, added, removed
