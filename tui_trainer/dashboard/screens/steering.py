"""What the screen of a run asks of it: the keys that steer, and the question before what costs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tui_trainer.core.format import format_count
from tui_trainer.core.learning_rate import parse_lr
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.run_state import RunState
from tui_trainer.core.text_safety import sanitize
from tui_trainer.dashboard.jobs import tell
from tui_trainer.dashboard.screens.dashboard_screen import DashboardScreen
from tui_trainer.dashboard.views import RunView
from tui_trainer.dashboard.widgets.prompt import Prompt
from tui_trainer.errors import ConfigError, TuitrainError
from tui_trainer.store.control import RequestName, submit
from tui_trainer.store.steerable import why_read_only

ONLY_WATCHES = "this dashboard only watches: nothing can be steered or started from it"

_LR_PROMPT = "lr-prompt"
_OF_A_WORKER = ("pause", "checkpoint", "set_lr", "stop", "stop_after_epoch")
_OF_A_CHECKPOINT = ("evaluate", "export", "resume")


class SteeringScreen(DashboardScreen):
    """Steers the run of its view; what it shows is left to its heirs."""

    def __init__(self, view: RunView) -> None:
        super().__init__()
        self._view = view

    @property
    def record(self) -> RunRecord:
        """The run, as of the last picture."""
        return self._view.record

    @property
    def read_only_reason(self) -> str:
        """Why the run can only be watched, in a sentence; empty where it can be steered."""
        if self._dashboard.read_only:
            return ONLY_WATCHES
        why = why_read_only(self.record)
        return f"{self._run_name} {why}: it can only be watched" if why else ""

    @property
    def steering_labels(self) -> dict[str, str]:
        """What the steering keys do now, by action; nothing where they could do nothing."""
        if self._dashboard.read_only:
            return dict.fromkeys((*_OF_A_WORKER, *_OF_A_CHECKPOINT, "duplicate"), "")
        if why_read_only(self.record):
            return dict.fromkeys((*_OF_A_WORKER, *_OF_A_CHECKPOINT), "")
        state = self.record.state
        if not state.is_live:
            ended = dict.fromkeys(_OF_A_WORKER, "")
            return ended | ({"resume": ""} if state is RunState.FINISHED else {})
        stops = self.record.snapshot.stops_after_epoch
        return {
            "pause": "continue" if state is RunState.PAUSED else "pause",
            "stop_after_epoch": "train on" if stops else "stop after epoch",
            "evaluate": "validate",
            "resume": "",
            "export": "",
        }

    @property
    def _run_name(self) -> str:
        return sanitize(self.record.run, limit=20)

    async def action_pause(self) -> None:
        """Pause, or let a paused run go on."""
        if self.record.state is RunState.PAUSED:
            await self._request("continue", "go on")
        else:
            await self._request("pause", "pause")

    async def action_checkpoint(self) -> None:
        """Save a checkpoint now."""
        await self._request("checkpoint", "save a checkpoint")

    async def action_evaluate(self) -> None:
        """Validate the weights of now, or judge the best checkpoint of a run that has ended."""
        if self.record.state.is_live:
            await self._request("evaluate", "validate now")
        elif self._can_be_changed():
            question = f"judge the best checkpoint of {self._run_name} on the test split"
            await self.ask_once(question, self._evaluate, "e")

    async def action_export(self) -> None:
        """Ask once, then write the best checkpoint as an ONNX file."""
        if not self._can_be_changed():
            return
        if self.record.state.is_live:
            self.say(f"{self._run_name} is {self.record.state.value}: export it when it has ended")
            return
        question = f"export the best checkpoint of {self._run_name} to ONNX"
        await self.ask_once(question, self._export, "o")

    async def action_resume(self) -> None:
        """Ask once, then go on with a run that ended before its last epoch."""
        if not self._can_be_changed():
            return
        if self.record.state.is_live:
            self.say(f"{self._run_name} is {self.record.state.value}: there is nothing to resume")
            return
        why = await self._dashboard.jobs.why_not_resumable(self.record)
        if why:
            self.say(why)
            return
        step = format_count(self.record.snapshot.checkpoint_step or 0)
        await self.ask_once(f"resume {self._run_name} from step {step}", self._resume, "r")

    async def action_stop(self) -> None:
        """Ask once, then stop with a checkpoint."""
        if self._can_steer():
            await self.ask_once(f"stop {self._run_name} with a checkpoint", self._stop, "s")

    async def action_stop_after_epoch(self) -> None:
        """Stop when the epoch and its validation are over, or take that back."""
        if not self.record.snapshot.stops_after_epoch:
            await self._request("stop-after-epoch", "stop after this epoch; S again takes it back")
        elif self.record.state is RunState.PAUSED:
            self.say(f"{self._run_name} is paused: let it go on first, then S takes the stop back")
        else:
            await self._request("continue", "train on past this epoch")

    async def action_set_lr(self) -> None:
        """Ask for a learning rate in the footer."""
        if not self._can_steer() or self.query(f"#{_LR_PROMPT}"):
            return
        lr = self.record.snapshot.lr
        prompt = Prompt(
            "learning rate",
            "" if lr is None else f"{lr:.6g}",
            "a number, x0.5 or /2",
            select=True,
            id=_LR_PROMPT,
        )
        await self.mount(prompt)

    def action_duplicate(self) -> None:
        """Open a form that starts from the settings of this run."""
        self._dashboard.open_form(self.record)

    async def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        """Ask the run for the learning rate that was typed."""
        if event.prompt.id != _LR_PROMPT:
            return
        try:
            lr = parse_lr(event.value, self.record.snapshot.lr)
        except ConfigError as error:
            event.prompt.complain(tell(error))
            return
        event.prompt.close()
        await self._request("set", f"set the learning rate to {lr:.6g}", {"lr": lr})

    def on_prompt_changed(self, event: Prompt.Changed) -> None:
        """What was wrong may be right now."""
        if event.prompt.id == _LR_PROMPT:
            event.prompt.complain("")

    def on_prompt_cancelled(self, event: Prompt.Cancelled) -> None:
        """The learning rate stays."""
        if event.prompt.id == _LR_PROMPT:
            event.prompt.close()

    async def _stop(self) -> None:
        await self._request("stop", "stop with a checkpoint")

    # Work of the app, not of the screen, so that it goes on when the screen is left.

    async def _evaluate(self) -> None:
        self._dashboard.start_work(self._dashboard.jobs.evaluate(self.record))

    async def _export(self) -> None:
        self._dashboard.start_work(self._dashboard.jobs.export(self.record))

    async def _resume(self) -> None:
        self._dashboard.start_work(self._dashboard.jobs.resume(self.record))

    def _can_be_changed(self) -> bool:
        """Whether the run is not read-only; says so in the footer if it is."""
        reason = self.read_only_reason
        if reason:
            self.say(reason)
        return not reason

    def _can_steer(self) -> bool:
        """Whether a worker is there to ask; says so in the footer if not."""
        if not self._can_be_changed():
            return False
        state = self.record.state
        if state.is_live and self._view.session:
            return True
        if state.is_live or state is RunState.UNKNOWN:
            self.say(f"{self._run_name} is {state.value}: no worker can be asked yet")
        else:
            self.say(f"{self._run_name} is {state.value}: there is nothing to steer")
        return False

    async def _request(
        self,
        request: RequestName,
        words: str,
        arguments: dict[str, float | str] | None = None,
    ) -> None:
        """Send the worker a request, and say in the footer that it was sent."""
        if not self._can_steer():
            return
        run, session = Path(self.record.path), self._view.session
        try:
            await asyncio.to_thread(submit, run, session, request, arguments)
        except (OSError, TuitrainError) as error:
            self.say(f"{self._run_name} could not be asked: {tell(error)}", "error")
            return
        self.say(f"asked {self._run_name} to {words}", "good")
