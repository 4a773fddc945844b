"""A user's own class of samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui_trainer.errors import DatasetError
from tui_trainer.models.user_code import load_code
from tui_trainer.models.user_dataset import WHOLE, build_user_samples

_SOURCE = """
class Plain:
    def __len__(self): return 3
    def __getitem__(self, n): return [n], n

class BySplit(Plain):
    def __init__(self, split): self.split = split

class ByTrain(Plain):
    def __init__(self, train=True, size=3): self.train = train

class Needy(Plain):
    def __init__(self, root): pass

class Broken(Plain):
    def __init__(self): raise OSError("gone")

made = Plain()
number = 3
"""


def load(folder: Path, name: str) -> dict[str, object]:
    (folder / "data.py").write_text(_SOURCE)
    loaded = load_code(
        f"data.py:{name}", role="dataset", folder=folder, gate=lambda name, sha256, path: None
    )
    return dict(build_user_samples(loaded))


def test_it_is_called_for_each_split_it_knows_of(tmp_path: Path) -> None:
    found = load(tmp_path, "BySplit")
    assert {split: made.split for split, made in found.items()} == {  # type: ignore[attr-defined]
        "train": "train",
        "test": "test",
    }
    found = load(tmp_path, "ByTrain")
    assert {split: made.train for split, made in found.items()} == {  # type: ignore[attr-defined]
        "train": True,
        "test": False,
    }


@pytest.mark.parametrize("name", ["Plain", "made"])
def test_without_splits_it_is_whole(tmp_path: Path, name: str) -> None:
    assert list(load(tmp_path, name)) == [WHOLE]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Needy", "needs a value for root"),
        ("Broken", "OSError: gone, line 16 of data.py"),
        ("number", "neither a class nor a function"),
        ("Absent", "has no Absent"),
    ],
)
def test_what_gives_no_samples_is_an_error(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(tmp_path, name)
