"""Format, lint, import contracts and types, as the project's own tools see them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def check(*command: str) -> None:
    tool = str(Path(sys.executable).with_name(command[0]))
    done = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_code_is_formatted() -> None:
    check("ruff", "format", "--check", "tui_trainer", "tests", "benchmarks")


def test_code_passes_the_linter() -> None:
    check("ruff", "check", "tui_trainer", "tests", "benchmarks")


def test_modules_import_only_from_floors_below() -> None:
    check("lint-imports")


@pytest.mark.timeout(600)
def test_types_are_sound() -> None:
    check("mypy")
