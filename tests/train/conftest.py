"""Fixtures for tests that train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.train.runs import WATCHERS, Runs
from tui_trainer import paths
from tui_trainer.train.step import Stepper


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Runs:
    """Trains runs in this process; what watches them is called after every step."""
    real = Stepper.__call__

    def call(self: Any, batch: Any, *, step: int, **given: Any) -> None:
        real(self, batch, step=step, **given)
        for watch in WATCHERS[-1:]:
            watch(step)

    monkeypatch.setattr(Stepper, "__call__", call)
    monkeypatch.setenv(paths.STATE_VARIABLE, str(tmp_path / "state"))
    return Runs(tmp_path)
