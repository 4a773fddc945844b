"""What is true of a run, told by its workers: what its folder has to say, however it is read."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.faults.stage import StagedWorker
from tests.faults.stand_in import Script, Told
from tui_trainer.core.event_lines import Unknown, decode_line
from tui_trainer.core.sealed_json import Damage
from tui_trainer.store.control import Request
from tui_trainer.store.run_folder import RunFolder

_STARTS = ("run_started", "resumed")
_ENDINGS = ("finished", "stopped", "failed")
_PHASES = {"pause": "paused", "continue": "running", "stop": "stopping"}
_WEIGHTY = {*_STARTS, *_ENDINGS, "control_applied"}


@dataclass(frozen=True)
class Mark:
    """How far a run had come at one moment."""

    num_told: int
    is_alive: bool


@dataclass
class Truth:
    """A run: all that its workers told, what was damaged since, and who trains it now.

    `asked` are requests that no worker has answered yet, in the order they were made.
    """

    folder: RunFolder
    past: list[Told] = field(default_factory=list)
    damaged: set[Told] = field(default_factory=set)
    asked: list[Request] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    worker: StagedWorker | None = None
    orphaned: StagedWorker | None = None

    @property
    def told(self) -> list[Told]:
        """Every event that was logged, and last the one that may be, if any."""
        return self.past + (self.worker.told if self.worker else [])

    @property
    def is_live(self) -> bool:
        return self.worker is not None

    @property
    def has_begun(self) -> bool:
        """Whether the session under way has logged that it begins."""
        session = self.worker.session if self.worker else ""
        return any(t.session == session and t.kind in _STARTS and t.stands for t in self.told)

    @property
    def is_paused(self) -> bool:
        """Whether the session under way does nothing but wait."""
        return self.has_begun and phase_of(self.told)[0] == "paused"

    def answer_to(self, asked: Request) -> Told | None:
        """What the session under way answered."""
        session = self.worker.session if self.worker else ""
        answers = [t for t in self.told if t.stands and (t.id, t.session) == (asked.id, session)]
        return answers[-1] if answers else None

    def mark(self) -> Mark:
        """How far it is now."""
        num_told = sum(told.stands for told in self.told)
        return Mark(num_told, self.worker is not None and self.worker.is_alive)

    def settle(self) -> None:
        """Take in what a worker that has ended told; of its last event, whether it stands."""
        assert self.worker is not None and not self.worker.is_alive
        log = self.read_log()
        told = self.worker.told
        if told and not told[-1].stands:
            line = log[told[-1].at :].split(b"\n")[0]
            decoded = decode_line(line)
            is_there = line and not isinstance(decoded, Damage | Unknown)
            told[-1:] = [_sealed(told[-1], line)] if is_there else []
        self.past += told
        answered = {each.id for each in told}
        self.asked = [asked for asked in self.asked if asked.id not in answered]
        if self.worker.script.has_child:
            self.orphaned = self.worker
        self.worker = None

    def take_damage(self) -> None:
        """Learn which events were damaged on purpose a moment ago."""
        self.damaged |= set(self.lost())

    def lost(self) -> list[Told]:
        """Events that their worker logged and nobody damaged, but that are not in the log."""
        told = self.told
        log = self.read_log()
        return [t for t in told if t.stands and t not in self.damaged and not _is_whole(t, log)]

    def read_log(self) -> bytes:
        return self.folder.events.read_bytes() if self.folder.events.exists() else b""

    def states(self) -> set[str]:
        """The state, or those that may be shown because a summary knows what the log lost."""
        return self.states_since(self.mark())

    def states_since(self, mark: Mark) -> set[str]:
        """Every state since `mark` at which a reader may have looked."""
        now, told = self.mark(), self.told
        session = self.worker.session if self.worker else ""
        script = self.worker.script if self.worker else Script()
        states = set()
        for num_told in range(mark.num_told, len(told) + 1):
            for known in self._known(told[:num_told]):
                phase, began = phase_of(known)
                lives = {mark.is_alive, now.is_alive}
                has_ended = phase in _ENDINGS and began == session
                if has_ended or script.fails_early or script.dies_at_call:
                    # The lease is free a moment before its worker is known to be gone.
                    lives.add(False)
                for is_alive in lives:
                    states.add(_state(phase, is_alive=is_alive, begins=began != session))
        return states

    def _known(self, told: list[Told]) -> Iterable[list[Told]]:
        """What a reader may know of what was told: of damaged events each or not."""
        doubtful = [t for t in told if t in self.damaged and t.kind in _WEIGHTY]
        for known in itertools.product((True, False), repeat=len(doubtful)):
            missing = {t for t, is_known in zip(doubtful, known, strict=True) if not is_known}
            yield [t for t in told if t not in missing]


def phase_of(told: Iterable[Told]) -> tuple[str, str]:
    """What the last events made of a run, and the session that last began."""
    phase, session = "none", ""
    for each in told:
        if each.kind in _STARTS:
            phase, session = "running", each.session
        elif each.kind in _ENDINGS:
            phase = each.kind
        elif each.kind == "control_applied" and phase != "stopping":
            phase = _PHASES.get(each.request, phase)
    return phase, session


def _state(phase: str, *, is_alive: bool, begins: bool) -> str:
    """The table of `docs/RUN_FOLDER.md`."""
    if is_alive:
        if phase == "none" or begins:
            return "starting"
        return "stopping" if phase in _ENDINGS else phase
    if phase in _ENDINGS:
        return phase
    return "failed" if phase == "none" else "interrupted"


def _is_whole(told: Told, log: bytes) -> bool:
    end = told.at + told.length
    starts_line = told.at == 0 or log[told.at - 1 : told.at] == b"\n"
    ends_line = log[end : end + 1] in (b"\n", b"")
    return starts_line and ends_line and zlib.crc32(log[told.at : end]) == told.crc


def _sealed(told: Told, line: bytes) -> Told:
    return Told(
        kind=told.kind,
        session=told.session,
        at=told.at,
        length=len(line),
        crc=zlib.crc32(line),
        request=told.request,
        id=told.id,
    )
