"""What the journeys start from: empty folders, and MNIST where its files are given."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command import Home

MNIST_VARIABLE = "TUITRAIN_TEST_MNIST"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.journey)


@pytest.fixture
def empty_home(tmp_path: Path) -> Iterator[Home]:
    """A working folder, and folders for data and runs that do not exist yet; nothing is forked."""
    work = tmp_path / "work"
    work.mkdir()
    variables = {"TUITRAIN__HARDWARE__THREADS": "1"}
    home = Home(work, tmp_path / "data", tmp_path / "runs", variables, is_real=True)
    yield home
    home.end_workers()


@pytest.fixture(scope="session")
def mnist_files() -> Path:
    """The folder of the four IDX files."""
    value = os.environ.get(MNIST_VARIABLE)
    if not value:
        pytest.skip(f"{MNIST_VARIABLE} does not name the folder of MNIST's four IDX files")
    if not Path(value).is_dir():
        pytest.skip(f"{MNIST_VARIABLE} names {value}, which is not a folder")
    return Path(value)


@pytest.fixture(scope="session")
def mnist_data(prepare_once: Callable[..., Path], mnist_files: Path) -> Path:
    """A data folder that holds MNIST, imported; not to be changed."""

    def fill(folder: Path) -> None:
        Home(folder, folder, folder / "none").do("data", "import", "mnist", str(mnist_files))

    return prepare_once("mnist-data", fill)
