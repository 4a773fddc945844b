"""`tuitrain data`: what is told of datasets, looked at, checked and removed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.checks import check_error, check_json_error
from tests.command import CONTROL, Home
from tests.data.prepare.making import make_dataset, make_images, skipped
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.source import Facts, stamp_files

HOSTILE = "red\x1b]0;owned\x07\x1b[2J\u202egnp.exe\n"


@pytest.fixture
def own(home: Home, tmp_path: Path) -> Home:
    """A data folder of the test's own, with a dataset of images in three classes."""
    home.data = tmp_path / "data"
    way = PreparationConfig(size=6, max_bad=0.5)
    source = home.folder / "pets"
    source.mkdir()
    make_images(
        home.data,
        reference=f"folder:{source}",
        preparation=way,
        skipped=skipped(4),
        stamps=stamp_files(source),
    )
    return home


def own_name(home: Home) -> str:
    (name,) = [folder.name for folder in home.data.iterdir() if folder.name.startswith("pets-")]
    return name


def test_catalogue_and_own_data_are_listed(own: Home) -> None:
    rows = {row["dataset"]: row for row in own.json("data", "list")}
    assert list(rows) == [*DATASETS, own_name(own)]
    row = rows[own_name(own)]
    assert (row["here"], row["prepared"], row["kind"]) == ("yes", True, "image")
    assert row["counts"] == {"train": 24, "test": 6}
    assert row["reference"] == f"folder:{own.folder / 'pets'}"
    assert rows["mnist"]["here"] == "no"
    assert rows["mnist"]["licence"] == DATASETS["mnist"].licence
    assert all(row.keys() == rows["mnist"].keys() for row in rows.values())


def test_the_list_tells_damage_from_age(own: Home, tmp_path: Path) -> None:
    for name, manifest in (("digits", "{"), ("wine", '{"version":1}')):
        (own.data / name).mkdir()
        (own.data / name / "dataset.json").write_text(manifest)
    os.utime(own.folder / "pets", (1, 1))
    here = {row["dataset"]: row["here"] for row in own.json("data", "list")}
    assert (here["digits"], here["wine"], here["iris"]) == ("damaged", "outdated", "no")
    assert here[own_name(own)] == "changed"
    assert own.json("data", "info", "digits")["problem"]


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_a_narrow_list_loses_columns_not_sense(home: Home, columns: int) -> None:
    terminal = home.open("data", "list", rows=40, columns=columns)
    assert terminal.finish() == 0
    lines = terminal.text.splitlines()
    assert lines[0].startswith("dataset")
    assert any(line.split()[:2] == ["digits", "yes"] for line in lines)
    assert all(any(line.startswith(name) for line in lines) for name in DATASETS)
    assert ("licence" in lines[0]) == (columns == 200)


def test_all_that_the_manifest_knows_is_told(own: Home) -> None:
    facts = own.json("data", "info", f"folder:{own.folder / 'pets'}")
    assert facts == own.json("data", "info", own_name(own))
    assert facts["splits"]["train"]["class_counts"] == [8, 8, 8]
    files = facts["splits"]["train"]["files"]
    assert all((own.data / own_name(own) / file["file"]).stat().st_size for file in files)
    assert {len(file["sha256"]) for file in files} == {64}
    assert len(facts["skipped"]) == facts["skipped_count"] == 4
    assert facts["preparation"]["size"] == 6
    assert facts["mean"] == [11.5]
    told = own.do("data", "info", own_name(own))
    for words in ("images of 1 × 6 × 6", "class-1", "row 3", "it is empty", "size 6", "11.5000"):
        assert words in told


def test_a_dataset_that_is_not_here_is_told_from_the_catalogue(own: Home) -> None:
    facts = own.json("data", "info", "mnist")
    assert (facts["here"], facts["prepared"], facts["path"]) == ("no", False, None)
    assert facts["counts"] == {"train": 60_000, "test": 10_000}
    assert "10 classes" in own.do("data", "info", "mnist")


