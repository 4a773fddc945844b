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
    ".jsonl.gz": "text",
}
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".7z", ".rar")
_IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff")
_FORM_NOUNS = {
    "folder": "a folder of images",
    "csv": "a table",
    "hdf5": "an HDF5 file",
    "npz": "a file of NumPy arrays",
    "text": "a file of texts",
}
_WORDS_OF_PREFIX = {
    "folder": (
        *("images", "image", "photos", "pictures", "jpeg", "jpg", "png"),
        *("dir", "directory", "path"),
    ),
    "csv": ("table", "tsv", "parquet"),
    "hdf5": ("h5", "hdf"),
    "npz": ("numpy", "npy", "arrays"),
    "text": ("jsonl", "json", "txt"),
}
_OTHER_WORDS = {word: prefix for prefix, words in _WORDS_OF_PREFIX.items() for word in words}
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
        return "Name what it was prepared from; what is here is listed by: tuitrain data list."
    return f"{hint_for(text, names)} Your own data are named as {OWN_FORMS}."


def hint_for_prefix(prefix: str, path: str) -> str | None:
    """What someone probably means who writes `prefix:path`; None where nothing is near."""
    word = prefix.lower()
    near = _OTHER_WORDS.get(word) or nearest(word, _PREFIXES)
    return f"Did you mean {near}:{path}?" if near else None


def find_misnamed(form: str, path: str, *, is_folder: bool) -> tuple[str, str] | None:
    """What is wrong with `form:path` where that path is plainly of another form, and what to do.

    None where it may be one: what is in it decides.
    """
    if is_folder:
        if form not in ("hdf5", "npz"):
            return None
        return f"{path} is a folder, not {_FORM_NOUNS[form]}.", f"Did you mean folder:{path}?"
    likely = _prefix_of_suffix(path)
    if form == "folder":
        meant = f"Did you mean {likely}:{path}?" if likely else "Name a folder with images in it."
        return f"{path} is a file, not {_FORM_NOUNS[form]}.", _hint_to_unfold(path) or meant
    problem = f"{path} is not {_FORM_NOUNS[form]}, by its name."
    if hint := _hint_to_unfold(path):
        return problem, hint
    if likely in (None, form) or (form, likely) == ("text", "csv"):
        return None
    return problem, f"Did you mean {likely}:{path}?"


def _hint_to_unfold(path: str) -> str | None:
    """What to do with a file that only what lies in it or around it can be learnt from."""
    if path.lower().endswith(_ARCHIVES):
        return "Unpack it, and name what comes out."
    if path.lower().endswith(_IMAGES):
        return f"Name the folder that holds the images: folder:{path.rpartition('/')[0] or '.'}."
    return None


def _prefix_of_path(text: str) -> str | None:
    """The prefix of what looks like a path; None for what does not."""
    if ":" in text or "+" in text:
        return None
    if prefix := _prefix_of_suffix(text):
        return prefix
    return "folder" if text.startswith((".", "~")) or "/" in text.strip("/") else None


def _prefix_of_suffix(text: str) -> str | None:
    ends = (prefix for suffix, prefix in _PREFIX_OF_SUFFIX.items() if text.lower().endswith(suffix))
    return next(ends, None)
