"""Adagrad, RMSprop and Adadelta whose steps can be masked on the device.

Torch has a fused kernel that obeys `found_inf` for SGD, Adam and AdamW on every device, for
Adagrad on some, for the other two on none. But each of their sums, averages and updates has the
form of a step of SGD, `x ← x - lr · (change + weight_decay · x)`, so that SGD's fused kernel keeps
their books: where `found_inf` is 1 neither weights nor state change, and nobody waits for the
device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.adagrad import adagrad
from torch.optim.sgd import sgd

Tensors = list[Tensor]


class MaskedOptimizer(Optimizer):
    """An optimizer that, like the fused ones, does nothing where `found_inf` is 1.

    The state begins as zeros, laid out in memory as the parameters are.
    """

    found_inf: Tensor | None = None
    _state_names: ClassVar[tuple[str, ...]]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)
        for group in self.param_groups:
            for parameter in group["params"]:
                for name in self._names_of(group):
                    self.state[parameter][name] = torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Change the parameters that have a gradient. A closure is not taken."""
        assert closure is None
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            grads = [p.grad for p in params]
            if group["weight_decay"]:
                grads = list(torch._foreach_add(grads, params, alpha=group["weight_decay"]))
            state = {name: [self.state[p][name] for p in params] for name in self._names_of(group)}
            self._update(group, params, grads, state)

    def _names_of(self, group: dict[str, Any]) -> tuple[str, ...]:
        return self._state_names

    def _update(
        self, group: dict[str, Any], params: Tensors, grads: Tensors, state: dict[str, Tensors]
    ) -> None:
        raise NotImplementedError

    def _descend(
        self,
        targets: Tensors,
        changes: Tensors,
        lr: float,
        *,
        decay: float = 0.0,
        momentum: float = 0.0,
        buffers: Tensors | None = None,
    ) -> None:
        """A masked step of SGD on `targets`."""
        sgd(
            targets,
            changes,
            list(buffers or []),
            fused=True,
            found_inf=self.found_inf,
            weight_decay=decay,
            momentum=momentum,
            lr=lr,
            dampening=0.0,
            nesterov=False,
            maximize=False,
        )

    def _average(self, averages: Tensors, values: Tensors, keep: float) -> None:
        """`average ← keep · average + (1 - keep) · value`, masked."""
        self._descend(averages, values, keep - 1.0, decay=-1.0)


class MaskedAdagrad(MaskedOptimizer):
    """Adagrad (Duchi, Hazan, Singer, "Adaptive Subgradient Methods", 2011)."""

    _state_names = ("sum",)

    def __init__(self, params: Iterable[Any], *, lr: float, eps: float = 1e-10) -> None:
        super().__init__(params, {"lr": lr, "eps": eps, "weight_decay": 0.0})

    def _update(
        self, group: dict[str, Any], params: Tensors, grads: Tensors, state: dict[str, Tensors]
    ) -> None:
        update = self._update_fused if params[0].is_cpu else self._update_composed
        update(group, params, grads, state["sum"])

    def _update_composed(
        self, group: dict[str, Any], params: Tensors, grads: Tensors, sums: Tensors
    ) -> None:
        changes = _squared(grads)
        self._descend(sums, changes, -1.0)
        _divide_by_root(grads, sums, group["eps"], into=changes)
        self._descend(params, changes, group["lr"])

    def _update_fused(
        self, group: dict[str, Any], params: Tensors, grads: Tensors, sums: Tensors
    ) -> None:
        # Torch counts steps for a decay of the learning rate, of which there is none here.
        steps = [torch.zeros(())] * len(params)
        adagrad(
            params,
            grads,
            sums,
            steps,
            fused=True,
            found_inf=self.found_inf,
            has_sparse_grad=False,
            differentiable=False,
            has_complex=False,
            lr=group["lr"],
            weight_decay=0.0,
            lr_decay=0.0,
            eps=group["eps"],
            maximize=False,
        )


class MaskedRMSprop(MaskedOptimizer):
    """RMSprop (Hinton, "Neural Networks for Machine Learning", lecture 6, 2012), with momentum."""

    _state_names = ("square_avg",)

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        alpha: float,
        momentum: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        defaults = {"lr": lr, "alpha": alpha, "momentum": momentum, "eps": eps}
        super().__init__(params, defaults | {"weight_decay": 0.0})

    def _names_of(self, group: dict[str, Any]) -> tuple[str, ...]:
        return (*self._state_names, "momentum_buffer") if group["momentum"] else self._state_names

    def _update(
        self, group: dict[str, Any], params: Tensors, grads: Tensors, state: dict[str, Tensors]
    ) -> None:
        changes = _squared(grads)
        self._average(state["square_avg"], changes, group["alpha"])
        _divide_by_root(grads, state["square_avg"], group["eps"], into=changes)
        self._descend(
            params,
            changes,
            group["lr"],
            momentum=group["momentum"],
            buffers=state.get("momentum_buffer"),
        )


class MaskedAdadelta(MaskedOptimizer):
    """Adadelta (Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012)."""

    _state_names = ("square_avg", "acc_delta")

    def __init__(self, params: Iterable[Any], *, lr: float, rho: float, eps: float = 1e-6) -> None:
        super().__init__(params, {"lr": lr, "rho": rho, "eps": eps, "weight_decay": 0.0})

    def _update(
        self, group: dict[str, Any], params: Tensors, grads: Tensors, state: dict[str, Tensors]
    ) -> None:
        eps, rho = group["eps"], group["rho"]
        self._average(state["square_avg"], _squared(grads), rho)
        changes = _root(torch._foreach_add(state["acc_delta"], eps))
        torch._foreach_div_(changes, _root(torch._foreach_add(state["square_avg"], eps)))
        torch._foreach_mul_(changes, grads)
        self._average(state["acc_delta"], _squared(changes), rho)
        self._descend(params, changes, group["lr"])


def _squared(values: Tensors) -> Tensors:
    return list(torch._foreach_mul(values, values))


def _root(values: Iterable[Tensor]) -> Tensors:
    """The square roots, in place."""
    roots = list(values)
    torch._foreach_sqrt_(roots)
    return roots


def _divide_by_root(values: Tensors, squares: Tensors, eps: float, *, into: Tensors) -> None:
    """`value / (√square + eps)`, written to tensors at hand: new memory is what costs most."""
    torch._foreach_copy_(into, squares)
    torch._foreach_sqrt_(into)
    torch._foreach_add_(into, eps)
    torch._foreach_reciprocal_(into)
    torch._foreach_mul_(into, values)
