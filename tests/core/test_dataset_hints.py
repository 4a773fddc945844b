"""What a person is told who names no dataset."""

from __future__ import annotations

import pytest

from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.dataset_hints import find_misnamed, hint_for_dataset, hint_for_prefix
from tui_trainer.core.dataset_reference import FILE_FORMATS, parse_reference
from tui_trainer.errors import DatasetError


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("minst", "Did you mean mnist?"),
        ("iris.csv", "For a path of your own write: csv:iris.csv."),
        ("a/B.H5", "For a path of your own write: hdf5:a/B.H5."),
        ("reviews.jsonl", "For a path of your own write: text:reviews.jsonl."),
        ("./photos", "For a path of your own write: folder:./photos."),
        ("csv", "Name a path too, as csv:PATH."),
    ],
)
def test_a_path_is_told_from_a_slip(text: str, hint: str) -> None:
    assert hint_for_dataset(text, DATASETS) == hint


def test_what_is_like_nothing_is_shown_both_ways() -> None:
    hint = hint_for_dataset("zzz", DATASETS)
    assert hint.startswith("Choose one of: digits, ") and "folder:PATH" in hint


def test_a_name_in_the_data_folder_leads_to_what_it_was_prepared_from() -> None:
    hint = hint_for_dataset("photos-1f0c9a2e", DATASETS)
    assert hint.endswith("what is here is listed by: tuitrain data list.")
    assert hint_for_dataset("photos", [*DATASETS, "photos-1f0c9a2e"]) == (
        "Did you mean photos-1f0c9a2e?"
    )


@pytest.mark.parametrize(
    ("text", "form"), [("h5:a.h5", "hdf5"), ("CSV:a.csv", "csv"), ("fodler:/a/b", "folder")]
)
def test_a_kind_of_path_that_is_none_leads_to_the_nearest(text: str, form: str) -> None:
    assert form in FILE_FORMATS
    with pytest.raises(DatasetError, match="no kind of data") as caught:
        parse_reference(text)
    assert caught.value.hint == f"Did you mean {form}:{text.partition(':')[2]}?"


@pytest.mark.parametrize(
    ("prefix", "form"), [("photos", "folder"), ("json", "text"), ("numpy", "npz"), ("cvs", "csv")]
)
def test_another_word_for_a_kind_of_data_is_understood(prefix: str, form: str) -> None:
    assert hint_for_prefix(prefix, "x") == f"Did you mean {form}:x?"
    assert hint_for_prefix("mymodule", "Pets") is None


@pytest.mark.parametrize(
    ("form", "path", "is_folder", "hint"),
    [
        ("csv", "/a/x.jsonl", False, "Did you mean text:/a/x.jsonl?"),
        ("text", "/a/x.npz", False, "Did you mean npz:/a/x.npz?"),
        ("npz", "/a/x.H5", False, "Did you mean hdf5:/a/x.H5?"),
        ("hdf5", "/a/x.npz", False, "Did you mean npz:/a/x.npz?"),
        ("hdf5", "/a/photos", True, "Did you mean folder:/a/photos?"),
        ("folder", "/a/x.csv.gz", False, "Did you mean csv:/a/x.csv.gz?"),
        ("folder", "/a/x.tar.gz", False, "Unpack it, and name what comes out."),
        ("csv", "/a/x.zip", False, "Unpack it, and name what comes out."),
        ("folder", "/a/x.JPG", False, "Name the folder that holds the images: folder:/a."),
        ("folder", "/a/notes", False, "Name a folder with images in it."),
    ],
)
def test_a_path_of_another_form_is_told(form: str, path: str, is_folder: bool, hint: str) -> None:
    misnamed = find_misnamed(form, path, is_folder=is_folder)
    assert misnamed is not None
    assert path in misnamed[0] and misnamed[1] == hint


@pytest.mark.parametrize(
    ("form", "path", "is_folder"),
    [
        ("csv", "/a/x.tsv", False),
        ("csv", "/a/x.data", False),
        ("csv", "/a/tables", True),
        ("text", "/a/x.csv", False),
        ("text", "/a/x.parquet", False),
        ("text", "/a/reviews", True),
        ("npz", "/a/x", False),
        ("hdf5", "/a/x.hdf", False),
        ("folder", "/a/photos.zip", True),
    ],
)
def test_what_may_be_of_the_form_is_let_through(form: str, path: str, is_folder: bool) -> None:
    assert find_misnamed(form, path, is_folder=is_folder) is None
