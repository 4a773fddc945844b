"""What a power cut, a kill or a failing disk leaves of every operation, at every point of it."""

from __future__ import annotations

import errno
import os
import random
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest

from tests.faults import plan
from tests.faults.disk import Disk, Fault, Killed, without_fsync
from tests.faults.journal import Journal, Reached
from tests.faults.operations import (
    Creation,
    Exporting,
    Operation,
    Publication,
    Replacement,
    Steering,
)
from tests.faults.power import power_cuts
from tests.faults.run_operations import LOGS, Saving, Session
from tui_trainer.core.events import Message
from tui_trainer.errors import StorageError
from tui_trainer.store.event_writer import EventLogWriter

pytestmark = pytest.mark.slow

_RANDOM_PER_STEP = 10 if plan.IS_LONG else 1
_MOST_CUTS = 1_000_000 if plan.IS_LONG else 100
_MOST_KILLS = 1_000_000 if plan.IS_LONG else 4
_MOST_CUTS_AFTER_KILLS = 4_000 if plan.IS_LONG else 120
_MOST_ERRORS = 1_000_000 if plan.IS_LONG else 16
OPERATIONS: list[Operation] = [
    Replacement(),
    Steering(),
    Creation(has_earlier=False),
    Creation(has_earlier=True),
    Exporting(),
    Publication(replaces=False),
    Publication(replaces=True),
    Saving(),
    *LOGS,
    Session(resumes=False),
    Session(resumes=True),
]
T = TypeVar("T")

_each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


def _check_after_crash(
    operation: Operation, folder: Path, reached: int, *, power_cut: bool, where: str
) -> None:
    """Look at what a crash left, then go on with it."""
    try:
        with without_fsync():
            operation.check(folder, reached, power_cut=power_cut)
            operation.mend(folder)
            assert _half_made(folder) == []
            operation.check(folder, reached, power_cut=power_cut)
            operation.go_on(folder)
            assert _half_made(folder) == []
    except BaseException as error:
        error.add_note(f"{operation}, {where}; again with: {plan.REPLAY}")
        raise


def _half_made(folder: Path) -> list[str]:
    """What is left of what was not published, where the program sweeps that away."""
    return [path.name for path in folder.rglob(".tmp-*") if "run" not in path.name]


@pytest.fixture
def fast_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there can be one: nothing here needs a disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


def _some(found: Iterable[T], most: int, choices: random.Random) -> list[T]:
    """All of them, or `most` by chance, in their order."""
    everything = list(found)
    chosen = choices.sample(range(len(everything)), min(most, len(everything)))
    return [everything[index] for index in sorted(chosen)]


def _prepared(operation: Operation, folder: Path) -> Path:
    folder.mkdir()
    operation.prepare(folder)
    return folder


def _names_passed(operation: Operation, folder: Path) -> list[str]:
    """What is done to files, tried on a copy of `folder`."""
    copy = shutil.copytree(folder, folder.with_name("copy"))
    with Disk().watched() as disk:
        operation.act(copy, lambda _: None)
    shutil.rmtree(copy)
    return disk.passed


