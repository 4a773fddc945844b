"""The name of a prepared dataset in place of what it was prepared from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tui_trainer.cli.setting_options import SETTING_OPTIONS
from tui_trainer.core.specs import SourceFacts
from tui_trainer.errors import UsageError


def find_source(data_dir: Path, text: str, flags: Mapping[str, str]) -> SourceFacts | None:
    """What a prepared dataset was made from, and how, if `text` is the name of one.

    `flags` are the options that were given, by name: none of them may be one of preparing.

    Raises:
        DatasetError: its manifest is damaged, or it is an earlier version.
        UsageError: an option asks for another way of preparing.
    """
    # Here, as a training on a dataset of the catalogue needs none of it.
    from tui_trainer.core.catalog import DATASETS
    from tui_trainer.core.dataset_reference import is_own

    if text in DATASETS or is_own(text):
        return None
    from tui_trainer.store.dataset_lookup import read_source

    source = read_source(data_dir, text)
    if source is None:
        return None
    for option in flags:
        if SETTING_OPTIONS[option].startswith("preparation."):
            raise UsageError(
                f"{text} was prepared with options of its own.",
                f"Leave out --{option.replace('_', '-')}, or name what it was made from: "
                f"{source.reference}.",
            )
    return source
