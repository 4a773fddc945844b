"""Weights that a model begins with, from a file: by name and shape, and nothing left unsaid."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tui_trainer.checkpoints.layout import AVERAGED, MANIFEST, MODEL
from tui_trainer.checkpoints.names import match_names
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import CheckpointError, ExitStatus

_PICKLES = (".pt", ".pth", ".ckpt", ".bin")
# Where training scripts put the weights among other things, in the order of preference.
_NESTS = ("state_dict", "model_state_dict", "model")
_NAMES_PER_LINE = 40
_MAX_NAME = 200
_SAVE_WEIGHTS = "Save the weights alone, with torch.save(model.state_dict(), FILE) or safetensors."


class InitialWeightsError(CheckpointError):
    """The file of initial weights cannot be used; training has not begun."""

    code = "initial-weights"
    exit_status = ExitStatus.USAGE


class InitReport(msgspec.Struct, frozen=True, kw_only=True):
    """What of a file went into a model, and what did not.

    Attributes:
        loaded: the model's names of the weights that were loaded.
        stripped: the wrappers' prefixes that were taken off names of the file.
        missing: the model's names that the file does not have; they keep their values.
        unexpected: the file's names that the model does not have.
        misfits: names in both whose tensors do not fit, with the reason.
        non_finite: names of loaded weights that hold NaN or infinity.
    """

    loaded: tuple[str, ...]
    stripped: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    misfits: tuple[str, ...]
    non_finite: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """What was loaded, and what of the file was not; the rest is in `warnings`."""
        total = len(self.loaded) + len(self.missing) + len(self.misfits)
        first = f"{len(self.loaded)} of the model's {total} tensors loaded"
        if self.stripped:
            first += f", {' '.join(self.stripped)} taken off their names"
        return [first, *_listed("in the file but not in the model", self.unexpected)]

    @property
    def warnings(self) -> list[str]:
        """What may be a mistake; every tensor of the model that was not loaded is named."""
        return [
            *_listed("initial weights not in the file, left as they were", self.missing),
            *_listed("initial weights not loaded, they do not fit", self.misfits),
            *_listed("initial weights hold NaN or infinity", self.non_finite),
        ]


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors in a file of weights, by name, on the CPU.

    It is a .safetensors file, one of torch.save with a state dict (also under `state_dict`,
    `model_state_dict` or `model`), or a run's checkpoint, whose averaged weights are preferred. No
    code in a file is ever run.

    Raises:
        InitialWeightsError: it is not there, is damaged, or holds something else.
    """
    try:
        if (file / MANIFEST).is_file():
            return read_checkpoint(file).judged
        if file.name in (MODEL, AVERAGED) and (file.parent / MANIFEST).is_file():
            checkpoint = read_checkpoint(file.parent)
            return checkpoint.model if file.name == MODEL else checkpoint.judged
        if not file.is_file():
            raise _missing(file)
    except OSError as error:
        raise _unreadable(file, error.strerror or str(error)) from error
    except InitialWeightsError:
        raise
    except CheckpointError as error:
        raise InitialWeightsError(error.message, error.hint) from error
    if file.suffix.lower() == ".safetensors":
        return _named_tensors(file, _read_safetensors(file))
    if file.suffix.lower() in _PICKLES:
        return _named_tensors(file, _unwrap(_read_pickle(file)))
    raise InitialWeightsError(
        f"{file} is of no kind that weights are read from.",
        f"Give a .safetensors file or one of torch.save: {', '.join(_PICKLES)}.",
    )


def load_initial(model: nn.Module, tensors: Mapping[str, Tensor]) -> InitReport:
    """Load what fits by name and shape into `model`; what does not is told.

    Names are also tried without the prefixes that wrappers of a model leave in them. Numbers are
    converted to the model's, but whole numbers do not become fractions or the reverse.

    Raises:
        InitialWeightsError: nothing fits.
    """
    state: dict[str, Any] = model.state_dict()
    targets = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    sources, stripped = match_names(tensors, targets)
    misfits = {
        name: reason
        for name, key in sources.items()
        if (reason := _misfit(tensors[key], targets[name])) is not None
    }
    chosen = {
        name: tensors[key].to(targets[name].dtype)
        for name, key in sources.items()
        if name not in misfits
    }
    if not chosen:
        raise _nothing_fits(tensors, targets, misfits)
    report = InitReport(
        loaded=tuple(chosen),
        stripped=stripped,
        missing=tuple(name for name in targets if name not in sources),
        unexpected=tuple(key for key in tensors if key not in sources.values()),
        misfits=tuple(f"{name} ({reason})" for name, reason in misfits.items()),
        non_finite=tuple(n for n, tensor in chosen.items() if _adds_non_finite(tensor, targets[n])),
    )
    try:
        model.load_state_dict(chosen, strict=False)
    except RuntimeError as error:
        raise InitialWeightsError(
            f"The model refuses the weights: {error}.", "Begin with fresh weights."
        ) from error
    return report


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(file)
        return tensors
    except Exception as error:
        raise _unreadable(file, str(error)) from error


