"""What signals ask of a training loop; set by handlers, polled between steps. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Interrupts:
    """Requests that arrived as signals and wait to be obeyed."""

    stop_signal: int | None = None
    wants_checkpoint: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether there is something to obey."""
        return self.stop_signal is not None or self.wants_checkpoint
