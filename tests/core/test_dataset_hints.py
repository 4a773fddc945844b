"""What a person is told who names no dataset."""

from __future__ import annotations

import pytest

from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.dataset_hints import hint_for_dataset
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
    assert hint.endswith("tuitrain data info photos-1f0c9a2e.")
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
    assert caught.value.hint == f"Did you mean {form}:PATH?"
