"""What tells versions of a dataset apart, and how the folders of earlier ones are named.

photos-cd7125fb            as its source is now
photos-cd7125fb@9f31ab20   as it was, kept for the runs that were trained on it
"""

from __future__ import annotations

import hashlib

import msgspec

from tui_trainer.core.specs import DatasetSpec

_MARK = "@"
_HASH_LENGTH = 8


def hash_data(spec: DatasetSpec) -> str:
    """SHA-256 over what training sees of a dataset: its files' hashes, its mean and deviation."""
    arrays = []
    for _, split in sorted(spec.splits.items()):
        files = (split.inputs, split.labels, split.offsets)
        arrays.append([file.sha256 for file in files if file is not None])
    return hashlib.sha256(msgspec.json.encode([arrays, spec.mean, spec.std])).hexdigest()


def name_earlier(name: str, data_sha256: str) -> str:
    """The folder of the version of dataset `name` whose data have this hash."""
    return f"{name}{_MARK}{data_sha256[:_HASH_LENGTH]}"


def is_earlier(name: str) -> bool:
    """Whether a folder is that of an earlier version."""
    return _MARK in name


def current_name(name: str) -> str:
    """The folder of the dataset as it is now."""
    return name.partition(_MARK)[0]
