"""Preparing datasets: from their source to arrays in the data folder, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tui_trainer import paths
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import prepared_name
from tui_trainer.core.specs import DatasetSpec, SourceFacts
from tui_trainer.data.prepare.engine import Preparation, Report
from tui_trainer.data.prepare.opening import Means, open_source
from tui_trainer.data.prepared import load_file
from tui_trainer.data.processes import allowed_cores
from tui_trainer.errors import DatasetError
from tui_trainer.store.atomic import make_folder, sweep_hidden_of
from tui_trainer.store.dataset_versions import earlier_kept
from tui_trainer.store.datasets import (
    arrays_of,
    check_array_file,
    discard_leftovers,
    has_changed,
    is_prepared,
    lock_of,
    read_spec,
)
from tui_trainer.store.file_lock import locked
from tui_trainer.store.unfinished import Beginning, note_beginning


def _load_nothing(name: str) -> Mapping[str, Any]:
    raise DatasetError(f"{name} is code, which may not run here.", "Name data in files.")


def prepare_dataset(
    data_dir: Path,
    reference: str,
    preparation: PreparationConfig | None = None,
    *,
    originals: Path | None = None,
    again: bool = False,
    load_items: Callable[[str], Mapping[str, Any]] = _load_nothing,
    say: Callable[[str], object] = lambda text: None,
    report: Report = lambda done, total: None,
    report_download: Callable[[int, int, str], object] | None = None,
    processes: int | None = None,
) -> DatasetSpec:
    """The dataset that a settled reference names, prepared now unless it is there already.

    One that another process prepares is waited for. What was read before a preparation was cut
    off is not read again.

    Args:
        originals: A folder or an archive with the official files of a dataset of the catalogue.
        again: Prepare it even if it is there and its source has not changed.
        processes: How many read; as many as there are cores where it is left out.

    Raises:
        DatasetError: it is unknown, cannot be had, or is damaged.
    """
    preparation = preparation or PreparationConfig()
    name = prepared_name(reference, preparation)
    again = again or originals is not None
    try:
        make_folder(data_dir)
        lock = locked(
            lock_of(data_dir, name), lambda: say(f"waiting: another process prepares {name}")
        )
        with lock:
            sweep_hidden_of(data_dir / name)
            if not again and (spec := _find(data_dir, name)) is not None:
                # What was left by one that was killed a moment after it was published.
                discard_leftovers(data_dir, name)
                return spec
            say(f"preparing {reference}")
            means = Means(
                downloads=data_dir / paths.ORIGINALS / name,
                say=say,
                load_items=load_items,
                originals=originals,
                report=report_download,
            )
            origin = SourceFacts(reference=reference, preparation=preparation)
            return _prepare(data_dir, name, origin, means, processes or allowed_cores(), report)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise DatasetError(
            f"{reference} cannot be prepared in {data_dir}: {where}{error.strerror or error}.",
            "Mend the permissions or free some space, or name another folder with --data-dir.",
        ) from error


def _prepare(
    data_dir: Path, name: str, origin: SourceFacts, means: Means, processes: int, report: Report
) -> DatasetSpec:
    """Read the source and publish the dataset in the place of the earlier one, if there is any."""
    source = open_source(origin.reference, origin.preparation, means)
    beginning = Beginning(
        reference=origin.reference,
        preparation=origin.preparation,
        total=len(source.labels_N),
        originals=str(means.originals or ""),
    )
    note_beginning(data_dir, name, beginning)
    with earlier_kept(data_dir, name) as kept:
        spec = Preparation(data_dir, name, source, origin, processes).run(report, means.say)
    for folder in kept:
        means.say(f"the version that runs were trained on stays for them as {folder}")
    return spec


def _find(data_dir: Path, name: str) -> DatasetSpec | None:
    """The dataset, if it is prepared, whole, and its source as it was."""
    if not is_prepared(data_dir, name):
        return None
    try:
        spec = read_spec(data_dir, name)
        for array in arrays_of(spec):
            check_array_file(data_dir / name, array)
        for file in spec.files:
            load_file(data_dir, spec, file)
    except DatasetError:
        # Damaged or of an older version: it is prepared again.
        return None
    return None if has_changed(data_dir, spec) else spec
