"""Downloading the files that a dataset is published in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tui_trainer.core.catalog import DatasetEntry
from tui_trainer.data.prepare.catalog.originals import name_published
from tui_trainer.data.prepare.catalog.published import PUBLISHED
from tui_trainer.data.prepare.downloads import Report, fetch_file
from tui_trainer.data.prepare.http_opener import DownloadError
from tui_trainer.errors import DatasetError

_FOLDER = "published"
# What is known of how much is downloaded may be a little off.
_MOST_TIMES, _MOST_MORE_BYTES = 2, 16 << 20


def fetch_originals(
    entry: DatasetEntry, scratch: Path, say: Callable[[str], object], report: Report | None
) -> Path:
    """Download what a dataset is published in; the folder that it is in comes back.

    Raises:
        DatasetError: it is not to be downloaded, or it failed; the message names the ways out.
    """
    importing = f"tuitrain data import {entry.name} FOLDER"
    if entry.name not in PUBLISHED:
        raise DatasetError(
            f"{entry.name} is not downloaded, as its authors give it to those who ask them.",
            f"Get it at {entry.source} and import your copy with: {importing}.",
        )
    folder = scratch / _FOLDER
    say(f"downloading {entry.name}")
    try:
        for published in PUBLISHED[entry.name]:
            fetch_file(
                published.urls,
                folder / published.name,
                published.md5,
                max_bytes=_MOST_TIMES * entry.download_bytes + _MOST_MORE_BYTES,
                report=report or (lambda done, total, name: None),
            )
    except DownloadError as error:
        raise DatasetError(
            f"{entry.name} is not in the data folder and could not be downloaded: {error}.",
            f"Fetch {name_published(entry)} elsewhere and import them with: {importing}; "
            "or train on digits that need no download with: tuitrain train digits.",
        ) from error
    except OSError as error:
        raise DatasetError(
            f"{entry.name} cannot be downloaded to {folder}: {error.strerror or error}.",
            "Free some space, or name another folder with --data-dir; "
            "the same command then goes on where it was.",
        ) from error
    return folder
