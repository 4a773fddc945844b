"""A run's settings as a form: what is typed, over what presets, files or another run bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.fields import settings_of
from tui_trainer.core.config.resolve import (
    DEFAULT_PRESET,
    PRESET,
    FindSpec,
    Resolved,
    Setting,
    find_no_spec,
    resolve_as_far,
)
from tui_trainer.core.presets import preset_names
from tui_trainer.core.run_name import check_name
from tui_trainer.errors import TuitrainError, UsageError

NAME = "name"
"""The key of the run's name, which is no setting."""

DATASET, MODEL = "data.dataset", "model.name"
CHOICES = (DATASET, MODEL, PRESET)
"""What is settled first, and brings values of the others."""


@dataclass(frozen=True)
class Form:
    """What was typed, by key, over `base`.

    `preset` is that of the base. Where the base was taken from a run, `like` is its name and
    `values` are its settings as text. `find_spec` tells what data of a person's own are.
    """

    base: tuple[Setting, ...] = ()
    preset: str = DEFAULT_PRESET
    like: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    find_spec: FindSpec = find_no_spec

    def type(self, key: str, text: str) -> Form:
        """The form with this typed; what would be there anyway does not count as typed."""
        text, bare = text.strip(), self.leave(key)
        if text == shown_values(bare)[key]:
            return bare
        return replace(self, typed={**bare.typed, key: text})

    def leave(self, key: str) -> Form:
        """The form without what was typed for a key."""
        return replace(self, typed={k: v for k, v in self.typed.items() if k != key})

    @property
    def name(self) -> str:
        """The name that the run is to have; it may be empty."""
        return self.typed.get(NAME, "")

    @property
    def chosen_preset(self) -> str:
        """The preset that was typed, else that of the base."""
        return self.typed.get(PRESET, self.preset)

    def resolve(self) -> tuple[Resolved | None, list[TuitrainError]]:
        """The configuration without what is wrong, and all that is wrong."""
        typed = [
            Setting(key, text, key.rpartition(".")[2], from_text=True)
            for key, text in self.typed.items()
            if key not in (NAME, PRESET)
        ]
        resolved, errors = resolve_as_far(
            [*self.base, *typed], preset=self.chosen_preset, find_spec=self.find_spec
        )
        try:
            check_name(self.name or "a")
        except UsageError as error:
            error.key = NAME
            errors.append(error)
        return resolved, errors

    def nearest(self) -> Resolved:
        """The configuration with as much of what was typed as goes together."""
        for left_out in ((), (PRESET,), (MODEL,), (MODEL, PRESET), CHOICES):
            kept = {key: text for key, text in self.typed.items() if key not in left_out}
            resolved, _ = replace(self, typed=kept).resolve()
            if resolved is not None:
                return resolved
        resolved, _ = resolve_as_far([])
        assert resolved is not None
        return resolved

    def command(self, resolved: Resolved) -> tuple[str, ...]:
        """The command line that starts such a run, where files and variables are as now."""
        named = {setting.key: setting.value for setting in self.base if self.like}
        words = ["tuitrain", "train", resolved.config.data.dataset]
        if self.chosen_preset != DEFAULT_PRESET:
            words += ["--preset", self.chosen_preset]
        if self.name:
            words += ["--name", self.name]
        for key, value in {**named, **self.typed}.items():
            if key not in (NAME, PRESET, DATASET):
                words += ["--set", f"{key}={as_text(value)}"]
        return tuple(words)


def form_like(run: str, config: RunConfig, find_spec: FindSpec = find_no_spec) -> Form:
    """A form that comes to the configuration of a run.

    What its dataset, model and preset bring is left to them, so that it changes with them; of
    the presets that one is taken which leaves the least to be said apart from it.
    """
    values = settings_of(config)
    names = preset_names(config.data.dataset, config.model.name)
    names.sort(key=lambda name: name != DEFAULT_PRESET)
    kept = {name: _kept(values, run, name, find_spec) for name in names}
    preset = min(kept, key=lambda name: len(kept[name]))
    texts = {key: as_text(value) for key, value in values.items()} | {PRESET: preset, NAME: ""}
    return Form(kept[preset], preset, run, texts, find_spec=find_spec)


def _kept(
    values: Mapping[str, Any], run: str, preset: str, find_spec: FindSpec
) -> tuple[Setting, ...]:
    """The settings of a run that its dataset, model and preset do not bring."""
    kept, brought = {DATASET: values[DATASET]}, dict[str, Any]()
    for _ in range(2):
        # Twice: to name the model changes what is brought.
        settings = [Setting(key, value, run) for key, value in kept.items()]
        resolved, _ = resolve_as_far(settings, preset=preset, find_spec=find_spec)
        brought = settings_of(resolved.config) if resolved is not None else {}
        if brought.get(MODEL) != values[MODEL]:
            kept[MODEL] = values[MODEL]
    kept |= {k: v for k, v in values.items() if k not in brought or brought[k] != v}
    return tuple(Setting(key, value, run) for key, value in kept.items())


def shown_values(form: Form) -> dict[str, str]:
    """Every value of a form as text: what was typed as it was typed, also where it is wrong."""
    values = {key: as_text(value) for key, value in settings_of(form.nearest().config).items()}
    return {NAME: "", PRESET: form.preset, **values, **form.typed}


def as_text(value: Any) -> str:
    """A value as it is typed."""
    return str(value).lower() if isinstance(value, bool) else str(value)
