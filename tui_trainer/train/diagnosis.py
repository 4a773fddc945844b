"""Known mistakes that show while a run trains."""

from __future__ import annotations

from torch import nn

from tui_trainer.core.events import Diagnosed
from tui_trainer.core.format import format_bytes, format_count
from tui_trainer.core.memory_growth import MemoryWatch

_MOST_NAMED = 5


def find_idle_parameters(model: nn.Module, step: int) -> Diagnosed | None:
    """T302: what is to be trained and got no gradient in the `step` just done."""
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    idle = [name for name, parameter in trained.items() if parameter.grad is None]
    # Where there is none at all, no step was taken: it was one of those that a run leaves out.
    if not idle or len(idle) == len(trained):
        return None
    more = f" and {len(idle) - _MOST_NAMED} more" if len(idle) > _MOST_NAMED else ""
    return Diagnosed(
        code="T302",
        severity="warning",
        seen=f"No gradient reached {', '.join(idle[:_MOST_NAMED])}{more}, which stay as they are.",
        advice="See that forward uses them, without detach() or no_grad(); or name them in "
        "--freeze.",
        step=step,
    )


class MemoryDiagnosis:
    """T301: memory that grows step by step."""

    def __init__(self) -> None:
        self._watch = MemoryWatch()

    def observe(self, step: int, memory_bytes: int) -> Diagnosed | None:
        """What the memory after `step`, looked at about once a second, shows to be wrong."""
        growth = self._watch.observe(step, memory_bytes)
        if growth is None:
            return None
        return Diagnosed(
            code="T301",
            severity="warning",
            seen=f"Memory grew by {format_bytes(growth.grown_bytes)} from step "
            f"{format_count(growth.first_step)} to {format_count(growth.last_step)}, about "
            f"{format_bytes(growth.bytes_per_step)} a step, and did not stop.",
            advice="Keep numbers of past steps, not tensors: with .item() or .detach(), or the "
            "graph of every step is kept.",
            step=step,
        )
