"""Folders of images become sources: by class folders, by split folders, by a table."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.prepare.images.pictures import encode, noise, write_images
from tests.data.prepare.reading import read_all
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.data.prepare.images.folder import open_folder
from tui_trainer.data.prepare.images.listing import is_passed_over
from tui_trainer.errors import DatasetError

AS_IT_IS = PreparationConfig()


def test_class_folders_give_sorted_classes_and_files(tmp_path: Path) -> None:
    names = ["dog/2.png", "cat/10.png", "cat/2.png", "dog/old/deep/1.png", "ant/x.png"]
    write_images(tmp_path, *names)
    source = open_folder(tmp_path, AS_IT_IS)
    assert source.facts.classes == ("ant", "cat", "dog")
    assert source.facts.title == tmp_path.name
    assert source.splits_N is None
    assert source.skipped == ()
    read = read_all(source)
    assert read.labels.tolist() == [0, 1, 1, 2, 2]
    order = ["ant/x.png", "cat/10.png", "cat/2.png", "dog/2.png", "dog/old/deep/1.png"]
    for place, name in enumerate(order):
        pixels_HWC = noise(8, 8, seed=names.index(name))
        assert np.array_equal(read.inputs[place], pixels_HWC.transpose(2, 0, 1))


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_split_folders_are_the_official_splits(tmp_path: Path, name: str) -> None:
    write_images(tmp_path, "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/b/1.png")
    write_images(tmp_path, f"{name}/b/1.png")
    source = open_folder(tmp_path, AS_IT_IS)
    assert source.splits_N is not None
    assert source.splits_N.tolist() == [0, 0, 1, 1, 2]
    assert source.labels_N.tolist() == [0, 1, 0, 1, 1]


def test_a_validation_folder_is_the_test_split_where_there_is_no_other(tmp_path: Path) -> None:
    write_images(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/1.png")
    source = open_folder(tmp_path, AS_IT_IS)
    assert source.splits_N is not None
    assert source.splits_N.tolist() == [0, 0, 1]
    assert "val is the test split" in source.facts.origin


def test_a_training_folder_by_itself_is_split_as_any(tmp_path: Path) -> None:
    write_images(tmp_path, "train/a/1.png", "train/b/1.png")
    source = open_folder(tmp_path, AS_IT_IS)
    assert source.facts.classes == ("a", "b")
    assert source.splits_N is None


def test_classes_may_be_called_train(tmp_path: Path) -> None:
    write_images(tmp_path, "bus/1.png", "car/1.png", "train/1.png")
    assert open_folder(tmp_path, AS_IT_IS).facts.classes == ("bus", "car", "train")
    write_images(tmp_path / "other", "yes/1.png", "test/1.png")
    assert open_folder(tmp_path / "other", AS_IT_IS).facts.classes == ("test", "yes")


@pytest.mark.parametrize("table", ["labels.csv", "metadata.csv", "labels.tsv"])
def test_a_table_tells_the_labels(tmp_path: Path, table: str) -> None:
    write_images(tmp_path, "1.png", "sub/2.png", "3.png", "4.png")
    mark = "\t" if table.endswith("tsv") else ","
    rows = [("file", "label"), ("1.png", "yes"), ("sub/2.png", "no"), ("3.png", "yes")]
    rows += [("4.png", "no"), ("5.png", "no")]
    (tmp_path / table).write_text("\n".join(mark.join(row) for row in rows) + "\n")
    source = open_folder(tmp_path, AS_IT_IS)
    assert source.facts.kind == "image"
    assert source.facts.classes == ("no", "yes")
    assert source.facts.title == tmp_path.name
    read = read_all(source)
    assert read.labels.tolist() == [1, 0, 1, 0]
    assert list(read.reasons) == ["5.png"]


def test_a_table_may_tell_several_labels_or_a_number(tmp_path: Path) -> None:
    write_images(tmp_path, *(f"{n}.png" for n in range(4)))
    table = tmp_path / "labels.csv"
    table.write_text("file,label\n0.png,a;b\n1.png,b\n2.png,a\n3.png,a;b\n")
    source = open_folder(tmp_path, PreparationConfig(task="multilabel"))
    assert source.facts.classes == ("a", "b")
    assert read_all(source).labels.tolist() == [[1, 1], [0, 1], [1, 0], [1, 1]]
    table.write_text("file,age\n0.png,1.5\n1.png,2.5\n2.png,3\n3.png,4\n")
    source = open_folder(tmp_path, PreparationConfig(task="regression", label="age"))
    assert source.facts.targets == ("age",)
    assert read_all(source).labels.tolist() == [[1.5], [2.5], [3.0], [4.0]]


def test_a_table_that_names_no_images_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("width,label\n1,a\n2,b\n3,a\n4,b\n")
    with pytest.raises(DatasetError, match="no column of the names of image files") as caught:
        open_folder(tmp_path, AS_IT_IS)
    assert "--inputs" in caught.value.hint


def test_what_lies_about_is_passed_over_and_what_may_be_meant_is_told(tmp_path: Path) -> None:
    write_images(tmp_path, "a/1.png", "b/1.png", "loose.png", "a/.hidden.png", ".cache/c/1.png")
    for name in ("a/Thumbs.db", "a/.DS_Store", "b/desktop.ini", "README.md", "LICENSE"):
        (tmp_path / name).touch()
    (tmp_path / "b" / "1.json").write_text("{}")
    (tmp_path / "b" / "notes.txt").touch()
    source = open_folder(tmp_path, AS_IT_IS)
    assert len(source.labels_N) == 2
    reasons = {one.name: one.reason for one in source.skipped}
    assert reasons.keys() == {"loose.png", "b/1.json", "b/notes.txt"}
    assert reasons["loose.png"] == "it is in no folder of a class"
    assert "its name is not that of" in reasons["b/1.json"]


def test_images_without_an_ending_are_read(tmp_path: Path) -> None:
    write_images(tmp_path, "a/0001", "b/0001", "b/0002.PNG")
    assert len(read_all(open_folder(tmp_path, AS_IT_IS)).numbers) == 3


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    write_images(tmp_path / "real", "a/1.png", "b/1.png")
    (tmp_path / "link").symlink_to("real")
    assert len(read_all(open_folder(tmp_path / "link", AS_IT_IS)).numbers) == 2


def test_stamps_tell_when_a_file_comes_or_goes(tmp_path: Path) -> None:
    write_images(tmp_path, "a/1.png", "a/deep/1.png", "b/1.png")
    before = open_folder(tmp_path, AS_IT_IS).stamps
    folders, images = ("", "a", "a/deep", "b"), ("a/1.png", "a/deep/1.png", "b/1.png")
    assert set(before) == {str(tmp_path / name) for name in (*folders, *images)}
    (tmp_path / "a" / "deep" / "2.png").write_bytes(encode(noise(8, 8), "PNG"))
    assert open_folder(tmp_path, AS_IT_IS).stamps != before


def test_stamps_tell_when_one_of_few_files_is_written_over(tmp_path: Path) -> None:
    write_images(tmp_path, "a/1.png", "b/1.png")
    before = open_folder(tmp_path, AS_IT_IS).stamps
    (tmp_path / "a" / "1.png").write_bytes(encode(noise(9, 9), "PNG"))
    write_images(tmp_path, "b/1.png")
    assert open_folder(tmp_path, PreparationConfig(size=4)).stamps != before


def test_stamps_of_very_many_folders_are_bounded(tmp_path: Path) -> None:
    for number in range(2010):
        (tmp_path / "a" / f"{number}").mkdir(parents=True, exist_ok=True)
    write_images(tmp_path, "a/1.png", "b/1.png")
    assert len(open_folder(tmp_path, AS_IT_IS).stamps) == 2000


def test_only_classes_are_learnt_from_class_folders(tmp_path: Path) -> None:
    write_images(tmp_path, "a/1.png", "b/1.png")
    with pytest.raises(DatasetError, match="not a regression label") as caught:
        open_folder(tmp_path, PreparationConfig(task="regression"))
    assert "labels.csv" in caught.value.hint


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
        .filter(lambda name: len(name.encode()) < 200 and not is_passed_over(name))
        .filter(lambda name: name.isprintable() and name.strip() == name),
        min_size=2,
        max_size=5,
        unique_by=lambda name: unicodedata.normalize("NFC", name),
    )
)
def test_folders_of_any_printable_names_are_classes(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    root = tmp_path_factory.mktemp("any")
    image = encode(noise(4, 4), "PNG")
    for name in names:
        (root / "train" / name).mkdir(parents=True)
        (root / "train" / name / "1.png").write_bytes(image)
    source = open_folder(root, AS_IT_IS)
    assert source.facts.classes == tuple(sorted(unicodedata.normalize("NFC", n) for n in names))
    assert len(read_all(source).numbers) == len(names)
