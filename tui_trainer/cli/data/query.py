"""`tuitrain data list` and `info`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from tui_trainer.cli.data.arguments import DatasetArgument
from tui_trainer.cli.data.facts import (
    print_classes,
    print_facts,
    print_figures,
    print_files,
    print_skipped,
)
from tui_trainer.cli.data.unfinished import describe_unfinished, tell_unfinished
from tui_trainer.cli.options import DataDirOption, JsonOption
from tui_trainer.cli.output import Column, print_json, print_line, print_table, say
from tui_trainer.core.catalog import DATASETS, DatasetEntry
from tui_trainer.core.dataset_versions import is_earlier
from tui_trainer.core.format import format_bytes, format_count, format_counted
from tui_trainer.core.specs import DatasetSpec, SplitSpec
from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import DatasetError
from tui_trainer.paths import choose_data_dir
from tui_trainer.store.dataset_source import missing_sources
from tui_trainer.store.datasets import (
    dataset_bytes,
    has_changed,
    is_outdated,
    is_prepared,
    prepared_names,
    read_spec,
)
from tui_trainer.store.unfinished import find_unfinished, list_unfinished

_COLUMNS = (
    Column("dataset", 0),
    Column("here", 1),
    Column("samples", 2, right=True),
    Column("classes", 4, right=True),
    Column("kind", 5),
    Column("on disk", 3, right=True),
    Column("licence", 6),
    Column("source", 7),
    Column("about", 8),
)
_LICENCE_WIDTH = 40


def list_datasets(data_dir: DataDirOption = None, as_json: JsonOption = False) -> None:
    """List the datasets there are, and which are here."""
    folder = choose_data_dir(data_dir)
    begun = {one.name: tell_unfinished(one, data_dir) for one in list_unfinished(folder)}
    names = dict.fromkeys([*DATASETS, *prepared_names(folder), *begun])
    rows = [_describe(folder, name, begun.get(name), is_thorough=False) for name in names]
    if as_json:
        print_json(rows)
        return
    left_out = len(_COLUMNS) - print_table(_COLUMNS, [_cells(row) for row in rows])
    if begun:
        print_line("")
    for name, one in begun.items():
        print_line(f"{name}: {describe_unfinished(one)}", indent=2)
    if left_out:
        say(f"{format_counted(left_out, 'column')} more in a wider terminal; --json tells all")


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        sanitize(row["dataset"]),
        row["here"],
        format_count(sum(row["counts"].values())) if row["counts"] else "–",
        format_count(row["num_classes"]) if row["num_classes"] else "–",
        row["kind"] or "–",
        format_bytes(row["bytes"]) if row["bytes"] else "–",
        sanitize(row["licence"] or "–", limit=_LICENCE_WIDTH),
        sanitize(row["source"] or "–"),
        sanitize(row["title"] or "–"),
    )


def info(
    name: DatasetArgument, data_dir: DataDirOption = None, as_json: JsonOption = False
) -> None:
    """Tell all that is known of a dataset."""
    from tui_trainer.store.dataset_lookup import find_prepared, read_skipped

    folder = choose_data_dir(data_dir)
    begun = find_unfinished(folder, name, Path.cwd())
    told = tell_unfinished(begun, data_dir) if begun else None
    if name in DATASETS or is_prepared(folder, name) or begun is None:
        # What is not here is told of all the same, if the catalogue knows it.
        is_known = name in DATASETS and not is_prepared(folder, name)
        found = name if is_known else find_prepared(folder, name, Path.cwd())
    else:
        found = begun.name
    row = _describe(folder, found, told, is_thorough=True)
    spec = read_spec(folder, found) if row["prepared"] else None
    skipped = read_skipped(folder, spec) if spec else []
    row["source_missing"] = missing_sources(spec) if spec else []
    row |= _details(spec) | {"skipped": msgspec.to_builtins(skipped)}
    if as_json:
        print_json(row)
        return
    print_facts(row)
    if spec is not None:
        print_figures(spec)
        print_classes(spec)
        print_skipped(row)
        print_files(spec)


def _describe(
    folder: Path, name: str, unfinished: dict[str, Any] | None, *, is_thorough: bool
) -> dict[str, Any]:
    """What is known of a dataset, here or not; `is_thorough` is as of `has_changed`."""
    entry, spec, problem = DATASETS.get(name), None, None
    here = "no" if unfinished is None else "unfinished"
    if is_prepared(folder, name):
        try:
            spec = read_spec(folder, name)
            changed = has_changed(folder, spec, is_thorough=is_thorough)
            here = "earlier" if is_earlier(name) else "changed" if changed else "yes"
        except DatasetError as error:
            problem = error.message
            here = "outdated" if is_outdated(folder, name) else "damaged"
    row = _from_catalogue(name, entry) if spec is None else _from_manifest(spec, entry)
    return row | {
        "here": here,
        "prepared": spec is not None,
        "bytes": dataset_bytes(spec) if spec else None,
        "path": str(folder / name) if here not in ("no", "unfinished") else None,
        "problem": problem,
        "unfinished": unfinished,
    }


def _from_catalogue(name: str, entry: DatasetEntry | None) -> dict[str, Any]:
    """What the catalogue says; of one's own data that cannot be read nothing but the name."""
    counts = {
        split: getattr(entry, f"{split}_count", 0) for split in ("train", "test", "validation")
    }
    return {
        "dataset": name,
        "title": entry.title if entry else None,
        "kind": entry.kind if entry else None,
        "task": entry.task if entry else None,
        "shape": list(entry.shape) if entry else None,
        "classes": list(entry.classes) if entry else [],
        "num_classes": entry.num_classes if entry else 0,
        "targets": list(entry.targets) if entry else [],
        "counts": {split: count for split, count in counts.items() if count},
        "origin": entry.origin if entry else None,
        "reference": name if entry else None,
        **_terms(entry),
    }


def _from_manifest(spec: DatasetSpec, entry: DatasetEntry | None) -> dict[str, Any]:
    reference = spec.source.reference if spec.source else spec.name
    return {
        "dataset": spec.name,
        "title": spec.title,
        "kind": spec.kind,
        "task": spec.task,
        "shape": list(spec.shape),
        "classes": list(spec.classes),
        "num_classes": len(spec.classes),
        "targets": list(spec.targets),
        "counts": {split: part.count for split, part in spec.splits.items()},
        "origin": spec.origin,
        "reference": reference,
        **_terms(entry or DATASETS.get(reference), reference),
    }


def _terms(entry: DatasetEntry | None, reference: str | None = None) -> dict[str, Any]:
    """Licence and source; those of one's own data are one's own affair."""
    return {
        "licence": entry.licence if entry else None,
        "source": entry.source or None if entry else reference,
        "download_bytes": entry.download_bytes or None if entry else None,
    }


def _details(spec: DatasetSpec | None) -> dict[str, Any]:
    if spec is None:
        return {}
    return {
        "splits": {name: _split(part) for name, part in spec.splits.items()},
        "mean": list(spec.mean),
        "std": list(spec.std),
        "features": list(spec.features),
        "label_mean": list(spec.label_mean),
        "label_std": list(spec.label_std),
        "vocabulary": spec.vocabulary or None,
        "files": dict(spec.files),
        "skipped_count": spec.skipped_count,
        "shared_count": spec.shared_count,
        "preparation": msgspec.to_builtins(spec.source.preparation) if spec.source else None,
        "version": spec.version,
    }


def _split(part: SplitSpec) -> dict[str, Any]:
    return {
        "count": part.count,
        "class_counts": list(part.class_counts),
        "files": [msgspec.to_builtins(array) for array in part.arrays],
    }
