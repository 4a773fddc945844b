"""All that is known of a dataset, for a person to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tui_trainer.cli.data.unfinished import describe_unfinished
from tui_trainer.cli.output import Column, print_line, print_table
from tui_trainer.core.config import PreparationConfig
from tui_trainer.core.format import format_bytes, format_count, format_counted, format_metric
from tui_trainer.core.specs import ArrayFile, DatasetSpec
from tui_trainer.core.text_safety import sanitize

_MOST_CLASSES, _MOST_SKIPPED, _MOST_FIGURES = 40, 20, 8
_LABEL_WIDTH = 40
# As many as people compare; --json has them whole.
_HASH_DIGITS = 16

_MEANINGS = {
    "changed": "; what it was prepared from has changed since",
    "earlier": "; kept for the runs that were trained on it",
}


def print_facts(row: dict[str, Any]) -> None:
    """What it is, where it lies and where it comes from, a line each."""
    size = f", {format_bytes(row['bytes'])} in {row['path']}" if row["bytes"] else ""
    facts = {
        "dataset": row["dataset"],
        "about": row["title"],
        "here": f"{row['here']}{size}",
        "to get it": _command(row),
        "unfinished": describe_unfinished(row["unfinished"]) if row["unfinished"] else None,
        "problem": row["problem"],
        "of": _contents(row),
        "splits": ", ".join(f"{format_count(n)} {split}" for split, n in row["counts"].items()),
        "from": _source(row),
        "origin": row["origin"],
        "source": row["source"] if row["source"] != row["reference"] else None,
        "licence": row["licence"],
        "prepared": _preparation(row.get("preparation")),
        "set aside": f"{format_count(row['skipped_count'])}" if row.get("skipped_count") else None,
        "shared": _shared(row.get("shared_count")),
    }
    facts["here"] += _MEANINGS.get(row["here"], "")
    width = max(len(key) for key, value in facts.items() if value)
    for key, value in facts.items():
        if value:
            print_line(f"{key:<{width}}  {value}", indent=width + 2)


def _command(row: dict[str, Any]) -> str | None:
    """What to type to have a dataset of the catalogue, of which nothing is here."""
    if row["here"] != "no":
        return None
    size = f" (downloads {format_bytes(row['download_bytes'])})" if row["download_bytes"] else ""
    return f"tuitrain data get {row['dataset']}{size}"


def _source(row: dict[str, Any]) -> str | None:
    """What it was prepared from, and without alarm what of that is gone: nobody needs it again."""
    reference, missing = row["reference"], row["source_missing"]
    if reference == row["dataset"]:
        return None
    if not missing:
        return str(reference)
    which = f"{', '.join(missing)}: " if "+" in reference else ""
    return f"{reference} ({which}not there any more; the data stay good)"


def _contents(row: dict[str, Any]) -> str | None:
    if row["kind"] is None:
        return None
    sizes = " × ".join(map(str, row["shape"]))
    what = {
        "image": f"images of {sizes} (channels, height, width)",
        "table": f"rows of {sizes} features",
        "tokens": f"texts of up to {sizes} words, {format_count(row.get('vocabulary') or 0)} known",
    }[row["kind"]]
    learnt = {
        "classification": f"{row['num_classes'] or 'their'} classes",
        "multilabel": f"any of {row['num_classes']} labels",
        "regression": f"numbers to predict: {', '.join(row.get('targets') or ['–'])}",
    }[row["task"]]
    return f"{what}; {learnt}"


def _preparation(settings: dict[str, Any] | None) -> str | None:
    if settings is None:
        return None
    usual = msgspec.to_builtins(PreparationConfig())
    other = [f"{name} {value}" for name, value in settings.items() if value != usual[name]]
    return ", ".join(other) or "as usual"


def _shared(count: int | None) -> str | None:
    if not count:
        return None
    return f"{format_counted(count, 'test sample')} also among the training samples"


def print_figures(spec: DatasetSpec) -> None:
    """Mean and deviation of channels, features and targets, of the training samples."""
    channels = {1: ("gray",), 3: ("red", "green", "blue")}
    names: Sequence[str] = spec.features
    if spec.kind == "image":
        names = channels.get(len(spec.mean), ())
    rows = _figure_rows(names, spec.mean, spec.std)
    rows += _figure_rows(spec.targets, spec.label_mean, spec.label_std, "target ")
    if not rows:
        return
    print_line("")
    columns = (
        Column("of training", 0),
        Column("mean", 1, right=True),
        Column("std", 2, right=True),
    )
    print_table(columns, rows[:_MOST_FIGURES])
    _print_rest(len(rows), _MOST_FIGURES)


def _figure_rows(
    names: Sequence[str], means: Sequence[float], deviations: Sequence[float], prefix: str = ""
) -> list[tuple[str, str, str]]:
    known = names if len(names) == len(means) else [f"{n + 1}" for n in range(len(means))]
    return [
        (f"{prefix}{sanitize(name, limit=_LABEL_WIDTH)}", format_metric(mean), format_metric(std))
        for name, mean, std in zip(known, means, deviations, strict=True)
    ]


def print_classes(spec: DatasetSpec) -> None:
    """Its classes, with how many samples each has in each split."""
    if not spec.classes:
        return
    print_line("")
    columns = (Column("class", 0), *(Column(name, 1, right=True) for name in spec.splits))
    rows = []
    for number, label in enumerate(spec.classes[:_MOST_CLASSES]):
        counts = [part.class_counts[number] for part in spec.splits.values() if part.class_counts]
        rows.append((sanitize(label, limit=_LABEL_WIDTH), *map(format_count, counts)))
    print_table(columns, rows)
    _print_rest(len(spec.classes), _MOST_CLASSES)


def print_skipped(row: dict[str, Any]) -> None:
    """The first of the samples that were set aside, and why."""
    if not row["skipped"]:
        return
    print_line("")
    columns = (Column("set aside", 0), Column("reason", 1))
    shown = [
        (sanitize(one["name"], limit=80), sanitize(one["reason"], limit=200))
        for one in row["skipped"][:_MOST_SKIPPED]
    ]
    print_table(columns, shown)
    _print_rest(len(row["skipped"]), _MOST_SKIPPED)


def print_files(spec: DatasetSpec) -> None:
    """Its files, with size and the beginning of their hash."""
    print_line("")
    columns = (Column("file", 0), Column("shape", 2), Column("size", 1, right=True))
    arrays: list[ArrayFile] = [array for part in spec.splits.values() for array in part.arrays]
    rows = [
        (
            array.file,
            f"{array.dtype} {' × '.join(map(str, array.shape))}",
            format_bytes(array.size_bytes),
            array.sha256[:_HASH_DIGITS],
        )
        for array in arrays
    ]
    rows += [
        (sanitize(file), "–", "–", sha256[:_HASH_DIGITS]) for file, sha256 in spec.files.items()
    ]
    print_table((*columns, Column("sha-256", 3)), rows)


def _print_rest(count: int, shown: int) -> None:
    if count > shown:
        print_line(f"… and {format_count(count - shown)} more: --json tells all")
