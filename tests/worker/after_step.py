"""Something of a test's own that a worker does after each of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class AfterStep:
    """`code` runs after each optimizer step, with `os`, `signal` and the number `step` in reach."""

    code: str

    def arrange(self) -> None:
        """In the worker, before its work: have it happen."""
        import os
        import signal

        from tui_trainer.train.step import Stepper

        train_step = Stepper.__call__
        code = self.code

        def and_then(self: Stepper, batch: Any, *, step: int, **given: Any) -> None:
            train_step(self, batch, step=step, **given)
            exec(code, {"os": os, "signal": signal, "step": step})

        Stepper.__call__ = and_then  # type: ignore[method-assign]
