"""Own pictures, from a folder to a preview: prepared, looked at, changed, interrupted, removed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.command import Home, wait_until, workers


@pytest.fixture
def own(home: Home, tmp_path: Path) -> Home:
    """A working folder with `pets`, light cats and dark dogs, and an empty data folder."""
    home.data = tmp_path / "data"
    generator = np.random.default_rng(0)
    for name, level in (("cat", 200), ("dog", 60)):
        folder = home.folder / "pets" / name
        folder.mkdir(parents=True)
        for n in range(30):
            pixels = generator.integers(level - 40, level + 40, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{n:02}.png")
    return home


def test_own_pictures_are_prepared_looked_at_and_kept_in_step(own: Home) -> None:
    (own.folder / "pets" / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = own.call("data", "get", "folder:pets", "--size", "16")
    assert done.returncode == 2
    assert "--max-bad" in done.stderr
    shown = own.json("data", "get", "folder:pets", "--size", "16", "--max-bad", "0.1")
    assert shown["counts"] == {"train": 48, "test": 12}
    assert [one["name"] for one in shown["skipped_first"]] == ["cat/broken.png"]
    assert Path(shown["skipped_list"]).is_file()
    preview = own.json("data", "preview", "folder:pets", "--class", "dog", "--count", "5")
    assert [sample["label"] for sample in preview["samples"]] == ["dog"] * 5
    shutil.copy(own.folder / "pets" / "dog" / "00.png", own.folder / "pets" / "dog" / "99.png")
    assert own.json("data", "info", "folder:pets")["here"] == "changed"
    again = own.json("data", "get", "folder:pets", "--size", "16", "--max-bad", "0.1")
    assert sum(again["counts"].values()) == 61
    assert own.json("data", "info", "folder:pets")["here"] == "yes"
    own.do("data", "remove", "folder:pets")
    assert (own.folder / "pets").is_dir()


def test_a_preparation_that_is_interrupted_goes_on(own: Home) -> None:
    terminal = own.open("data", "get", "digits")
    (worker,) = wait_until(lambda: workers(terminal.process.pid), "the worker")
    # So that it has not ended before the key is seen.
    worker.suspend()
    terminal.interrupt()
    terminal.wait_for("stopping: what was read is kept")
    # Where this took seconds, the command has lost patience with a worker that stands still.
    with contextlib.suppress(psutil.NoSuchProcess):
        worker.resume()
    assert terminal.finish() == 130
    # It stands where the terminal had put the key.
    assert re.search("^stopping: what was read is kept", terminal.text, re.MULTILINE)
    assert not workers(os.getpid())
    assert own.json("data", "get", "digits")["counts"] == {"train": 1438, "test": 359}


def test_what_a_person_sees_of_a_preparation(own: Home) -> None:
    terminal = own.open("data", "get", "folder:pets", "--size", "16", rows=24, columns=80)
    assert terminal.finish() == 0
    terminal_text = terminal.text
    assert "48 train, 12 test; 2 classes" in terminal_text
    # The bar is gone once it is done.
    assert "▰" not in terminal_text


def test_a_run_is_judged_on_what_it_was_trained_on(own: Home) -> None:
    """However its table changes afterwards; and the run goes on with the same samples."""
    table = own.folder / "ages.csv"
    rows = [f"{n % 50},{'ab'[n % 50 > 24]}\n" for n in range(200)]
    table.write_text("age,label\n" + "".join(rows))
    own.do("train", "csv:ages.csv", "--epochs", "2")
    before = own.json("eval", "1")
    table.write_text("age,label\n" + "".join(rows[:150]))
    (name,) = prepared(own)
    assert "has changed since" in own.call("train", name, "--epochs", "1").stderr
    _, earlier = prepared(own)
    assert earlier.startswith(f"{name}@")
    assert own.json("data", "info", earlier)["here"] == "earlier"
    after = own.json("eval", "1")
    for figure in ("count", "loss", "accuracy", "confusion", "mistakes"):
        assert after[figure] == before[figure]
    assert own.json("eval", "2")["count"] == 30
    own.do("resume", "1", "--epochs", "3")
    assert own.events("resumed")[-1]["exactness"] == "exact"
    assert "is an earlier version" in own.call("train", earlier).stderr
    own.do("data", "remove", earlier)
    assert "Bring back the data" in own.call("resume", "1", "--epochs", "4").stderr


def prepared(home: Home) -> list[str]:
    return sorted(path.name for path in home.data.iterdir() if not path.name.startswith("."))
