"""Which prepared dataset a person means, and what was set aside when it was prepared."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_hints import hint_for_dataset
from tui_trainer.core.dataset_reference import is_own, prepared_name, settle_reference
from tui_trainer.core.dataset_versions import current_name, is_earlier
from tui_trainer.core.specs import DatasetSpec, Skipped, SourceFacts
from tui_trainer.errors import DatasetError
from tui_trainer.store.datasets import is_prepared, prepared_names, read_spec
from tui_trainer.store.plain_file import read_plain

SKIPPED_LIST = "skipped.json"
_MOST_BYTES = 1 << 30
_MOST_NAMED = 5


def find_prepared(data_dir: Path, text: str, folder: Path) -> str:
    """The name in the data folder of what a person calls by it, or by what it was prepared from.

    A reference that was prepared in several ways means the usual one; paths in it are looked for
    from `folder`.

    Raises:
        DatasetError: there is no such dataset, it is not here, or there are several ways.
    """
    if Path(text).name == text and is_prepared(data_dir, text):
        return text
    if text not in DATASETS and not is_own(text):
        known = [*DATASETS, *prepared_names(data_dir)]
        raise DatasetError(f"There is no dataset {text!r}.", hint_for_dataset(text, known))
    reference = settle_reference(text, folder)
    usual = prepared_name(reference, PreparationConfig())
    found = prepared_from(data_dir, reference)
    if usual in found or len(found) == 1:
        return usual if usual in found else found[0]
    if not found:
        raise DatasetError(
            f"The dataset {text} is not in {data_dir}.",
            f"Prepare it with: tuitrain data get {text}.",
        )
    named = ", ".join(found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise DatasetError(f"{text} was prepared in several ways.", f"Name one of: {named}{more}.")


def prepared_from(data_dir: Path, reference: str) -> list[str]:
    """The names of all that were prepared from a settled reference, in whatever way.

    Earlier versions, whose source was other, are not among them.
    """
    found = []
    for name in prepared_names(data_dir):
        try:
            spec = read_spec(data_dir, name)
        except DatasetError:
            # What it was prepared from cannot be read; it can still be named by its folder.
            continue
        if is_earlier(name):
            continue
        if spec.source is not None and spec.source.reference == reference:
            found.append(name)
    return found


def read_source(data_dir: Path, name: str) -> SourceFacts | None:
    """What the dataset that is prepared under this name was made from; None where there is none.

    Raises:
        DatasetError: its manifest is damaged or does not tell, or it is an earlier version.
    """
    if Path(name).name != name or not is_prepared(data_dir, name):
        return None
    if is_earlier(name):
        raise DatasetError(
            f"{name} is an earlier version, kept for the runs that were trained on it.",
            f"Name the present one: {current_name(name)}.",
        )
    try:
        source = read_spec(data_dir, name).source
    except DatasetError as error:
        hint = f"Delete it with: tuitrain data remove {name}; prepare what it was made from."
        raise DatasetError(error.message, hint) from error
    if source is None:
        raise DatasetError(f"{name} does not tell what it was made from.", "Name that.")
    return source


def read_skipped(data_dir: Path, spec: DatasetSpec) -> list[Skipped]:
    """The samples that were set aside when a dataset was prepared.

    Raises:
        DatasetError: their list is not as it was written.
    """
    if SKIPPED_LIST not in spec.files:
        return []
    file = data_dir / spec.name / SKIPPED_LIST
    again = f"Check the dataset with: tuitrain data verify {spec.name}."
    try:
        content = read_plain(file, _MOST_BYTES)
        if hashlib.sha256(content).hexdigest() != spec.files[SKIPPED_LIST]:
            raise DatasetError(f"{file} is damaged: its SHA-256 is not the recorded one.", again)
        return msgspec.json.decode(content, type=list[Skipped])
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DatasetError(f"{file} cannot be read: {error}.", again) from error
