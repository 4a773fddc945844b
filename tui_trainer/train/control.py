"""What people and signals ask of a training loop, answered between two steps."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tui_trainer.core.events import ControlApplied, ControlRefused, Message
from tui_trainer.store.control import Inbox, Request
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train.interrupts import Interrupts

_PAUSE_POLL_S = 0.05
_INBOX_POLL_S = 0.1


@dataclass
class Answer:
    """What the loop has to do."""

    stop: bool = False
    save: bool = False
    lr: float | None = None


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
    ) -> None:
        """`lr_changes` are (step, lr) pairs to apply again when their step is reached."""
        self._inbox = inbox
        self._writer = writer
        self._interrupts = interrupts
        self._session = session
        self._replayed = list(lr_changes or [])
        self._requests: list[Request] = []
        self._poll_due = 0.0
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

    def attend(self, step: int, lr_now: Callable[[], float]) -> Answer:
        """Answer everything, in order; a pause is sat out here."""
        answer = Answer()
        while self._replayed and self._replayed[0][0] <= step:
            answer.lr = self._replayed.pop(0)[1]
            self._say_lr("resume", "replayed", step, lr_now(), answer.lr)
        paused = self._answer_requests(step, answer, lr_now)
        while paused and not answer.stop:
            self._writer.clock.pause()
            time.sleep(_PAUSE_POLL_S)
            self._requests += self._inbox.take()
            paused = self._answer_requests(step, answer, lr_now, paused=True)
            self._answer_signals(answer)
        self._writer.clock.unpause()
        self._answer_signals(answer)
        return answer

    def _answer_requests(
        self, step: int, answer: Answer, lr_now: Callable[[], float], *, paused: bool = False
    ) -> bool:
        """Answer the requests at hand; whether the run is paused after them."""
        requests, self._requests = self._requests, []
        for asked in requests:
            reason = self._reason_against(asked, paused=paused)
            if reason:
                self._writer.emit(
                    ControlRefused(
                        id=asked.id, request=asked.request, by=asked.by, step=step, reason=reason
                    )
                )
                self._inbox.discard(asked)
                continue
            if asked.request == "set":
                answer.lr = float(asked.arguments["lr"])
                self._say_lr(asked.id, asked.by, step, lr_now(), answer.lr)
            else:
                self._apply(asked, step, answer)
            if asked.request in ("pause", "continue"):
                paused = asked.request == "pause"
            self._inbox.discard(asked)
        return paused

    def _reason_against(self, asked: Request, *, paused: bool) -> str:
        if asked.session != self._session:
            return "it was meant for an earlier session"
        if asked.request == "continue" and not paused:
            return "the run is not paused"
        if asked.request == "set":
            lr = asked.arguments.get("lr")
            if not isinstance(lr, int | float) or not math.isfinite(lr) or lr <= 0:
                return "the learning rate must be a number above 0"
        return ""

    def _apply(self, asked: Request, step: int, answer: Answer) -> None:
        self._writer.emit(
            ControlApplied(
                id=asked.id,
                request=asked.request,
                by=asked.by,
                step=step,
                arguments=asked.arguments,
            )
        )
        if asked.request == "stop":
            answer.stop = True
            self.stopped_by = asked.by
        if asked.request == "checkpoint":
            answer.save = True

    def _say_lr(self, request_id: str, by: str, step: int, before: float, after: float) -> None:
        self._writer.emit(
            ControlApplied(
                id=request_id,
                request="set",
                by=by,
                step=step,
                arguments={"lr": after, "before": before},
            )
        )

    def _answer_signals(self, answer: Answer) -> None:
        if self._interrupts.wants_checkpoint:
            self._interrupts.wants_checkpoint = False
            answer.save = True
        number = self._interrupts.stop_signal
        if number is not None and not answer.stop:
            answer.stop = True
            self.stopped_by = signal.Signals(number).name
            self._writer.emit(Message(text=f"stopping on {self.stopped_by}"))
