"""Fixtures that any test may use."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import builders
from tests.command import Home, close_servers
from tests.faults.worker_pool import WorkerPool
from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.core.events import Event
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder

# The tensors of tests are small: a second thread gains nothing, and costs much where several test
# processes share the cores. Read when torch is first imported.
os.environ["OMP_NUM_THREADS"] = "1"

# The same examples each time, so that no change is refused for what it did not touch; others with
# --hypothesis-profile explore.
settings.register_profile(
    "tuitrain", deadline=None, max_examples=50, database=None, derandomize=True
)
settings.register_profile("explore", settings.get_profile("tuitrain"), derandomize=False)
settings.load_profile("tuitrain")

# What takes seconds or minutes a test, the longest first: begun last, it would be waited for by
# processes that have nothing left to do. What is in no row takes milliseconds.
_LONG = (
    "journeys/test_mnist.py",
    "test_static.py",
    "journeys/test_digits.py",
    "journeys/test_dashboard_starts.py",
    "faults/test_states.py",
    "faults/test_kills.py",
    "journeys",
    "faults",
    "export",
    "worker",
    "models/test_torchvision.py",
    "test_import_hygiene.py",
    "serve",
    "cli",
    "dashboard",
    "train",
)

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that take long before the others."""
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        folders = item.path.relative_to(here)
        places = (place for place, name in enumerate(_LONG) if folders.is_relative_to(name))
        return min(places, default=len(_LONG))

    items.sort(key=rank)


@pytest.fixture(scope="session", autouse=True)
def nothing_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees or changes the runs, the datasets and the preferences of whoever runs it."""
    folder = tmp_path_factory.mktemp("nothing")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(paths.RUNS_VARIABLE, raising=False)
        patch.setenv(paths.DATA_VARIABLE, str(folder / "data"))
        patch.setenv(paths.STATE_VARIABLE, str(folder / "state"))
        yield
    close_servers()


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


@pytest.fixture(scope="session")
def prepare_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a named folder once for all the processes of a test session."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def prepare(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared / name
        with open(shared / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                unfinished = shared / f"{name}-unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return prepare


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerPool]:
    """Starts workers within milliseconds."""
    pool = WorkerPool(tmp_path_factory.mktemp("pool-state"))
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def digits_data(prepare_once: Callable[..., Path]) -> Path:
    """A data folder that holds the digits; not to be changed."""

    def fill(folder: Path) -> None:
        Home(folder, folder, folder / "none").do("data", "get", "digits")

    return prepare_once("digits-data", fill)


@pytest.fixture
def home(tmp_path: Path, digits_data: Path) -> Iterator[Home]:
    """A working folder without runs; the digits are prepared. One thread trains each run."""
    work = tmp_path / "work"
    work.mkdir()
    variables = {"TUITRAIN__HARDWARE__THREADS": "1"}
    made = Home(work, digits_data, tmp_path / "runs", variables)
    yield made
    made.end_workers()


@pytest.fixture(scope="session")
def trained_runs(prepare_once: Callable[..., Path], digits_data: Path) -> Path:
    """A runs folder with one run, finished; not to be changed."""

    def fill(folder: Path) -> None:
        home = Home(folder, digits_data, folder, {"TUITRAIN__HARDWARE__THREADS": "1"})
        home.do("train", "digits", "--epochs", "2", "--name", "baseline")

    return prepare_once("trained-runs", fill)


@pytest.fixture
def trained(home: Home, trained_runs: Path) -> Home:
    """A working folder with one finished run of two epochs, run1, named baseline."""
    shutil.copytree(trained_runs, home.runs)
    return home
