"""Known mistakes that show while a run trains."""

from __future__ import annotations

from torch import nn

from tui_trainer.core.events import Diagnosed
from tui_trainer.core.format import format_bytes, format_count, format_counted
from tui_trainer.core.memory_growth import MemoryWatch

_LOOKS = 10
_MOST_NAMED = 5


class IdleDiagnosis:
    """T302: parameters that are to be trained and get no gradient.

    The model is looked at after several steps, as one may leave out another part in each.
    """

    def __init__(self, model: nn.Module) -> None:
        self._trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._idle = list(self._trained)
        self._num_looks = self._last_step = 0

    def look(self, step: int, *, is_last: bool) -> Diagnosed | None:
        """What the gradients left by `step` show, once they were looked at often enough.

        `is_last`: an epoch is over, and there need not be another look.
        """
        if not self._idle:
            return None
        idle = [name for name in self._idle if self._trained[name].grad is None]
        # Where there is none at all, no step was taken: it was one of those that a run leaves out.
        if len(idle) == len(self._trained):
            return None
        self._idle = idle
        self._num_looks += step != self._last_step
        self._last_step = step
        if not idle or (self._num_looks < _LOOKS and not is_last):
            return None
        self._idle = []
        more = f" and {len(idle) - _MOST_NAMED} more" if len(idle) > _MOST_NAMED else ""
        looked_at = format_counted(self._num_looks, "step")
        return Diagnosed(
            code="T302",
            severity="warning",
            seen=f"No gradient reached {', '.join(idle[:_MOST_NAMED])}{more} in the {looked_at} "
            f"looked at.",
            advice="See that forward uses them, without detach() or no_grad(). If they are to stay "
            "as they are, name them in --freeze.",
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
