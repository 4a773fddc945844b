"""Each protection of the program's files is one that a test would miss."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import plan
from tests.faults.mutants import MUTANTS, Mutant

_ROOT = Path(__file__).parent.parent.parent
# Those that notice most, and soonest, first.
_TESTS = (
    "tests/faults/test_power_loss.py",
    "tests/checkpoints",
    "tests/data/test_prepared.py",
    "tests/store/test_atomic.py",
    "tests/store/test_event_log.py",
    "tests/store/test_run_folder.py",
    "tests/store/test_run_writer.py",
    "tests/store/test_registry.py",
)
_RUN = """
import sys
from pathlib import Path
import pytest
import tests
import tui_trainer
here = Path.cwd().resolve()
assert here in Path(tui_trainer.__file__).resolve().parents
assert here in Path(tests.__file__).resolve().parents
sys.exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""

_long = pytest.mark.skipif(not plan.IS_LONG, reason=f"takes ten minutes: {plan.REPLAY} -k mutant")


def _run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a copy of the project, at their quick size."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TUITRAIN", "PY"))
    }
    return subprocess.run(
        [sys.executable, "-c", _RUN, *_TESTS],
        cwd=folder,
        env=kept | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project in a folder of its own, to be changed."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("tui_trainer", "tests"):
        shutil.copytree(_ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(_ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_is_taken_away_is_there(mutant: Mutant) -> None:
    source = (_ROOT / "tui_trainer" / mutant.file).read_text()
    assert source.count(mutant.text) == 1
    assert mutant.text != mutant.replacement


def test_mutants_are_named_apart() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@_long
def test_the_copy_of_the_project_passes_without_a_mutant(copy: Path) -> None:
    done = _run_tests(copy)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr


@_long
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_test_fails_for_a_mutant(copy: Path, mutant: Mutant) -> None:
    file = copy / "tui_trainer" / mutant.file
    source = file.read_text()
    assert source.count(mutant.text) == 1
    file.write_text(source.replace(mutant.text, mutant.replacement))
    done = _run_tests(copy)
    # Not that nothing could be run: the mutant is sound, and a test saw it.
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    print(mutant.name, "was seen by", done.stdout[done.stdout.index("\nE  ") :])
