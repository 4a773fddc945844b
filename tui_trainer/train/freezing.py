"""Parts of a model that are not trained."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import ConfigError, ModelError

# A mark on the layer itself goes along when the model is copied.
_HELD = "_statistics_are_held"


def freeze(model: nn.Module, patterns: str) -> list[str]:
    """Stop the training of what `patterns` names; the frozen parameters' names come back.

    Patterns are separated by commas. Each is the name of a parameter or of a module, or a glob
    over such names (see `names_part`). The running statistics of norm layers that are frozen
    whole are to stay as well: call `hold_frozen_norms` whenever the model was put in training mode.

    Raises:
        ConfigError: a pattern matches nothing.
        ModelError: nothing is left to train.
    """
    wanted = [pattern.strip() for pattern in patterns.split(",") if pattern.strip()]
    parameters = dict(model.named_parameters(remove_duplicate=False))
    norms = dict(_norms_with_statistics(model))
    for pattern in wanted:
        if not any(names_part(pattern, name) for name in [*parameters, *norms]):
            modules = [name for name, _ in model.named_modules() if name]
            hint = hint_for(pattern, [*modules, *parameters])
            raise ConfigError(f"No part of the model is named {pattern!r}, to be frozen.", hint)
    names = [name for name in parameters if any(names_part(part, name) for part in wanted)]
    frozen = {id(parameters[name]) for name in names}
    if wanted and all(id(p) in frozen or not p.requires_grad for p in parameters.values()):
        raise ModelError(
            f"With {patterns!r} frozen, the model has nothing left to train.", "Freeze less of it."
        )
    for name in names:
        parameters[name].requires_grad_(False)
    for name, norm in norms.items():
        own = [id(parameter) in frozen for parameter in norm.parameters(recurse=False)]
        if all(own) if own else any(names_part(part, name) for part in wanted):
            setattr(norm, _HELD, True)
    return names


def names_part(pattern: str, name: str) -> bool:
    """Whether the glob `pattern` matches `name` or one of the modules around it.

    `layer1`, `layer*` and `layer1.0.conv.weight` match `layer1.0.conv.weight`; `layer1.0` does not
    match `layer1.01.weight`.
    """
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:end]), pattern) for end in range(1, len(parts) + 1))


def put_in_training_mode(model: nn.Module) -> None:
    """What training needs, but for the norm layers that are frozen."""
    model.train()
    hold_frozen_norms(model)


def hold_frozen_norms(model: nn.Module) -> None:
    """Put the norm layers that `freeze` froze whole in evaluation mode.

    In training mode their running statistics would follow the data and the frozen part would
    change nevertheless. `model.train()` undoes this; call it after each.
    """
    for _, norm in _norms_with_statistics(model):
        if getattr(norm, _HELD, False):
            norm.eval()


def _norms_with_statistics(model: nn.Module) -> Iterator[tuple[str, _NormBase]]:
    for name, module in model.named_modules():
        if isinstance(module, _NormBase) and module.running_mean is not None:
            yield name, module
