"""Runs in two registries, their workers, and every way to look at them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.command import wait_until
from tests.faults.stage import Stage, StagedWorker
from tests.faults.stand_in import Script
from tests.faults.truth import Truth
from tui_trainer.core.run_name import number_of
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.sealed_json import encode_sealed
from tui_trainer.store.record_reader import RecordReader
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import read_run

_GRACE_S = 0.05


class Scene:
    """What is there, what is true of it, and whether that is what is shown.

    The second registry is for copies. Each registry has a reader that stays, as a dashboard does.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="states-"))
        self.registries = [Registry(self.folder / name) for name in ("runs", "copies")]
        self._readers = [registry.open_reader() for registry in self.registries]
        self.stage = Stage(self.folder / "stage")
        self.runs: list[Truth] = []

    def clear(self) -> None:
        """End every worker and remove every file."""
        self.stage.clear()
        shutil.rmtree(self.folder)

    @property
    def live(self) -> list[Truth]:
        """Runs that a worker holds."""
        return [run for run in self.runs if run.is_live]

    @property
    def steerable(self) -> list[Truth]:
        """Live runs that have begun."""
        return [run for run in self.live if run.has_begun]

    @property
    def stepping(self) -> list[Truth]:
        """Live runs that have begun and are not paused."""
        return [run for run in self.steerable if not run.is_paused]

    @property
    def waiting(self) -> list[Truth]:
        """Live runs that have not begun."""
        return [run for run in self.live if not run.has_begun]

    @property
    def dead(self) -> list[Truth]:
        """Runs that nobody trains."""
        return [run for run in self.runs if not run.is_live]

    @property
    def newest(self) -> list[Truth]:
        """The run with the highest number, if it is dead and not the only one."""
        runs = [run for run in self.runs if run.folder.path.parent == self.registries[0].path]
        newest = max(runs, key=lambda run: number_of(run.folder.run) or 0, default=None)
        if newest is None or newest.is_live or newest.orphaned or len(runs) < 2:
            return []
        return [newest]

    @property
    def repeated(self) -> list[Truth]:
        """Runs that had a session that is over."""
        return [run for run in self.runs if len(run.sessions) > run.is_live]

    @property
    def logged(self) -> list[Truth]:
        """Runs with anything in their logs."""
        return [run for run in self.runs if any(told.stands for told in run.told)]

    def check(self) -> None:
        """However the runs are looked at, what is true is shown, and no event is lost."""
        for registry, reader in zip(self.registries, self._readers, strict=True):
            runs = {r.folder.run: r for r in self.runs if r.folder.path.parent == registry.path}
            folders = registry.folders()
            plain = RecordReader()
            views = {
                "with the index": registry.records(),
                "without the index": [plain.read(folder) for folder in folders],
                "by an open dashboard": [reader.read(folder) for folder in folders],
                "one by one": [read_run(folder) for folder in folders],
                "by name": [registry.read(name)[1] for name in runs],
            }
            for how, records in views.items():
                assert {record.run for record in records} == runs.keys(), how
                for record in records:
                    _check_record(runs[record.run], record, how)
            for run in runs.values():
                # While it is written, and once it is damaged, two looks may tell two things.
                if not run.is_live and not run.damaged:
                    _check_agreement(run, views)
        for run in self.runs:
            assert run.lost() == [], run.folder

    def start(self, run: Truth, script: Script, *, resume: bool) -> None:
        """Start a worker; on return it is as far as its script lets it come."""
        before = run.states()
        worker = self.stage.prepare(run.folder, script, resume=resume)
        worker.start()
        run.worker = worker
        run.sessions.append(worker.session)
        if run.orphaned is not None:
            self._end_orphan(run, worker)
        if script.fails_early:
            # What an earlier session reached stands; a log that lost it tells of none.
            stands = before if run.past else set()
            self.await_end(run, stands | ({"failed"} if run.damaged or not stands else set()))
        elif script.dies_at_call:
            self.await_end(run)
        elif not script.waits:
            self.await_begin(run)

    def _end_orphan(self, run: Truth, worker: StagedWorker) -> None:
        """A session begins only when the last child of the one before is gone."""
        assert run.orphaned is not None
        if not worker.script.dies_at_call:
            # So long that a session which does not wait would have begun.
            time.sleep(_GRACE_S)
            self.check()
            assert worker.is_alive
        assert not worker.told
        run.orphaned.order("end the child")
        run.orphaned = None

    def await_begin(self, run: Truth) -> None:
        """Wait until the session has begun, and has answered what was asked before."""
        worker = run.worker
        assert worker is not None
        _watch(run, lambda: run.has_begun or not worker.is_alive, "the session to begin")
        assert run.has_begun
        self.await_answers(run, is_paused=False)

    def await_answers(self, run: Truth, *, is_paused: bool) -> None:
        """Requests are answered as they must be, once there is someone to answer.

        `is_paused` says how the run was when it was asked.
        """
        if run.worker is None or not run.has_begun:
            return
        for asked in run.asked:
            _watch(run, lambda asked=asked: run.answer_to(asked), f"an answer to {asked}")
            is_refused = asked.session != run.worker.session or asked.request == "evaluate"
            is_refused |= asked.request == "continue" and not is_paused
            answer = run.answer_to(asked)
            assert answer is not None
            assert answer.kind == ("control_refused" if is_refused else "control_applied"), asked
            if not is_refused and asked.request in ("pause", "continue"):
                is_paused = asked.request == "pause"
            if not is_refused and asked.request == "stop":
                # What was asked after it is answered, or refused by a later session.
                self.await_end(run, {"stopped"})
                return
        run.asked.clear()

    def await_end(self, run: Truth, states: set[str] | None = None) -> None:
        """Wait until the worker is gone; the run is left in one of `states`, where given."""
        worker = run.worker
        assert worker is not None
        _watch(run, lambda: not worker.is_alive, "the end of the worker")
        run.settle()
        if states is not None:
            assert read_run(run.folder).state in states


def _watch(run: Truth, is_over: Callable[[], Any], what: str) -> None:
    """Wait; what is shown meanwhile was true at some moment of the look."""

    def look() -> Any:
        is_done, mark = is_over(), run.mark()
        shown, truths = read_run(run.folder).state.value, run.states_since(mark)
        assert shown in truths, (shown, truths)
        return is_done

    wait_until(look, what)


def _check_agreement(run: Truth, views: dict[str, list[RunRecord]]) -> None:
    shown = {
        how: encode_sealed(record)
        for how, records in views.items()
        for record in records
        if record.run == run.folder.run
    }
    assert len(set(shown.values())) == 1, shown


def _check_record(run: Truth, record: RunRecord, how: str) -> None:
    truths = run.states()
    assert record.state.value in truths, (record.run, how, record.state.value, truths)
    assert record.pid == (run.worker.pid if run.worker else 0), how
    assert record.problem == ""
