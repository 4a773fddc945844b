"""Fixtures that any test may use."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import builders
from tui_trainer.core.config import RunConfig
from tui_trainer.core.events import Event
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder

settings.register_profile("tuitrain", deadline=None, max_examples=50, database=None)
settings.load_profile("tuitrain")

MakeRun = Callable[..., RunFolder]
Hold = Callable[..., "subprocess.Popen[str]"]

_HOLDER = """
import sys
from pathlib import Path
from tui_trainer.store.lease import RecordLock
lock = RecordLock(Path(sys.argv[1]), sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty registry in a folder that does not exist yet."""
    return Registry(tmp_path / "runs")


@pytest.fixture
def make_run(registry: Registry) -> MakeRun:
    """Makes a run through `Registry.create`; its log holds the events given."""

    def make(*history: Event, name: str = "") -> RunFolder:
        config = encode_config(RunConfig())
        folder = registry.create(builders.environment(), config, name)
        if history:
            builders.write_log(folder.events, history)
        return folder

    return make


@pytest.fixture
def hold() -> Iterator[Hold]:
    """Starts a process that holds the record lock on a file, with a note, until its input ends."""
    holders = []

    def start(path: Path, note: str = "") -> subprocess.Popen[str]:
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLDER, str(path), note],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder

    yield start
    for holder in holders:
        holder.kill()
        holder.communicate()
