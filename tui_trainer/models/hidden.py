"""Parameters that a model holds where PyTorch does not look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from torch import nn

_DEEPEST = 4
_OWN_ATTRIBUTES = frozenset(vars(nn.Module()))


def hidden_parameters(model: nn.Module) -> list[str]:
    """A clause for each attribute whose list, tuple, set or dict hides parameters.

    Such parameters are not trained, not moved to the device and not saved.
    """
    registered = {id(parameter) for parameter in model.parameters()}
    found = []
    for prefix, module in model.named_modules():
        for attribute, value in vars(module).items():
            if attribute in _OWN_ATTRIBUTES or not _is_container(value):
                continue
            if any(id(parameter) not in registered for parameter in _parameters_in(value, 0)):
                name = f"{prefix}.{attribute}" if prefix else attribute
                kind = "Dict" if isinstance(value, Mapping) else "List"
                found.append(
                    f"the parameters in its plain {type(value).__name__} {name} are not trained, "
                    f"moved or saved: use nn.Module{kind} or nn.Parameter{kind}"
                )
    return found


def _is_container(value: object) -> bool:
    return isinstance(value, Mapping | Sequence | Set) and not isinstance(value, str | bytes)


def _parameters_in(value: Any, depth: int) -> Iterator[nn.Parameter]:
    if isinstance(value, nn.Parameter):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
    elif _is_container(value) and depth < _DEEPEST:
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _parameters_in(item, depth + 1)
