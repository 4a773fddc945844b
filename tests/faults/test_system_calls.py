"""As in `test_power_loss.py`, but by the kernel: kills and errors at real system calls."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.faults import plan
from tests.faults.operations import Creation, Operation, Publication
from tests.faults.run_operations import LOGS, Saving, Session
from tests.faults.tracing import BROKEN, KILLED, Injection, trace, why_not

pytestmark = pytest.mark.slow

_MOST_INJECTIONS = 1_000_000 if plan.IS_LONG else 8
_OPERATIONS: list[Operation] = [
    Creation(has_earlier=True),
    Publication(replaces=True),
    Saving(),
    *LOGS[2:4],
    Session(resumes=True),
]


@pytest.mark.parametrize("operation", _OPERATIONS, ids=str)
def test_a_kill_or_an_error_at_any_system_call_costs_nothing_acknowledged(
    operation: Operation, tmp_path: Path
) -> None:
    if why_not():
        pytest.skip(why_not())
    before, disk = tmp_path / "before", tmp_path / "disk"
    before.mkdir()
    operation.prepare(before)
    _warm_up(operation, before, disk)
    for injection in _injections(operation, before, disk):
        shutil.copytree(before, disk)
        try:
            traced = trace(operation, disk, injection)
            assert traced.was_struck
            assert traced.status != BROKEN
            operation.check(disk, traced.reached, power_cut=False)
            if traced.status == KILLED:
                operation.mend(disk)
                operation.check(disk, traced.reached, power_cut=False)
            operation.go_on(disk)
        except BaseException as error:
            error.add_note(f"{operation}, {injection}; again with: {plan.REPLAY}")
            raise
        shutil.rmtree(disk)


def _warm_up(operation: Operation, before: Path, disk: Path) -> None:
    """Import and cache everything, so that a fork of this process only works on its files."""
    shutil.copytree(before, disk)
    operation.act(disk, lambda _: None)
    shutil.rmtree(disk)


def _injections(operation: Operation, before: Path, disk: Path) -> list[Injection]:
    """Every call that the operation makes, to be killed at and to fail; some of them by chance."""
    shutil.copytree(before, disk)
    counts = trace(operation, disk).count_calls()
    shutil.rmtree(disk)
    assert {"write", "fsync", "openat"} <= counts.keys()
    every = [
        Injection(call, at, what)
        for call, count in counts.items()
        for at in range(1, count + 1)
        for what in ("KILL", "ENOSPC", "EIO")
    ]
    choices = plan.choices_of(f"system calls {operation}")
    return choices.sample(every, min(_MOST_INJECTIONS, len(every)))
