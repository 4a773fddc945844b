"""What stands in a run's folder about how it was begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import environment
from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_facts import read_facts


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Registry(tmp_path / "runs").create(environment(), encode_config(RunConfig()), "").path


def test_files_that_are_the_same_are_not_read_again(run: Path) -> None:
    facts = read_facts(run)
    assert facts.config == RunConfig()
    assert facts.environment is not None and facts.environment.host == "host"
    assert not facts.problems
    assert read_facts(run, facts) is facts


def test_a_file_that_changed_is_read_again(run: Path) -> None:
    before = read_facts(run)
    file = run / paths.CONFIG
    file.write_text(file.read_text() + "\n")
    after = read_facts(run, before)
    assert after is not before and after.config == before.config


@pytest.mark.parametrize("name", [paths.CONFIG, paths.ENVIRONMENT])
@pytest.mark.parametrize("content", [None, b"\xff\x00[", b"{}x"])
def test_a_file_that_cannot_be_read_is_told(run: Path, name: str, content: bytes | None) -> None:
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    facts = read_facts(run)
    assert (facts.config is None) == (name == paths.CONFIG)
    assert (facts.environment is None) == (name == paths.ENVIRONMENT)
    (problem,) = facts.problems
    assert name in problem
    assert read_facts(run, facts) is facts
