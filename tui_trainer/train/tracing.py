"""Where in the passes of a step a number is born that is not finite.

Each module is looked at as it runs, and each operation as its gradient is computed, which is far
too slow for training: it is for a step that is known to go wrong.
"""

from __future__ import annotations

import functools
import re
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from tui_trainer.data.batches import Batch
from tui_trainer.train.step import Stepper

_OWN_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')
# Whose lines say nothing to whoever wrote a model: libraries, this program, and what has no file.
_FOREIGN = (
    "<",
    str(Path(__file__).parents[1]),
    str(Path(torch.__file__).parents[1]),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
)


class Birth(NamedTuple):
    """The first thing that was not finite.

    `place` is a module or the loss; a parameter's name where the weights were not finite before,
    or where only the norm of all gradients is not, of which that one's is the largest. Of a
    gradient `operation` is whose, in autograd's words like `sqrt`, and `line` where the user's own
    code calls it, empty where it does not. `input_max` and `weight_max` are the largest magnitudes
    that went into a module, 0 where there are none.
    """

    kind: Literal["weights", "batch", "forward", "backward", "norm"]
    place: str = ""
    operation: str = ""
    line: str = ""
    input_max: float = 0.0
    weight_max: float = 0.0


def trace_step(
    stepper: Stepper, batch: Batch, step: int, *, is_compiled: bool = False
) -> Birth | None:
    """Repeat the passes of a step, without an update, and say where trouble begins.

    None comes back where the step is finite this time.

    The random numbers are those of `step`; a model that `is_compiled` runs as it was before.
    Gradients and the statistics of norm layers are left as the passes leave them.

    Raises:
        DeviceError: memory ran out.
    """
    for name, parameter in stepper.model.named_parameters():
        if _is_bad(parameter):
            return Birth("weights", name)
    if not batch.x.isfinite().all():
        return Birth("batch")
    tracer = _Tracer(stepper.model)
    with (
        # Only then: it imports the compiler.
        torch.compiler.set_stance("force_eager") if is_compiled else nullcontext(),
        # For the line of code that each operation was called from.
        torch.autograd.set_detect_anomaly(True, check_nan=False),
        tracer.looking(),
    ):
        loss, _ = stepper.differentiate(batch, step=step, backward=tracer.run_backward)
    gradients = {n: p.grad for n, p in stepper.model.named_parameters() if p.grad is not None}
    total = loss + torch.stack(torch._foreach_norm([*gradients.values()])).float().norm()
    if total.isfinite():
        return None
    if tracer.birth is not None:
        return tracer.birth
    sizes = {name: float(gradient.abs().max()) for name, gradient in gradients.items()}
    return Birth("norm", max(sizes, key=lambda name: sizes[name]))


class _Tracer:
    """Looks over the shoulder of a model's passes."""

    def __init__(self, model: nn.Module) -> None:
        self.birth: Birth | None = None
        self._before_part: Birth | None = None
        self._model = model
        self._names = {module: name for name, module in model.named_modules()}
        self._running: list[nn.Module] = []
        self._owners: dict[Node, str] = {}

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look at every module that is run meanwhile."""
        handles: list[RemovableHandle] = []
        for module in self._names:
            if isinstance(module, torch.jit.ScriptModule):
                # It takes no hooks; its operations then belong to whoever calls it.
                continue
            handles += [
                module.register_forward_pre_hook(self._before, with_kwargs=True),
                module.register_forward_hook(self._after, with_kwargs=True),
            ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._owners.clear()

    def run_backward(self, loss: Tensor) -> None:
        """Compute the gradients of a part of the batch, looking at each operation's."""
        self._own([loss], "the loss")
        if _is_bad(loss):
            self._tell(Birth("forward", "the loss"))
        else:
            # What was infinite on the way, as in a mask of attention, did no harm.
            self.birth = self._before_part
        loss.backward()  # type: ignore[no-untyped-call]
        self._owners.clear()
        self._before_part = self.birth

    def _before(self, module: nn.Module, inputs: Any, named: Any) -> None:
        if module is self._model:
            # A pass for which memory ran out may have ended within.
            self._running.clear()
            self._owners.clear()
        elif not self._running:
            # Activations that are computed again in the backward pass.
            return
        tensors = list(_tensors_in((inputs, named)))
        if self._running:
            caller = self._title(self._running[-1])
            self._own(tensors, caller)
            if any(map(_is_bad, tensors)):
                self._tell(Birth("forward", caller))
        self._running.append(module)

    def _after(self, module: nn.Module, inputs: Any, named: Any, output: Any) -> None:
        if not self._running:
            return
        self._running.pop()
        outputs = list(_tensors_in(output))
        self._own(outputs, self._title(module))
        if self.birth is None and any(map(_is_bad, outputs)):
            given = list(_tensors_in((inputs, named)))
            weights = list(module.parameters(recurse=False))
            sizes = _largest(given), _largest(weights)
            self._tell(Birth("forward", self._title(module), "", "", *sizes))

    def _title(self, module: nn.Module) -> str:
        kind = type(module).__name__
        name = self._names[module]
        return f"{name} ({kind})" if name else f"the model ({kind})"

    def _tell(self, birth: Birth) -> None:
        self.birth = self.birth or birth

    def _own(self, tensors: Iterable[Tensor], owner: str) -> None:
        """Note `owner` as where every operation comes from that led to `tensors` and has none."""
        nodes = [tensor.grad_fn for tensor in tensors]
        while nodes:
            node = nodes.pop()
            if node is None or node in self._owners:
                continue
            self._owners[node] = owner
            node.register_hook(functools.partial(self._look_at_gradients, node))
            nodes += [before for before, _ in node.next_functions]

    def _look_at_gradients(
        self, node: Node, found: Sequence[Tensor | None], given: Sequence[Tensor | None]
    ) -> None:
        if self.birth is None and not all(g.isfinite().all() for g in found if g is not None):
            self._tell(Birth("backward", self._owners[node], *_operation_of(node)))


def _operation_of(node: Node) -> tuple[str, str]:
    """What autograd calls the operation whose gradient `node` computes, and where it is called.

    Of the lines that led to it the innermost counts that is neither PyTorch's nor this program's.
    """
    name = re.sub(r"Backward\d*$", "", node.name())
    operation = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    for frame in reversed(cast(Any, node).metadata.get("traceback_", [])):
        match = _OWN_FRAME.search(frame)
        if match and not match["file"].startswith(_FOREIGN):
            return operation, f"{Path(match['file']).name}:{match['line']}"
    return operation, ""


def _tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in what a module is given or gives, however deep in lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors_in(part)


def _is_bad(tensor: Tensor) -> bool:
    """Whether there is NaN or infinity in it; in a constant −∞ may be meant, as in a mask."""
    is_bad = ~tensor.detach().isfinite()
    if not tensor.requires_grad:
        is_bad &= tensor.detach() != float("-inf")
    return bool(is_bad.any())


def _largest(tensors: Iterable[Tensor]) -> float:
    sizes = [float(t.detach().abs().max()) for t in tensors if t.is_floating_point() and t.numel()]
    return max(sizes, default=0.0)
