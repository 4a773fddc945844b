"""What a person probably meant by a name that is no dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tui_trainer.core.suggest import hint_for, nearest

OWN_FORMS = "folder:PATH, csv:PATH, hdf5:PATH, npz:PATH, text:PATH or path/file.py:Dataset"

_PREFIXES = ("folder", "csv", "hdf5", "npz", "text")
_PREFIX_OF_SUFFIX = {
    ".csv": "csv",
    ".tsv": "csv",
    ".csv.gz": "csv",
    ".tsv.gz": "csv",
    ".parquet": "csv",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".npz": "npz",
    ".jsonl": "text",
}
_OTHER_WORDS = {
    "table": "csv",
    "tsv": "csv",
    "parquet": "csv",
    "h5": "hdf5",
    "jsonl": "text",
    "images": "folder",
    "dir": "folder",
}
_PREPARED_NAME = re.compile(r"[a-z0-9-]+-[0-9a-f]{8}")
_LONGEST_NAMED = 200


def hint_for_dataset(text: str, known: Iterable[str]) -> str:
    """What to write instead of `text`, which is none of the datasets `known` here."""
    names = list(known)
    if text in _PREFIXES:
        return f"Name a path too, as {text}:PATH."
    if (prefix := _prefix_of_path(text)) and len(text) <= _LONGEST_NAMED:
        return f"For a path of your own write: {prefix}:{text}."
    longer = [name for name in names if text and name.startswith(f"{text}-")]
    near = longer[0] if len(longer) == 1 else nearest(text, names)
    if near is not None:
        return f"Did you mean {near}?"
    if _PREPARED_NAME.fullmatch(text):
        return (
            "Name what it was prepared from, with the same options; both are told by: "
            f"tuitrain data info {text}."
        )
    return f"{hint_for(text, names)} Your own data are named as {OWN_FORMS}."


def hint_for_prefix(prefix: str) -> str | None:
    """The kind of path that someone means who writes `prefix:PATH`; None where none is near."""
    word = prefix.lower()
    near = _OTHER_WORDS.get(word) or nearest(word, _PREFIXES)
    return f"Did you mean {near}:PATH?" if near else None


def _prefix_of_path(text: str) -> str | None:
    """The prefix of what looks like a path; None for what does not."""
    if ":" in text or "+" in text:
        return None
    for suffix, prefix in _PREFIX_OF_SUFFIX.items():
        if text.lower().endswith(suffix):
            return prefix
    return "folder" if text.startswith((".", "~")) or "/" in text.strip("/") else None
