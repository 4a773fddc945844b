"""In a fork of the test: a real session of a worker over a stand-in for training, without torch.

Only `tui_trainer.worker.training` is replaced. Lease, tree lock, log, summary, desk, inbox and
result are real. What a worker is about to log and what it has logged is told in a file apart from
the run, so that a test knows it whenever that is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import types
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from tests import builders
from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.jobs import TrainJob
from tui_trainer.errors import ModelError
from tui_trainer.store.control import Inbox
from tui_trainer.store.run_writer import RunWriter
from tui_trainer.train import control
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.worker import __main__ as worker_main

TALE = "told"
"""The file of what was told."""

_STEP_S = 0.008
_POLL_S = 0.002
_CHECKPOINT_EVERY = 5
_LIFE_S = 300
_PACKAGE = str(Path(paths.__file__).parent)


@dataclass(frozen=True, kw_only=True)
class Script:
    """What a worker does apart from obeying requests, signals and orders.

    `waits`: it holds the lease, and begins only on the order to. `finishes`: it trains nothing.
    `fails_early`: it fails before it begins. `has_child`: it forks a process that outlives it.
    `dies_at_call`: it kills itself at that call of a function in our package or from it.
    """

    waits: bool = False
    finishes: bool = False
    fails_early: bool = False
    has_child: bool = False
    dies_at_call: int = 0


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An event of which its worker told, first that it comes, then, with its CRC, that it stands.

    Its line without the line end is `length` bytes from `at` on in the log.
    """

    kind: str
    session: str
    at: int
    length: int = 0
    crc: int = 0
    request: str = ""
    id: str = ""

    @property
    def stands(self) -> bool:
        """Whether it was logged before its worker could be killed."""
        return self.length > 0


class _Training:
    """In the fork, in place of `tui_trainer.worker.training`."""

    def __init__(self, script: Script, folder: Path) -> None:
        self._script = script
        self._folder = folder
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._tale = os.open(folder / TALE, flags, 0o600)
        self.step = 0
        self.next_lr = 0.1

    def train_run(
        self, job: TrainJob, writer: RunWriter, interrupts: Interrupts, threads: int, choice: str
    ) -> events.Event:
        """Log steps and checkpoints, quickly, until asked or ordered to end."""
        self._writer = writer
        self._job = job
        self._logged = writer.emit
        writer.emit = self._emit  # type: ignore[method-assign]
        if self._script.has_child and os.fork() == 0:
            self._outlive()
        while self._script.waits and not self._is_ordered("begin"):
            time.sleep(_POLL_S)
        if self._script.fails_early:
            raise ModelError("The model cannot be built.", "Choose another.")
        self.step = writer.fold.snapshot.checkpoint_step or 0
        writer.emit(self._start_event())
        desk = control.ControlDesk(Inbox(writer.run), writer, interrupts, job.session)
        while not (self._script.finishes or self._is_ordered("finish")):
            if self._is_ordered("fail"):
                raise ValueError("it was ordered to fail")
            self.step += 1
            writer.emit(builders.steps(self.step, 1))
            if self.step % _CHECKPOINT_EVERY == 0:
                self.save()
            if desk.has_work(self.step) and not desk.attend(self.step, self):
                self.save()
                return events.Stopped(step=self.step, epoch=0, by=desk.stopped_by)
            time.sleep(_STEP_S)
        return events.Finished(step=self.step, epoch=3)

    def set_lr(self, lr: float) -> None:
        """Use `lr` from here on."""
        self.next_lr = lr

    def evaluate(self) -> None:
        """Nothing is held out."""

    def save(self) -> None:
        """Log a checkpoint."""
        self._writer.emit(
            events.CheckpointSaved(
                step=self.step,
                epoch=0,
                folder=f"step-{self.step:08}",
                manifest_sha256="",
                best=False,
                size_bytes=0,
                duration_s=0.0,
            )
        )

    def _start_event(self) -> events.SessionStart:
        session, pid = self._job.session, os.getpid()
        if self._job.resume:
            return builders.resumed(self.step, session=session, pid=pid)
        return builders.session_start(session=session, pid=pid)

    def _emit(self, event: events.Event) -> None:
        log = self._writer.run / paths.EVENTS
        told = Told(
            kind=events.kind_of(event),
            session=self._job.session,
            at=log.stat().st_size,
            request=getattr(event, "request", ""),
            id=getattr(event, "id", ""),
        )
        self._tell(told)
        self._logged(event)
        with open(log, "rb") as file:
            file.seek(told.at)
            line = file.readline().removesuffix(b"\n")
        self._tell(msgspec.structs.replace(told, length=len(line), crc=zlib.crc32(line)))

    def _tell(self, told: Told) -> None:
        os.write(self._tale, msgspec.json.encode(told) + b"\n")

    def _is_ordered(self, what: str) -> bool:
        return (self._folder / what).exists()

    def _outlive(self) -> None:
        sys.setprofile(None)
        while self._folder.exists() and not self._is_ordered("end the child"):
            time.sleep(_POLL_S)
        os._exit(0)


def _die_at_call(number: int) -> None:
    """Kill this process at its `number`th call of a function in our package or from it."""
    count = 0

    def on_call(frame: types.FrameType, event: str, _: object) -> None:
        nonlocal count
        if event in ("call", "c_call") and frame.f_code.co_filename.startswith(_PACKAGE):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(on_call)


def be_worker(job_folder: Path, log: Path, script: Script, folder: Path) -> int:
    """In the fork: what `python -m tui_trainer.worker` does; the exit status."""
    os.setsid()
    # Should the test be killed, its workers end too.
    signal.alarm(_LIFE_S)
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard, descriptor in ((0, nothing), (1, output), (2, output)):
        os.dup2(descriptor, standard)
    sys.stdout = sys.stderr = os.fdopen(output, "w", buffering=1)
    module: Any = types.ModuleType("tui_trainer.worker.training")
    module.train_run = _Training(script, folder).train_run
    sys.modules[module.__name__] = module
    control._INBOX_POLL_S = control._PAUSE_POLL_S = _POLL_S
    if script.dies_at_call:
        _die_at_call(script.dies_at_call)
    return worker_main.main(job_folder)
