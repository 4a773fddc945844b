"""Building a model of the user's own for a dataset, and trying it before a run is paid for.

Shapes: B samples, K classes, L tokens, F features.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from tui_trainer.core.randomness import mix_seed
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import ModelError
from tui_trainer.models.hidden import hidden_parameters
from tui_trainer.models.seeding import randomness_from
from tui_trainer.models.user_code import LoadedCode, explained

_WEIGHTS = 0x6D6F64656C
_TRIAL = 0x747269616C
_TRIAL_BATCH_SIZE = 2
_MAX_TOLD = 500
_PARAMETERS = ("num_classes", "num_outputs", "in_channels", "input_shape", "vocabulary")


def build_user_model(
    loaded: LoadedCode, spec: DatasetSpec, seed: int
) -> tuple[nn.Module, list[str]]:
    """The user's model for a dataset, its weights drawn from `seed` alone, on the CPU.

    The class or function is called with those of `num_classes`, `in_channels`, `input_shape` and
    `vocabulary` that its signature names; `num_outputs` is another name of `num_classes`, which in
    a regression is the number of targets. A copy of the model then takes a small batch, in
    evaluation and in training mode. What looks wrong but can be trained comes back as warnings.

    Raises:
        ModelError: it is no model, cannot be built, raises, has nothing to train, or returns
            something other than logits B×K or, in a regression, numbers B×T.
    """
    with randomness_from(mix_seed(seed, _WEIGHTS)):
        model = _construct(loaded, spec)
        _settle_sizes(loaded, model, spec)
    hidden = hidden_parameters(model)
    _check_trainable(loaded, model, hidden)
    with randomness_from(mix_seed(seed, _TRIAL)):
        warnings = _try(loaded, model, spec)
    return model, [f"the {loaded.title}: {warning}" for warning in (*hidden, *warnings)]


def trial_inputs(spec: DatasetSpec, batch_size: int) -> Tensor:
    """Random inputs as a model is given them: int64 B×L of tokens, else float32 B×shape."""
    shape = (batch_size, *spec.shape)
    if spec.kind == "tokens":
        return torch.randint(spec.vocabulary, shape, device="cpu")
    return torch.randn(shape, dtype=torch.float32, device="cpu")


def _construct(loaded: LoadedCode, spec: DatasetSpec) -> nn.Module:
    make = loaded.object
    if isinstance(make, nn.Module) or not callable(make):
        what = "a model built already" if isinstance(make, nn.Module) else _a(make)
        raise ModelError(
            f"The {loaded.title} is {what}, not a class or function that makes a model.",
            "Name the nn.Module's class, or a function that returns one.",
        )
    arguments = _choose_arguments(loaded, make, spec)
    with explained(loaded.title, loaded.path, "when it is built", ModelError):
        model = make(**arguments)
    if not isinstance(model, nn.Module):
        raise ModelError(
            f"The {loaded.title} makes {_a(model)}, not a torch.nn.Module.",
            "Name the nn.Module's class, or a function that returns one.",
        )
    with explained(loaded.title, loaded.path, "when it is moved to the CPU", ModelError):
        return model.cpu()


def _choose_arguments(
    loaded: LoadedCode, make: Callable[..., Any], spec: DatasetSpec
) -> dict[str, Any]:
    offered: dict[str, Any] = {
        "num_classes": spec.num_outputs,
        "num_outputs": spec.num_outputs,
        "input_shape": spec.shape,
    }
    if spec.kind == "tokens":
        offered["vocabulary"] = spec.vocabulary
    else:
        offered["in_channels"] = spec.shape[0]
    try:
        parameters = inspect.signature(make).parameters.values()
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"The {loaded.title} does not show its parameters.",
            "Name a function of your own that calls it.",
        ) from error
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    chosen = {p.name: offered[p.name] for p in parameters if p.name in offered if p.kind in by_name}
    for p in parameters:
        if p.name not in chosen and p.default is p.empty and p.kind not in variable:
            raise ModelError(
                f"The {loaded.title} needs a value for {p.name}, which {_why_not(p, spec)}.",
                f"Give it a default; what can be asked for by name is {', '.join(offered)}.",
            )
    return chosen


def _why_not(parameter: inspect.Parameter, spec: DatasetSpec) -> str:
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return "cannot be given by name"
    if parameter.name in _PARAMETERS:
        return f"{spec.name}, a dataset of kind {spec.kind}, does not have"
    return "tuitrain does not know"


def _settle_sizes(loaded: LoadedCode, model: nn.Module, spec: DatasetSpec) -> None:
    """Let lazy layers find their sizes, and draw their weights, in one pass of a batch."""
    if not any(map(is_lazy, chain(model.parameters(), model.buffers()))):
        return
    was_training = model.training
    _forward(loaded, model.eval(), trial_inputs(spec, _TRIAL_BATCH_SIZE))
    model.train(was_training)
    if any(map(is_lazy, chain(model.parameters(), model.buffers()))):
        raise ModelError(
            f"The {loaded.title} has lazy layers that no batch passes through.",
            "Remove them, or give them their sizes.",
        )


def _check_trainable(loaded: LoadedCode, model: nn.Module, hidden: list[str]) -> None:
    parameters = list(model.parameters())
    if any(p.requires_grad for p in parameters):
        return
    if parameters:
        raise ModelError(
            f"The {loaded.title} has nothing to train: no parameter requires a gradient.",
            "Leave requires_grad as it is; parts are frozen with --set model.freeze=NAMES.",
        )
    raise ModelError(
        "; ".join([f"The {loaded.title} holds no parameters", *hidden]) + ".",
        "Assign layers to attributes of the module, or keep them in nn.ModuleList.",
    )


def _try(loaded: LoadedCode, model: nn.Module, spec: DatasetSpec) -> list[str]:
    """Pass a batch through a copy in both modes; warnings come back."""
    try:
        trial = copy.deepcopy(model)
    except Exception as error:
        raise ModelError(
            f"The {loaded.title} cannot be copied, which averaging and checks need: "
            f"{sanitize(f'{type(error).__name__}: {error}', limit=_MAX_TOLD).rstrip('.')}.",
            "Keep no results of computations as attributes; of torch.nn.utils use "
            "parametrizations.weight_norm.",
        ) from error
    inputs = trial_inputs(spec, _TRIAL_BATCH_SIZE)
    logits_BK = _forward(loaded, trial.eval(), inputs)
    _check_logits(loaded, logits_BK, spec)
    trained_BK = _forward(loaded, trial.train(), inputs, grad=True)
    _check_logits(loaded, trained_BK, spec)
    if not trained_BK.requires_grad:
        raise ModelError(
            f"The {loaded.title} cannot be trained: its output has no gradient.",
            "Leave detach(), no_grad() and numpy out of forward().",
        )
    return _judge_outputs(logits_BK, spec)


def _forward(loaded: LoadedCode, model: nn.Module, inputs: Tensor, *, grad: bool = False) -> Any:
    mode = "training" if model.training else "evaluation"
    doing = f"in {mode} mode on {str(inputs.dtype).removeprefix('torch.')} {list(inputs.shape)}"
    with torch.set_grad_enabled(grad), explained(loaded.title, loaded.path, doing, ModelError):
        # A model may change what it is given.
        return model(inputs.clone())


def _check_logits(loaded: LoadedCode, output: Any, spec: DatasetSpec) -> None:
    if not isinstance(output, Tensor):
        raise ModelError(
            f"The {loaded.title} returns {_a(output)}, not a tensor.", "Return the logits alone."
        )
    wanted = [_TRIAL_BATCH_SIZE, spec.num_outputs]
    if list(output.shape) != wanted:
        name, each = "num_classes", "one logit for each class"
        if spec.task == "regression":
            name, each = "num_outputs", "one number for each target"
        raise ModelError(
            f"The {loaded.title} returns {list(output.shape)} for a batch of {wanted[0]}, "
            f"not {wanted}, which is [batch, {name}].",
            f"Take {name} as a parameter and end in {each}.",
        )
    if not output.is_floating_point():
        raise ModelError(
            f"The {loaded.title} returns {output.dtype}, not floating point.",
            "Return logits, not the numbers of classes.",
        )


def _judge_outputs(logits_BK: Tensor, spec: DatasetSpec) -> list[str]:
    """What looks wrong in the untrained outputs of evaluation mode."""
    if not logits_BK.isfinite().all():
        return ["its untrained outputs are not all finite"]
    if spec.task != "classification":
        return []
    sums_B = logits_BK.float().sum(1)
    if (logits_BK >= 0).all() and (sums_B - 1).abs().max() < 1e-3:
        return [
            "it seems to end in softmax, as each row of its outputs sums to 1; cross-entropy "
            "wants logits and learns badly from probabilities: leave the softmax out"
        ]
    return []


def _a(value: object) -> str:
    return f"an object of type {type(value).__name__}"
