"""What a dataset was prepared from, and whether it is still there."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tests.data.samples import make_spec
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.specs import DatasetSpec, SourceFacts
from tui_trainer.store.dataset_source import missing_sources


def spec_of(reference: str) -> DatasetSpec:
    source = SourceFacts(reference=reference, preparation=PreparationConfig())
    return msgspec.structs.replace(make_spec((2,), "table"), source=source)


def test_files_and_folders_that_are_gone_are_named(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here.py").touch()
    gone = [f"{tmp_path}/gone", f"{tmp_path}/here.py/x.csv", f"{tmp_path}/gone.py"]
    reference = f"folder:{gone[0]}+csv:{gone[1]}+folder:{tmp_path}/here"
    assert missing_sources(spec_of(reference)) == gone[:2]
    assert missing_sources(spec_of(f"{gone[2]}:Pets+{tmp_path}/here.py:Pets+mnist")) == gone[2:]


def test_of_what_is_no_path_none_is_gone() -> None:
    for reference in ("mnist", "package.module:Pets", "what?", "csv:/a\0b"):
        assert missing_sources(spec_of(reference)) == []
    assert missing_sources(make_spec((2,), "table")) == []