def _read_pickle(file: Path) -> Any:
    """What torch.save put into a file, without what would run code."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            is_zip = zipfile.is_zipfile(file)
            return torch.load(file, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise InitialWeightsError(
            f"{file} is damaged or holds more than weights, which could run code and is not "
            "loaded.",
            _SAVE_WEIGHTS,
        ) from error
    except (EOFError, LookupError) as error:
        raise _unreadable(file, "it is not a file of torch.save") from error
    except Exception as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise _unreadable(file, reason) from error


def _unwrap(content: Any) -> Any:
    """The weights in what a training script saved: its deepest known nest."""
    while isinstance(content, Mapping):
        nests = (content[nest] for nest in _NESTS if isinstance(content.get(nest), Mapping))
        nested = next(nests, None)
        if nested is None:
            break
        content = nested
    return content


def _named_tensors(file: Path, content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        what = f"a {type(content).__name__}"
        raise InitialWeightsError(f"{file} holds {what}, not weights by name.", _SAVE_WEIGHTS)
    # Extra state is what a module keeps beside its weights, and has no place in another's.
    tensors = {k: v for k, v in content.items() if not str(k).endswith("_extra_state")}
    for name, value in tensors.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            kind = type(value).__name__
            entry = sanitize(repr(name), limit=_MAX_NAME)
            message = f"{file} holds more than weights by name: {entry} is a {kind}."
            raise InitialWeightsError(message, _SAVE_WEIGHTS)
    if not tensors:
        raise InitialWeightsError(f"{file} holds no weights.", _SAVE_WEIGHTS)
    return tensors


def _misfit(tensor: Tensor, target: Tensor) -> str | None:
    """Why a tensor of the file cannot take the place of one of the model; None if it can."""
    if tensor.layout is not torch.strided or tensor.is_meta:
        return "no plain tensor in the file"
    if tensor.shape != target.shape:
        return f"{_size(tensor)} in the file, {_size(target)} in the model"
    if _kind(tensor) != _kind(target):
        file_type, model_type = (str(t.dtype).removeprefix("torch.") for t in (tensor, target))
        return f"{file_type} in the file, {model_type} in the model"
    return None


def _kind(tensor: Tensor) -> tuple[bool, bool]:
    return tensor.is_floating_point(), tensor.is_complex()


def _size(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "a single number"


def _adds_non_finite(tensor: Tensor, target: Tensor) -> bool:
    """Whether it is not finite where the model is: a mask may well hold infinities."""
    return bool((~torch.isfinite(tensor) & torch.isfinite(target.detach().cpu())).any())


def _listed(title: str, names: tuple[str, ...]) -> list[str]:
    """`3 TITLE: a, b, c`, in as many lines as it takes."""
    shown = [sanitize(name, limit=_MAX_NAME) for name in names]
    return [
        f"{len(names)} {title}{' (more)' if start else ''}: "
        + ", ".join(shown[start : start + _NAMES_PER_LINE])
        for start in range(0, len(shown), _NAMES_PER_LINE)
    ]


def _nothing_fits(
    tensors: Mapping[str, Tensor], targets: Mapping[str, Tensor], misfits: Mapping[str, str]
) -> InitialWeightsError:
    hint = "Give weights of the same model, or begin with fresh ones."
    if misfits:
        name, reason = next(iter(misfits.items()))
        return InitialWeightsError(
            f"None of the weights in the file fits the model: {name} is {reason}.", hint
        )
    theirs, ours = (
        sanitize(", ".join([*names][:3]), limit=_MAX_NAME) + (" …" if len(names) > 3 else "")
        for names in (tensors, targets)
    )
    return InitialWeightsError(
        f"None of the weights in the file is named as one of the model's: it has {theirs}; the "
        f"model has {ours}.",
        hint,
    )


def _missing(file: Path) -> InitialWeightsError:
    if file.is_dir():
        return InitialWeightsError(
            f"{file} is a folder without a checkpoint.",
            "Give a file of weights, or a folder like runs/run1/checkpoints/step-00000100.",
        )
    there = "is no regular file" if file.exists() else "does not exist"
    return InitialWeightsError(f"{file} {there}.", "Give a file of weights.")


def _unreadable(file: Path, reason: str) -> InitialWeightsError:
    return InitialWeightsError(
        f"The weights in {file} cannot be read: {sanitize(reason, limit=300).rstrip('.')}.",
        "Give a whole file of weights, .safetensors or one of torch.save.",
    )
