"""Back to a checkpoint from before numbers went wrong, past the batches that led there.

The remedy of Chowdhery et al. 2022 ("PaLM: Scaling Language Modeling with Pathways", section 5.1):
go back to a checkpoint from before, and leave out the batches that were seen between it and the
trouble. Going back alone would help nothing: a resumed run repeats the run to the bit.
"""

from __future__ import annotations

from tui_trainer import paths
from tui_trainer.checkpoints.layout import folder_name, list_steps
from tui_trainer.checkpoints.read import set_aside
from tui_trainer.core import events
from tui_trainer.core.format import format_count
from tui_trainer.errors import NonFiniteError
from tui_trainer.store.run_writer import RunWriter

Spans = tuple[tuple[int, int], ...]
"""Spans of steps, first and last."""

_MOST = 10


def roll_back(writer: RunWriter, left_out: Spans, error: NonFiniteError) -> Spans:
    """The steps to leave out, once a run that is resumed would begin before those that failed.

    Where the same checkpoint led to trouble before, it is set aside, and the one before is used,
    if there is one.

    Raises:
        NonFiniteError: it was rolled back so often that it will be no better.
    """
    if len(left_out) >= _MOST:
        raise NonFiniteError(
            f"{error.message} The run was rolled back {_MOST} times before.",
            "Try a smaller --lr, and look at the data.",
            step=error.step,
        ) from error
    checkpoints = writer.run / paths.CHECKPOINTS
    steps = [step for step in list_steps(checkpoints) if step < error.step]
    if len(steps) > 1 and left_out and steps[-1] + 1 == left_out[-1][0]:
        set_aside(checkpoints / folder_name(steps.pop()), "rolled-back")
    from_step = steps[-1] if steps else 0
    span = (from_step + 1, error.step)
    text = (
        f"{error.message} Rolled back to step {format_count(from_step)}; what is trained on from "
        f"there to step {format_count(error.step)} is left out."
    )
    writer.emit(events.Message(text=text, level="warning"))
    return (*left_out, span)