def _kills(names: list[str], choices: random.Random) -> list[Fault]:
    """At every operation, or some; then also after renames, where most hangs by one name."""
    numbers = range(1, len(names) + 1)
    after_renames = [number for number in numbers if names[number - 2] in ("rename", "replace")]
    chosen = _some(after_renames, _MOST_KILLS, choices) + _some(numbers, _MOST_KILLS // 4, choices)
    return [Fault(number, choices.choice(("kill", "torn"))) for number in sorted({*chosen})]


@_each_operation
def test_what_was_acknowledged_outlives_a_power_cut_at_any_point(
    operation: Operation, fast_folder: Path
) -> None:
    disk, left = _prepared(operation, fast_folder / "disk"), fast_folder / "left"
    journal = Journal(disk)
    with Disk(journal=journal).watched():
        operation.act(disk, journal.reach)
    choices = plan.choices_of(f"power cut {operation}")
    cuts = list(power_cuts(journal, choices, random_per_step=_RANDOM_PER_STEP))
    assert len(cuts) >= len(journal.steps) / 2
    for found in _some(cuts, _MOST_CUTS, choices):
        found.restore(left)
        _check_after_crash(operation, left, found.reached, power_cut=True, where=found.where)
        shutil.rmtree(left)


@_each_operation
def test_a_power_cut_while_a_kill_is_mended_loses_nothing(
    operation: Operation, fast_folder: Path
) -> None:
    before, disk, left = (fast_folder / name for name in ("before", "disk", "left"))
    _prepared(operation, before)
    choices = plan.choices_of(f"kill and power cut {operation}")
    kills = _kills(_names_passed(operation, before), choices)
    for kill in kills:
        shutil.copytree(before, disk)
        journal = Journal(disk)
        with Disk(kill, journal).watched(), pytest.raises(Killed):
            operation.act(disk, journal.reach)
        reached = max([0, *(step.milestone for step in journal.steps if isinstance(step, Reached))])
        begin = len(journal.steps)
        with Disk(journal=journal).watched():
            operation.mend(disk)
        cuts = power_cuts(journal, choices, random_per_step=_RANDOM_PER_STEP, begin=begin)
        for found in _some(cuts, _MOST_CUTS_AFTER_KILLS // len(kills), choices):
            found.restore(left)
            where = f"{kill}, then mended, and {found.where}"
            _check_after_crash(operation, left, reached, power_cut=True, where=where)
            shutil.rmtree(left)
        shutil.rmtree(disk)


def _errors(count: int) -> list[Fault]:
    """Every way in which each of so many operations may fail."""
    return [
        Fault(at=number, kind=kind, code=code, lasting=lasting)
        for number in range(1, count + 1)
        for kind in ("error", "short")
        for code in (errno.ENOSPC, errno.EIO)
        for lasting in (False, True)
    ]


@_each_operation
def test_a_failing_disk_is_answered_with_an_error_and_costs_nothing_acknowledged(
    operation: Operation, fast_folder: Path
) -> None:
    before, disk = _prepared(operation, fast_folder / "before"), fast_folder / "disk"
    choices = plan.choices_of(f"failing disk {operation}")
    for fault in _some(_errors(len(_names_passed(operation, before))), _MOST_ERRORS, choices):
        shutil.copytree(before, disk)
        reached = [0]
        try:
            with Disk(fault).watched(), suppress(*operation.refusals):
                operation.act(disk, reached.append)
            operation.check(disk, reached[-1], power_cut=False)
            operation.go_on(disk)
            operation.mend(disk)
            assert _half_made(disk) == []
        except BaseException as error:
            error.add_note(f"{operation}, {fault}; again with: {plan.REPLAY}")
            raise
        shutil.rmtree(disk)


@pytest.mark.parametrize(
    "operation", [Saving(), Publication(replaces=False), Publication(replaces=True)], ids=str
)
def test_what_the_disk_does_not_give_back_as_written_is_not_published(
    operation: Operation, fast_folder: Path
) -> None:
    before, disk = _prepared(operation, fast_folder / "before"), fast_folder / "disk"
    num_refused = 0
    for number in range(1, len(_names_passed(operation, before)) + 1):
        shutil.copytree(before, disk)
        reached = [0]
        bending = Disk(Fault(at=number, kind="bent"))
        try:
            with bending.watched():
                operation.act(disk, reached.append)
        except operation.refusals:
            num_refused += 1
        else:
            assert not bending.struck
        operation.check(disk, reached[-1], power_cut=False)
        shutil.rmtree(disk)
    assert num_refused > 3


def test_a_log_that_failed_to_be_synced_never_says_that_it_is_durable(tmp_path: Path) -> None:
    """The system forgets what it could not write; asked once more, it says that all is well."""
    journal = Journal(tmp_path)
    writer = EventLogWriter(tmp_path / "events.jsonl")
    writer.append(Message(t=1.0, text="lost"))
    failing = Fault(at=1, kind="error", code=errno.EIO)
    with Disk(failing, journal).watched(), pytest.raises(StorageError, match="Input/output"):
        writer.sync()
    for again in (writer.sync, writer.close):
        with Disk(journal=journal).watched(), pytest.raises(StorageError, match="was lost"):
            again()
