"""What people and signals ask of a training loop, answered between two steps."""

from __future__ import annotations

import contextlib
import math
import signal
import time
from typing import Protocol

from tui_trainer.core.events import ControlApplied, ControlRefused
from tui_trainer.core.sealed_json import numbers
from tui_trainer.errors import StorageError
from tui_trainer.store.control import Inbox, Request
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.interrupts import Interrupts

_PAUSE_POLL_S = 0.05
_INBOX_POLL_S = 0.1

REPLAYED = "replayed"
"""The id under which a resumed session logs what it sets again."""


SIGNALLED = "signal"
"""The id under which a stop by a signal is logged."""


class Steered(Protocol):
    """What of a training loop can be steered."""

    @property
    def next_lr(self) -> float:
        """The learning rate of the step to come."""

    def set_lr(self, lr: float) -> None:
        """Use `lr` for the step to come; the schedule goes on from there, scaled."""

    def evaluate(self) -> dict[str, float] | None:
        """Judge the weights of now on the validation split: its figures, None without one."""

    def save(self) -> None:
        """Publish a checkpoint of now; it is durable on return.

        Raises:
            StorageError: it could not be written.
        """


class ControlDesk:
    """Takes requests from the run's inbox and from signals, and logs each answer."""

    def __init__(
        self,
        inbox: Inbox,
        writer: RunWriter,
        interrupts: Interrupts,
        session: str,
        *,
        lr_changes: list[tuple[int, float]] | None = None,
        stop_after_epoch_by: str = "",
    ) -> None:
        """`lr_changes` are (step, lr) pairs to apply again when their step is reached.

        `stop_after_epoch_by` is who asked this session to, before it rolled back.
        """
        self._inbox = inbox
        self._writer = writer
        self._interrupts = interrupts
        self._session = session
        self._replayed = list(lr_changes or [])
        self._requests: list[Request] = []
        self._poll_due = 0.0
        self._is_paused = False
        self._is_stopping = False
        self._stop_after_epoch_by = stop_after_epoch_by
        self.stopped_by = ""

    def is_urgent(self, step: int) -> bool:
        """Whether something must be answered right after `step`, not at the next block."""
        replay = bool(self._replayed) and self._replayed[0][0] <= step
        return replay or self._interrupts.is_pending

    def has_work(self, step: int) -> bool:
        """Whether there is anything to answer after `step`."""
        now = time.monotonic()
        if now >= self._poll_due:
            self._requests += self._inbox.take()
            self._poll_due = now + _INBOX_POLL_S
        return bool(self._requests) or self.is_urgent(step)

    def attend(self, step: int, loop: Steered) -> bool:
        """Answer everything, in order, and sit out a pause; False if the loop is to stop."""
        while self._replayed and self._replayed[0][0] <= step:
            self._set_lr(REPLAYED, "resume", step, self._replayed.pop(0)[1], loop)
        self._answer_all(step, loop)
        while self._is_paused and not self._is_stopping:
            self._writer.clock.pause()
            time.sleep(_PAUSE_POLL_S)
            self._requests += self._inbox.take()
            self._answer_all(step, loop)
        self._writer.clock.unpause()
        return not self._is_stopping

    def goes_past_epoch(self) -> bool:
        """Whether the loop is to go on after an epoch's end."""
        if not self._stop_after_epoch_by:
            return True
        self._is_stopping, self.stopped_by = True, self._stop_after_epoch_by
        return False

    def rest(self, duration_s: float) -> bool:
        """Wait, with the run's clock standing still; False if a signal asks to stop meanwhile.

        Raises:
            StorageError: the run's folder was removed or moved away.
        """
        before, until = self._interrupts.stop_signal, time.monotonic() + duration_s
        self._writer.clock.pause()
        while time.monotonic() < until and self._interrupts.stop_signal == before:
            time.sleep(_PAUSE_POLL_S)
            self._requests += self._inbox.take()
        self._writer.clock.unpause()
        return self._interrupts.stop_signal == before

    def _answer_all(self, step: int, loop: Steered) -> None:
        requests, self._requests = self._requests, []
        for asked in requests:
            reason = self._reason_against(asked)
            if reason:
                self._refuse(asked, step, reason)
            elif asked.request == "set":
                self._set_lr(asked.id, asked.by, step, float(asked.arguments["lr"]), loop)
            else:
                self._apply(asked, step, loop)
            self._inbox.discard(asked)
        self._answer_signals(step, loop)

    def _refuse(self, asked: Request, step: int, reason: str) -> None:
        self._writer.emit(
            ControlRefused(
                id=asked.id, request=asked.request, by=asked.by, step=step, reason=reason
            )
        )

    def _reason_against(self, asked: Request) -> str:
        if asked.session != self._session:
            return "it was meant for an earlier session"
        if asked.request == "unknown":
            return "its file is damaged"
        if asked.request == "continue" and not (self._is_paused or self._stop_after_epoch_by):
            return "the run is not paused"
        if asked.request == "set":
            lr = asked.arguments.get("lr")
            if not isinstance(lr, int | float) or not math.isfinite(lr) or lr <= 0:
                return "the learning rate must be a number above 0"
        return ""

    def _apply(self, asked: Request, step: int, loop: Steered) -> None:
        arguments = asked.arguments
        if asked.request == "checkpoint":
            try:
                loop.save()
            except StorageError as error:
                self._refuse(asked, step, error.message)
                return
        elif asked.request == "evaluate":
            figures = loop.evaluate()
            if figures is None:
                self._refuse(asked, step, "the run holds out no samples for validation")
                return
            arguments = {**numbers(figures)}
        self._writer.emit(
            ControlApplied(
                id=asked.id, request=asked.request, by=asked.by, step=step, arguments=arguments
            )
        )
        if asked.request == "stop":
            self._is_stopping, self.stopped_by = True, asked.by
        elif asked.request == "stop-after-epoch":
            self._stop_after_epoch_by = asked.by
        elif asked.request == "pause":
            self._is_paused = True
        elif asked.request == "continue" and self._is_paused:
            self._is_paused = False
        elif asked.request == "continue":
            self._stop_after_epoch_by = ""

    def _set_lr(self, request_id: str, by: str, step: int, lr: float, loop: Steered) -> None:
        self._writer.emit(
            ControlApplied(
                id=request_id,
                request="set",
                by=by,
                step=step,
                arguments={"lr": lr, "before": loop.next_lr},
            )
        )
        loop.set_lr(lr)

    def _answer_signals(self, step: int, loop: Steered) -> None:
        if self._interrupts.wants_checkpoint:
            self._interrupts.wants_checkpoint = False
            # One that fails has been told by whoever saves, and training goes on.
            with contextlib.suppress(StorageError):
                loop.save()
        number = self._interrupts.stop_signal
        if number is not None and not self._is_stopping:
            self._is_stopping, self.stopped_by = True, signal.Signals(number).name
            self._writer.emit(
                ControlApplied(id=SIGNALLED, request="stop", by=self.stopped_by, step=step)
            )
