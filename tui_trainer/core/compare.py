"""What tells runs apart: their settings, surroundings, code and results, beside one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tui_trainer.core.code_changes import describe_changes
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.fields import settings_of
from tui_trainer.core.events import Resources
from tui_trainer.core.format import (
    format_bytes,
    format_count,
    format_duration,
    format_metric,
    format_rate,
)
from tui_trainer.core.metric_direction import best_indexes, direction_of
from tui_trainer.core.run_record import Environment, RunRecord
from tui_trainer.core.text_safety import sanitize

Section = Literal["configuration", "environment", "code", "results"]
SEED = "training.seed"
UNKNOWN = "–"
_VALUE_LIMIT = 200
_HASH_DIGITS = 12
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class ComparedRun:
    """A run and, where its files could be read, what it was asked to do and on what."""

    record: RunRecord
    config: RunConfig | None = None
    environment: Environment | None = None


@dataclass(frozen=True)
class Difference:
    """One line of a comparison: a value for each run, fit to be printed.

    `best` are the indexes of the runs whose value is the best; none where all are equal or
    where it is not known which way is better.
    """

    section: Section
    key: str
    values: tuple[str, ...]
    best: tuple[int, ...] = ()


def format_setting(value: object) -> str:
    """A setting as a person writes it, fit to be printed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = f"{value:.12g}"
        return text if float(text) == value else repr(value)
    return sanitize(str(value), limit=_VALUE_LIMIT) or "none"


def differing_settings(configs: Iterable[RunConfig | None]) -> tuple[str, ...]:
    """The dotted keys whose values differ, the seed's included; unknown configurations aside."""
    settings = [settings_of(config) for config in configs if config is not None]
    return tuple(
        key for key in settings_of(RunConfig()) if _differ([known[key] for known in settings])
    )


def short_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """The keys without their part, as long as no two read the same."""
    names = [key.rpartition(".")[2] for key in keys]
    return tuple(
        name if names.count(name) == 1 else key for key, name in zip(keys, names, strict=True)
    )


def group_by_configuration(runs: Sequence[ComparedRun]) -> tuple[tuple[int, ...], ...]:
    """The indexes of runs that differ in nothing but their seed, in the order of the runs.

    The same configuration on the same data with the same own code; what else lay in the folder
    they were started in makes no difference. A run whose files cannot be read is like no other.
    """
    groups: dict[object, list[int]] = {}
    for index, run in enumerate(runs):
        groups.setdefault(_identity(run, index), []).append(index)
    return tuple(map(tuple, groups.values()))


def _identity(run: ComparedRun, index: int) -> object:
    if run.config is None:
        return index
    snapshot = run.record.snapshot
    settings = {key: value for key, value in settings_of(run.config).items() if key != SEED}
    return (
        repr(settings),
        snapshot.data_sha256,
        tuple(sorted(snapshot.code.items())),
    )


def compare_runs(runs: Sequence[ComparedRun]) -> tuple[Difference, ...]:
    """All that differs, and the results in any case."""
    return (
        *compare_settings(runs),
        *compare_environments(runs),
        *compare_code(runs),
        *compare_results([run.record for run in runs]),
    )


def compare_settings(runs: Sequence[ComparedRun]) -> tuple[Difference, ...]:
    """The settings that differ."""
    known = [None if run.config is None else settings_of(run.config) for run in runs]
    return tuple(
        Difference(
            "configuration",
            key,
            tuple(UNKNOWN if found is None else format_setting(found[key]) for found in known),
        )
        for key in differing_settings(run.config for run in runs)
    )


def compare_environments(runs: Sequence[ComparedRun]) -> tuple[Difference, ...]:
    """Where the runs were made on different machines or with different software."""
    found = [run.environment for run in runs]
    packages = sorted({name for known in found if known for name in known.packages})
    readers: dict[str, Callable[[Environment], str]] = {
        "host": lambda known: known.host,
        "user": lambda known: known.user,
        "system": lambda known: known.system,
        "python": lambda known: known.python,
        "processor cores": lambda known: str(known.cores),
        "host memory": lambda known: format_bytes(known.host_memory_bytes),
        "gpus": lambda known: ", ".join(known.devices) or "none",
    }
    readers |= {package: _package_reader(package) for package in packages}
    rows = [
        ("device", [_device(run.record) for run in runs]),
        ("threads", [str(run.record.snapshot.threads or "") for run in runs]),
        *(
            (name, ["" if known is None else read(known) for known in found])
            for name, read in readers.items()
        ),
    ]
    return _only_differing("environment", rows)


def _package_reader(package: str) -> Callable[[Environment], str]:
    return lambda known: known.packages.get(package, "not installed")