def test_everything_prepared_is_verified(own: Home) -> None:
    (row,) = own.json("data", "verify")
    assert row == {
        "dataset": own_name(own),
        "files": 7,
        "intact": True,
        "changed": False,
        "source_missing": [],
        "problem": None,
        "hint": None,
    }
    os.utime(own.folder / "pets", (1, 1))
    assert "has changed since" in own.do("data", "verify", f"folder:{own.folder / 'pets'}")
    make_images(own.data, reference="npz:/other")
    file = own.data / own_name(own) / "test-inputs.npy"
    file.write_bytes(file.read_bytes()[:-1] + b"\xff")
    done = own.call("data", "verify", "--json")
    rows = {row["dataset"]: row["intact"] for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert rows.pop(own_name(own)) is False
    assert [*rows.values()] == [True]


def test_where_nothing_is_prepared_nothing_is_verified(home: Home, tmp_path: Path) -> None:
    home.data = tmp_path / "nowhere"
    assert home.json("data", "verify") == []
    assert "nothing is prepared" in home.do("data", "verify")


def test_removing_several_removes_all_or_none(own: Home) -> None:
    other = make_images(own.data, reference="npz:/other").name
    done = own.call("data", "remove", other, "digits")
    check_error(done, status=2, message="digits is not in", hint="data get digits")
    assert (own.data / other).exists()
    removed = own.json("data", "remove", other, f"folder:{own.folder / 'pets'}", other)
    assert [(row["dataset"] == other, row["removed"]) for row in removed] == [
        (True, True),
        (False, True),
    ]
    assert not [f for f in own.data.iterdir() if not f.name.startswith(".")]
    assert (own.folder / "pets").exists()


def test_samples_are_told_as_json(own: Home) -> None:
    shown = own.json("data", "preview", own_name(own), "--count", "4", "--split", "test")
    assert [sample["label"] for sample in shown["samples"]][:3] == [f"class-{n}" for n in range(3)]
    assert shown["of"] == 6
    assert [bar["count"] for bar in shown["histogram"]] == [2, 2, 2]
    again = own.json("data", "preview", own_name(own), "--count", "4", "--split", "test")
    assert again == shown
    only = own.json("data", "preview", own_name(own), "--class", "class-2", "--count", "3")
    assert {sample["label"] for sample in only["samples"]} == {"class-2"}


def test_samples_are_drawn_in_a_pipe_without_any_sequence(own: Home) -> None:
    drawn = own.do("data", "preview", own_name(own))
    assert not CONTROL.search(drawn)
    assert "class-0" in drawn and "━" in drawn
    own.variables["LC_ALL"] = "C"
    own.variables["PYTHONIOENCODING"] = "ascii"
    assert own.do("data", "preview", own_name(own)).replace("?", "").isascii()


def test_a_terminal_shows_pictures_in_colour(own: Home) -> None:
    terminal = own.open(
        "data", "preview", own_name(own), "--graphics", "blocks", rows=24, columns=80
    )
    assert terminal.finish() == 0
    assert b"\x1b[48;5;" in terminal.raw
    assert b"\x1b_G" not in terminal.raw and b"\x1b[c" not in terminal.raw
    own.variables["NO_COLOR"] = "1"
    terminal = own.open("data", "preview", own_name(own), rows=24, columns=80)
    assert terminal.finish() == 0
    assert b"\x1b[" not in terminal.raw
    assert "class-2" in terminal.text


@pytest.mark.parametrize(("graphics", "mark"), [("kitty", b"\x1b_Ga=T"), ("sixel", b"\x1bP0;1;0q")])
def test_graphics_that_are_wanted_are_drawn(own: Home, graphics: str, mark: bytes) -> None:
    terminal = own.open("data", "preview", own_name(own), "--graphics", graphics)
    assert terminal.finish() == 0
    assert mark in terminal.raw


def test_images_are_saved_with_their_labels(own: Home) -> None:
    saved = own.json("data", "preview", own_name(own), "--save", "pets.png", "--count", "9")
    assert saved["saved"] == str(own.folder / "pets.png")
    image = Image.open(own.folder / "pets.png")
    assert image.format == "PNG" and min(image.size) > 300
    own.do("data", "preview", own_name(own), "--flip", "1", "--save", "varied.png")
    assert Image.open(own.folder / "varied.png").width > 200


def test_variations_come_in_rows(own: Home) -> None:
    drawn = own.do("data", "preview", own_name(own), "--augmented", "--set", "augment.flip=1")
    assert "as stored" in drawn and "epoch 2" in drawn
    shown = own.json("data", "preview", own_name(own), "--mixup", "0.5", "--count", "2")
    assert len(shown["samples"]) == 2 and all(0 <= share <= 1 for share in shown["shares"])


BAD = [
    ("--split dev", "no split 'dev'", "Choose one of: train, test"),
    ("--class clas-1", "no class 'clas-1'", "Did you mean class-1"),
    ("--count 0", "--count", "--help"),
    ("--seed -1", "--seed", "--help"),
    ("--graphics png", "--graphics", "--help"),
    ("--save pets.jpg", "does not end in .png", "Name a file"),
    ("--augmented", "Nothing varies the images", "--flip 0.5"),
    ("--flip 2", "augment.flip must be a number from 0 to 1", "leave it out"),
    ("--set optimizer.lr=1", "no part in how images are varied", "augment.flip"),
    ("--translate 6", "out of sight", "below 6"),
]


@pytest.mark.parametrize(("options", "message", "hint"), BAD)
def test_what_cannot_be_shown_is_refused(own: Home, options: str, message: str, hint: str) -> None:
    done = own.call("data", "preview", own_name(own), *options.split())
    check_error(done, status=2, message=message, hint=hint)


def test_a_sheet_that_cannot_be_written_is_an_error(own: Home) -> None:
    done = own.call("data", "preview", own_name(own), "--save", "nowhere/pets.png", "--json")
    check_json_error(done, status=1, code="storage", message="nowhere/pets.png cannot be written")


def test_names_from_data_reach_no_terminal(home: Home, tmp_path: Path) -> None:
    home.data = tmp_path / "data"
    facts = Facts(
        "table", "classification", (2,), HOSTILE, HOSTILE, (HOSTILE, "b"), features=(HOSTILE, "x")
    )
    name = make_dataset(
        home.data, facts, np.ones((20, 2), np.float32), np.arange(20) % 2, skipped=()
    ).name
    for arguments in (("list",), ("info", name), ("preview", name), ("verify",)):
        for form in ((), ("--json",)):
            printed = home.do("data", *arguments, *form)
            assert not CONTROL.search(printed)
            assert "\u202e" not in printed
    assert home.json("data", "info", name)["classes"][0] == HOSTILE


def test_rows_and_numbers_are_shown_as_a_table(home: Home, tmp_path: Path) -> None:
    home.data = tmp_path / "data"
    facts = Facts("table", "regression", (3,), "t", "made", targets=("price",))
    inputs = np.arange(60, dtype=np.float32).reshape(20, 3)
    labels = np.linspace(0, 19, 20, dtype=np.float32)[:, None]
    name = make_dataset(home.data, facts, inputs, labels).name
    lines = home.do("data", "preview", name, "--count", "3").splitlines()
    assert lines[1].split() == ["row", "label", "1", "2", "3"]
    number = int(lines[2].split()[0])
    assert lines[2].split() == [str(number)] * 2 + [str(3 * number + n) for n in range(3)]
    assert sum(bar["count"] for bar in home.json("data", "preview", name)["histogram"]) == 16
    done = home.call("data", "preview", name, "--class", "a")
    check_error(done, status=2, message="its labels are numbers", hint="Leave out")
    done = home.call("data", "preview", name, "--save", "a.png")
    check_error(done, status=2, message="no images", hint="--save")


def test_preparing_again_says_what_is_there(home: Home, digits_data: Path, tmp_path: Path) -> None:
    home.data = tmp_path / "data"
    shutil.copytree(digits_data, home.data)
    shown = home.json("data", "get", "digits")
    assert shown["path"] == str(home.data / "digits")
    assert shown["counts"] == {"train": 1438, "test": 359}
    assert (shown["skipped"], shown["skipped_first"], shown["skipped_list"]) == (0, [], None)


def test_options_of_preparing_are_checked_together(home: Home) -> None:
    done = home.call("data", "get", "digits", "--size", "-1", "--fit", "squash")
    assert done.returncode == 2
    assert "--size is '-1'" in done.stderr and "--fit is 'squash'" in done.stderr


def test_what_is_damaged_is_prepared_again_under_either_name(home: Home, tmp_path: Path) -> None:
    home.data = tmp_path / "data"
    table = home.folder / "ages.csv"
    table.write_text("age,label\n" + "".join(f"{n},{'ab'[n % 2]}\n" for n in range(20)))
    home.do("data", "get", "csv:ages.csv", "--test-share", "0.3")
    (folder,) = [path for path in home.data.iterdir() if path.name.startswith("ages-")]
    whole = (folder / "train-inputs.npy").read_bytes()
    for name in ("csv:ages.csv", folder.name):
        options = ("--test-share", "0.3") if name.startswith("csv:") else ()
        (folder / "train-inputs.npy").write_bytes(whole[:-1] + b"!")
        assert home.call("data", "verify", name).returncode == 1
        home.do("data", "get", name, *options)
        assert (folder / "train-inputs.npy").read_bytes() == whole
    done = home.call("data", "get", folder.name, "--test-share", "0.2")
    check_error(done, status=2, message="options of its own", hint="Leave out --test-share")
    (folder / "dataset.json").write_text("{")
    done = home.call("data", "get", folder.name)
    check_error(done, status=2, message="is damaged", hint=f"data remove {folder.name}")


def test_import_is_for_the_catalogue(home: Home) -> None:
    done = home.call("data", "import", "folder:pets", ".")
    check_error(done, status=2, message="no dataset of the catalogue", hint="data get folder:pets")


def test_a_source_that_is_gone_is_told_without_alarm(own: Home) -> None:
    (own.folder / "pets").rmdir()
    gone = str(own.folder / "pets")
    (row,) = own.json("data", "verify")
    assert (row["intact"], row["source_missing"]) == (True, [gone])
    assert own.json("data", "info", own_name(own))["source_missing"] == [gone]
    assert "not there any more" in own.do("data", "verify")
    assert "not there any more" in own.do("data", "info", own_name(own))


def test_of_a_table_and_of_texts_every_class_is_shown(home: Home, tmp_path: Path) -> None:
    home.data = tmp_path / "data"
    table = home.folder / "ages.csv"
    table.write_text("age,label\n" + "".join(f"{n},{'aaab'[n // 25]}\n" for n in range(100)))
    texts = home.folder / "texts.csv"
    texts.write_text("text,label\n" + "".join(f"word {n},{'aaab'[n // 25]}\n" for n in range(100)))
    for reference in ("csv:ages.csv", "text:texts.csv"):
        home.do("data", "get", reference)
        shown = home.json("data", "preview", reference)
        assert [sample["label"] for sample in shown["samples"]] == ["a", "b"] * 5


@pytest.mark.parametrize(("rows", "columns"), [(24, 80), (45, 160), (16, 40)])
def test_a_preview_fits_the_terminal(own: Home, rows: int, columns: int) -> None:
    (own.folder / "texts.csv").write_text(
        "text,label\n" + "".join(f"{'word ' * n},{'ab'[n % 2]}\n" for n in range(100))
    )
    own.do("data", "get", "text:texts.csv")
    for name in (own_name(own), "text:texts.csv"):
        terminal = own.open("data", "preview", name, rows=rows, columns=columns)
        assert terminal.finish() == 0
        lines = terminal.text.split("\n")
        # The title is there still, with a line for the prompt below.
        assert "· train ·" in lines[0] and not lines[-1].strip()
        assert terminal.history == terminal.text


SLOW = """
import time

class Slow:
    classes = ["a", "b"]

    def __len__(self):
        return 4000

    def __getitem__(self, number):
        time.sleep(0.002)
        return [float(number)], number % 2
"""


def test_what_is_interrupted_is_listed_and_can_be_removed(home: Home, tmp_path: Path) -> None:
    home.data = tmp_path / "data"
    (home.folder / "slow.py").write_text(SLOW)
    terminal = home.open("data", "get", "slow.py:Slow", "--task", "classification")
    terminal.wait_for("of 4 000 samples")
    terminal.interrupt()
    assert terminal.finish() == 130
    assert "stopping: what was read is kept; go on with the same command" in terminal.text
    assert "Traceback" not in terminal.text and "of 4 000" not in terminal.text
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
    (row,) = [row for row in home.json("data", "list") if row["unfinished"]]
    assert row["here"] == "unfinished" and row["unfinished"]["total"] == 4000
    command = f"tuitrain data get {home.folder}/slow.py:Slow --task classification"
    assert row["unfinished"]["command"] == command
    assert f"go on with: {command}" in home.do("data", "list")
    told = home.do("data", "info", "slow.py:Slow")
    assert "unfinished" in told and command in told
    assert home.json("data", "remove", row["dataset"]) == [
        {"dataset": row["dataset"], "removed": True}
    ]
    assert not [path for path in home.data.iterdir() if path.name != ".originals"]


MISNAMED = [
    ("fodler:pets", "no kind of data", "Did you mean folder:pets?"),
    ("csv:rows.jsonl", "rows.jsonl is not a table", "Did you mean text:"),
    ("folder:pest", "There is no .*pest", "Did you mean folder:.*/pets?"),
    ("npz:pets", "is a folder, not", "Did you mean folder:"),
]


@pytest.mark.parametrize(("reference", "message", "hint"), MISNAMED)
def test_a_slip_leads_to_what_was_meant(
    home: Home, reference: str, message: str, hint: str
) -> None:
    (home.folder / "pets").mkdir()
    (home.folder / "rows.jsonl").touch()
    done = home.call("data", "get", reference)
    check_error(done, status=2, message=message, hint=hint, talk="preparing .*")
