"""What a preparation that was killed leaves."""

from __future__ import annotations

from pathlib import Path

from tui_trainer.data.prepare import prepare_dataset


def test_what_was_left_after_publishing_goes_at_the_next_use(tmp_path: Path) -> None:
    spec = prepare_dataset(tmp_path, "digits")
    for left in (tmp_path / ".unfinished-digits", tmp_path / ".originals" / "digits"):
        left.mkdir(parents=True)
        (left / "file").write_bytes(b"left")
    assert prepare_dataset(tmp_path, "digits") == spec
    assert not (tmp_path / ".unfinished-digits").exists()
    assert not (tmp_path / ".originals" / "digits").exists()