def _device(record: RunRecord) -> str:
    snapshot = record.snapshot
    return " ".join(filter(None, (snapshot.device, snapshot.device_name)))


def compare_code(runs: Sequence[ComparedRun]) -> tuple[Difference, ...]:
    """Where commit, uncommitted changes, own code or data are not the same."""
    states = [run.environment.git if run.environment else None for run in runs]
    snapshots = [run.record.snapshot for run in runs]
    names = sorted({name for snapshot in snapshots for name in snapshot.code})
    rows = [
        ("branch", [git.branch if git else "" for git in states]),
        ("commit", [git.commit[:_HASH_DIGITS] if git else "" for git in states]),
        ("uncommitted changes", [describe_changes(git) if git else "" for git in states]),
        *(
            (name, [snapshot.code.get(name, "")[:_HASH_DIGITS] for snapshot in snapshots])
            for name in names
        ),
        ("data", [snapshot.data_sha256[:_HASH_DIGITS] for snapshot in snapshots]),
    ]
    return _only_differing("code", rows)


def _only_differing(
    section: Section, rows: Iterable[tuple[str, Sequence[str]]]
) -> tuple[Difference, ...]:
    """The rows whose known values differ; an empty value is one that is not known."""
    return tuple(
        Difference(
            section,
            sanitize(key, limit=_VALUE_LIMIT),
            tuple(sanitize(value, limit=_VALUE_LIMIT) or UNKNOWN for value in values),
        )
        for key, values in rows
        if _differ([value for value in values if value])
    )


def _differ(values: Iterable[object]) -> bool:
    # By their text: two settings that are both not a number are the same setting.
    return len({repr(value) for value in values}) > 1


def compare_results(records: Sequence[RunRecord]) -> tuple[Difference, ...]:
    """How far the runs got and how good they are, equal or not."""
    snapshots = [record.snapshot for record in records]
    rows = [
        Difference("results", "state", tuple(record.state.value for record in records)),
        Difference(
            "results",
            "epochs",
            tuple(
                f"{snapshot.epoch}/{snapshot.epochs}" if snapshot.epochs else UNKNOWN
                for snapshot in snapshots
            ),
        ),
        Difference(
            "results", "steps", tuple(format_count(snapshot.step) for snapshot in snapshots)
        ),
        *_best_rows(records),
        *_figure_rows(records),
        _row("training time", [s.elapsed_s for s in snapshots], format_duration),
        _row("samples/s", [s.samples_per_s for s in snapshots], format_rate, direction=1),
        _row("peak device memory", [_peak_bytes(s.resources) for s in snapshots], format_bytes),
    ]
    return tuple(row for row in rows if any(value != UNKNOWN for value in row.values))


def _best_rows(records: Sequence[RunRecord]) -> list[Difference]:
    bests = [record.snapshot.best for record in records]
    metrics = sorted({best.metric for best in bests if best})
    rows = []
    for metric in metrics:
        values = [best.value if best and best.metric == metric else None for best in bests]
        direction = direction_of(metric)
        rows.append(_row(f"best {metric}", values, format_metric, direction=direction))
    if metrics:
        at = tuple(format_count(best.step) if best else UNKNOWN for best in bests)
        rows.append(Difference("results", "best at step", at))
    return rows


def _figure_rows(records: Sequence[RunRecord]) -> list[Difference]:
    """The newest figures of every split."""
    lasts = [record.snapshot.last for record in records]
    splits = sorted(
        {split for last in lasts for split in last},
        key=lambda split: (_SPLITS.index(split) if split in _SPLITS else len(_SPLITS), split),
    )
    rows = []
    for split in splits:
        for metric in sorted({name for last in lasts for name in last.get(split, {})}):
            values = [last.get(split, {}).get(metric) for last in lasts]
            direction = direction_of(metric)
            rows.append(_row(f"{split} {metric}", values, format_metric, direction=direction))
    return rows


def _row(
    key: str,
    values: Sequence[float | None],
    format_value: Callable[[float | None], str] | Callable[[float], str],
    direction: int = 0,
) -> Difference:
    texts = tuple(UNKNOWN if value is None else format_value(value) for value in values)
    key = sanitize(key, limit=_VALUE_LIMIT)
    best = {texts[index] for index in best_indexes(values, direction)}
    # What reads the same is as good.
    marked = tuple(index for index, text in enumerate(texts) if text in best)
    return Difference("results", key, texts, marked if len(set(texts)) > 1 else ())


def _peak_bytes(resources: Resources | None) -> float | None:
    device = resources.device if resources else None
    return device.peak_bytes if device else None
