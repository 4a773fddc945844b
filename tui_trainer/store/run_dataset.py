"""The dataset of a run: what its weights mean, and which version of it they were trained on.

    runs/run1/dataset.json

The manifest is kept with the run. The dataset may be prepared again from other files: the run
then goes on with, and is judged on, the version that it was trained on, while that is here. Where
it is not, the weights still take inputs, and give outputs, as they learnt to.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.core.dataset_reference import prepared_name_of
from tui_trainer.core.dataset_versions import current_name, hash_data
from tui_trainer.core.sealed_json import encode_sealed, unseal
from tui_trainer.core.spec_flaws import find_flaw
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import replace_file
from tui_trainer.store.dataset_versions import find_version
from tui_trainer.store.datasets import read_spec
from tui_trainer.store.plain_file import read_plain

_MOST_BYTES = 1 << 26
_MEANINGS = {
    "kind": "another kind of samples",
    "task": "another task",
    "classes": "other classes",
    "targets": "other targets",
    "features": "other columns",
    "vocabulary": "another vocabulary",
}


def keep_spec(run: Path, spec: DatasetSpec) -> None:
    """Keep the manifest of the dataset that a run is trained on."""
    replace_file(run / paths.DATASET_MANIFEST, encode_sealed(spec))


def find_dataset_of(run: Path, data_dir: Path, config: RunConfig) -> DatasetSpec:
    """The version of a run's dataset that it was trained on, else the one that is here now.

    Raises:
        DatasetError: neither is here, or what is here or what the run kept is damaged.
    """
    name = version_of(run, data_dir, config)
    return read_spec(data_dir, name, config.data.dataset if name == current_name(name) else "")


def version_of(run: Path, data_dir: Path, config: RunConfig) -> str:
    """The folder in the data folder that the dataset of a run is in, or would be prepared in.

    Raises:
        DatasetError: what the run kept is damaged.
    """
    name, kept = prepared_name_of(config), _read_kept(run)
    return name if kept is None else find_version(data_dir, name, hash_data(kept))


def recall_spec(run: Path, now: DatasetSpec) -> DatasetSpec:
    """The dataset as it is `now`, normalised as when the run was trained on it.

    A run of an earlier tuitrain kept nothing: what is there now is taken.

    Raises:
        DatasetError: what was kept is damaged, or labels or inputs mean something else now.
    """
    kept = _read_kept(run)
    if kept is None:
        return now
    for field, what in _MEANINGS.items():
        if getattr(kept, field) != getattr(now, field):
            raise _changed(now, what)
    if kept.kind != "tokens" and kept.shape != now.shape:
        raise _changed(now, "another shape of samples")
    if kept.files.get(paths.VOCABULARY) != now.files.get(paths.VOCABULARY):
        raise _changed(now, "another vocabulary")
    return msgspec.structs.replace(
        now,
        mean=kept.mean,
        std=kept.std,
        label_mean=kept.label_mean,
        label_std=kept.label_std,
    )


def _read_kept(run: Path) -> DatasetSpec | None:
    file = run / paths.DATASET_MANIFEST
    try:
        kept = msgspec.json.decode(unseal(read_plain(file, _MOST_BYTES)), type=DatasetSpec)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(file) from error
    if find_flaw(kept):
        raise _damaged(file)
    return kept


def _damaged(file: Path) -> DatasetError:
    return DatasetError(
        f"{file} is damaged: it is not known what the run was trained on.",
        "Put back a copy of it, or delete it where the dataset is still as it was.",
    )


def _changed(now: DatasetSpec, what: str) -> DatasetError:
    reference = now.source.reference if now.source is not None else now.name
    return DatasetError(
        f"{reference} has {what} than when the run was trained on it.",
        f"Put its files back as they were, then: tuitrain data get {reference}.",
    )
