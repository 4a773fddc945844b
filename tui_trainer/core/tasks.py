"""What is learnt from labels: the losses that fit, and the figure that chooses the weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tui_trainer.core.code_names import is_code_name
from tui_trainer.core.config.loss import LossConfig
from tui_trainer.core.specs import DatasetSpec, Task
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import ConfigError

AUTO_LOSS = "auto"

# The first of each is the one that `auto` stands for.
LOSSES: Mapping[Task, tuple[str, ...]] = {
    "classification": ("cross-entropy",),
    "multilabel": ("binary-cross-entropy",),
    "regression": ("mse", "huber", "mae"),
}
# The figures that a run is judged by beside the loss, in the order in which they are told.
OUR_FIGURES = ("rmse", "mae", "r2", "accuracy", "f1", "auc")
# What a person calls the labels of each task.
LABEL_NOUNS: Mapping[Task, str] = {
    "classification": "one class for each sample",
    "multilabel": "any number of labels for each sample",
    "regression": "numbers to predict",
}
# Our losses that each setting is for; no loss of the user's own takes the first two.
_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "label_smoothing": ("cross-entropy", "binary-cross-entropy"),
    "class_weights": ("cross-entropy", "binary-cross-entropy"),
    "ignore_index": ("cross-entropy",),
}


def our_losses() -> tuple[str, ...]:
    """The names of all losses that are not a user's own."""
    return AUTO_LOSS, *(name for names in LOSSES.values() for name in names)


def choose_loss(config: LossConfig, spec: DatasetSpec) -> str:
    """The loss to train with: `auto` settled by what the labels are, else the one that was named.

    Raises:
        ConfigError: there is no such loss, it is for other labels, or a setting is for another.
    """
    name = config.name
    if is_code_name(name):
        _check_settings(config, name, spec.task)
        return name
    if name not in our_losses():
        raise ConfigError(
            f"There is no loss {name!r}.", hint_for(name, our_losses()), key="loss.name"
        )
    fitting = LOSSES[spec.task]
    if name == AUTO_LOSS:
        name = fitting[0]
    if name not in fitting:
        raise ConfigError(
            f"loss.name is {name}, but the labels of {spec.name} are {LABEL_NOUNS[spec.task]}.",
            f"Choose {_listed(fitting)}, or auto.",
            key="loss.name",
        )
    _check_settings(config, name, spec.task)
    return name


def _check_settings(config: LossConfig, name: str, task: Task) -> None:
    default = LossConfig()
    for setting, losses in _SETTINGS.items():
        if getattr(config, setting) == getattr(default, setting) or name in losses:
            continue
        if setting == "ignore_index" and is_code_name(name) and task == "classification":
            # Samples of that label do not count in the figures of a run, whatever its loss.
            continue
        raise ConfigError(
            f"loss.{setting} is for {_listed(losses)}, but loss.name is {name}.",
            f"Set loss.{setting} to {getattr(default, setting)!r}.",
            key=f"loss.{setting}",
        )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]


def choosing_metric(spec: DatasetSpec) -> str:
    """The figure of a validation by which the best weights are chosen.

    Of several targets it is the mean R², which has no unit: a mean of their errors would be that
    of the target with the largest numbers.
    """
    if spec.task == "regression":
        return "rmse" if spec.num_outputs == 1 else "r2"
    return "f1" if spec.task == "multilabel" else "accuracy"
