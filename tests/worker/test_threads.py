"""How many threads a worker takes, and that it says why."""

from __future__ import annotations

import os

import pytest

from tests.builders import fork
from tui_trainer.worker.threads import choose_threads, usable_cores


@pytest.fixture(autouse=True)
def restored_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(variable, "0")


def test_asked_for_threads_reach_every_library() -> None:
    assert choose_threads(3) == (3, "threads 3: as configured, or as before")
    assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "3"


def test_left_to_choose_it_takes_the_usable_cores_and_says_so() -> None:
    cores = usable_cores()
    assert 1 <= cores <= (os.cpu_count() or 1)
    assert choose_threads(0) == (cores, f"threads {cores}: one for each of {cores} usable cores")
    assert os.environ["OMP_NUM_THREADS"] == str(cores)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no processor affinity here")
def test_cores_that_are_not_allowed_do_not_count() -> None:
    def child() -> None:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        assert usable_cores() == 1

    assert fork(child) == 0


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, None),
    ],
)
def test_waiting_threads_give_way_soon_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str | None
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    choose_threads(2)
    assert os.environ.get("GOMP_SPINCOUNT") == expected
