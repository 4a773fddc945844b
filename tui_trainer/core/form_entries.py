"""The lines of a form: values beside what they would be, where they come from, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tui_trainer.core.catalog import DATASETS, MODELS, misfit
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.config.resolve import PRESET, Resolved
from tui_trainer.core.form import CHOICES, DATASET, MODEL, NAME, Form, shown_values
from tui_trainer.core.plan import Plan, make_plan
from tui_trainer.core.presets import preset_names
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import TuitrainError

_FIRST = (NAME, *CHOICES)
_LABELS = {DATASET: "dataset", MODEL: "model"}
_MEANINGS = {
    NAME: "a name for the run; without one it goes by its number",
    PRESET: "the recipe of the dataset and the model",
}
_ALLOWED = {NAME: "lower-case letters, digits, '.', '_' and '-'", PRESET: "one of them"}
_COMMON = {
    *_FIRST,
    "data.batch_size",
    "data.validation",
    "optimizer.name",
    "optimizer.lr",
    "optimizer.weight_decay",
    "schedule.name",
    "training.epochs",
    "training.seed",
    "training.early_stopping",
    "hardware.device",
    "hardware.precision",
}
_TYPED = "typed here"


@dataclass(frozen=True)
class Entry:
    """One line. `reference` is the value in the run that is copied, else the one untouched."""

    key: str
    value: str
    reference: str
    origin: str
    meaning: str
    allowed: str
    choices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def part(self) -> str:
        """The part of the configuration that it is of; nothing for what stands first."""
        return "" if self.key in _FIRST else self.key.split(".", 1)[0]

    @property
    def label(self) -> str:
        """What it is called within its part."""
        return _LABELS.get(self.key) or self.key.split(".", 1)[-1]

    @property
    def is_changed(self) -> bool:
        """Whether it is not as in the run that is copied, or as it would be untouched."""
        return self.value != self.reference

    @property
    def is_common(self) -> bool:
        """Whether it is shown before all are asked for."""
        return self.key in _COMMON or self.is_changed or bool(self.problems)

    def next_choice(self, by: int) -> str:
        """The choice so many places on from the value, round and round."""
        if self.value not in self.choices:
            return self.choices[0 if by > 0 else -1]
        return self.choices[(self.choices.index(self.value) + by) % len(self.choices)]

    def matches(self, text: str) -> bool:
        """Whether the line has to do with this text."""
        return text.casefold() in f"{self.key} {self.meaning} {self.value}".casefold()


@dataclass(frozen=True)
class Draft:
    """What a form comes to: its lines, what is wrong besides them, and how much work it is.

    `resolved` is the configuration, where nothing is wrong; `is_prepared` tells whether its
    dataset is here, and there is no `plan` where its samples cannot be counted.
    """

    entries: tuple[Entry, ...]
    problems: tuple[str, ...]
    resolved: Resolved | None
    plan: Plan | None
    is_prepared: bool

    def find(self, key: str) -> Entry:
        """The line of a key."""
        return next(entry for entry in self.entries if entry.key == key)

    @property
    def num_problems(self) -> int:
        """How many things are wrong."""
        return len(self.problems) + sum(len(entry.problems) for entry in self.entries)


def make_draft(form: Form) -> Draft:
    """What the form comes to."""
    resolved, errors = form.resolve()
    shown = resolved or form.nearest()
    told: dict[str, list[str]] = {}
    for error in errors:
        told.setdefault(error.key, []).append(f"{error.message} {error.hint}")
    values, references = shown_values(form), form.values or _untouched(form)
    spec = _find_spec(form, shown)
    entries = [
        _make_entry(form, key, values, references, shown, told.pop(key, ())) for key in _keys()
    ]
    return Draft(
        tuple(entries),
        tuple(text for texts in told.values() for text in texts),
        None if errors else resolved,
        make_plan(shown.config, spec),
        spec is not None,
    )


def _find_spec(form: Form, shown: Resolved) -> DatasetSpec | None:
    try:
        return form.find_spec(shown.config.data.dataset, shown.config.preparation)
    except TuitrainError:
        # It is damaged: who prepares it again says so.
        return None


def _keys() -> Sequence[str]:
    return [*_FIRST, *(key for key in all_fields() if key not in _FIRST)]


def _untouched(form: Form) -> dict[str, str]:
    """What the values would be had nothing been typed but dataset, model and preset."""
    chosen = {key: text for key, text in form.typed.items() if key in CHOICES}
    values = shown_values(replace(form, typed=chosen))
    bare = shown_values(replace(form, typed={}))
    return values | {key: bare[key] for key in _FIRST}


def _make_entry(
    form: Form,
    key: str,
    values: Mapping[str, str],
    references: Mapping[str, str],
    shown: Resolved,
    problems: Sequence[str],
) -> Entry:
    known = all_fields().get(key)
    return Entry(
        key=key,
        value=values[key],
        reference=references[key],
        origin=_TYPED if key in form.typed else shown.origins.get(key, ""),
        meaning=known.meaning if known else _MEANINGS[key],
        allowed=known.allowed if known else _ALLOWED[key],
        choices=_choices(key, shown),
        problems=tuple(problems),
    )


def _choices(key: str, shown: Resolved) -> tuple[str, ...]:
    dataset, model = shown.config.data.dataset, shown.config.model.name
    if key == DATASET:
        return tuple(DATASETS)
    if key == MODEL:
        described = DATASETS.get(dataset)
        return tuple(
            name
            for name, entry in MODELS.items()
            if described is None or misfit(entry, described) is None
        )
    if key == PRESET:
        return tuple(preset_names(dataset, model))
    return all_fields()[key].choices if key in all_fields() else ()
