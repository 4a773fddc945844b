"""Fixtures of the tests that break things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.ordinary import be_ordinary, can_be_ordinary
from tests.faults.pooled_runs import CONFIGURATIONS, PooledRun
from tests.faults.worker_pool import WorkerPool
from tests.tasks import prepare_stripes
from tui_trainer.store.run_folder import RunFolder


@pytest.fixture(scope="session")
def stripes_data(prepare_once: Callable[..., Path]) -> Path:
    """A data folder that holds stripes in the shape of the digits; not to be changed."""
    return prepare_once("stripes-data", lambda folder: prepare_stripes(folder, "digits"))


@pytest.fixture
def undisturbed(
    pool: WorkerPool, stripes_data: Path, prepare_once: Callable[..., Path]
) -> Callable[[str], RunFolder]:
    """A run of a named configuration that was trained without a break."""

    def make(name: str) -> RunFolder:
        def train(folder: Path) -> None:
            run = PooledRun.of(pool, stripes_data, folder, CONFIGURATIONS[name])
            assert run.start().wait() == 0

        made = prepare_once(f"undisturbed-{name.replace(' ', '-')}", train)
        return RunFolder(made / "run1")

    return make


@pytest.fixture
def ordinary(tmp_path: Path) -> Callable[[], None]:
    """What a child calls to be bound by permissions, as root is not."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if not can_be_ordinary(folder):
        pytest.skip("permissions bind nobody here: the tests run as root")
    return be_ordinary
