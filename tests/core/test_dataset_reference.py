"""How datasets are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import (
    FILE_FORMATS,
    code_parts,
    is_own,
    likely_kind,
    parse_reference,
    prepared_name,
    settle_reference,
    short_reference,
)
from tui_trainer.errors import TuitrainError

_PLAIN = PreparationConfig()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("mnist", ["catalog mnist"]),
        ("folder:pets", ["folder pets"]),
        ("csv:a b.csv", ["csv a b.csv"]),
        ("folder:/a+b", ["folder /a+b"]),
        ("folder:/a+csv:b", ["folder /a", "csv b"]),
        ("mnist+usps", ["catalog mnist", "catalog usps"]),
        ("mnist+folder:c+d+digits", ["catalog mnist", "folder c+d", "catalog digits"]),
        ("c++/data.py:Pets", ["code c++/data.py:Pets"]),
        ("folder:x:y", ["folder x:y"]),
    ],
)
def test_a_reference_names_its_parts(text: str, parts: list[str]) -> None:
    assert [f"{part.format} {part.name}" for part in parse_reference(text)] == parts


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minst", "There is no dataset 'minst'"),
        ("folder:", "names no path"),
        ("csv:\0", "names no path"),
        ("mnist+", "There is no dataset"),
        ("+mnist", "There is no dataset"),
        ("", "There is no dataset"),
        ("folder:" + "a" * 5000, "too long"),
        ("data.py:class", "is not a name"),
    ],
)
def test_what_names_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(TuitrainError, match=message):
        parse_reference(text)


def test_paths_are_made_absolute() -> None:
    settled = settle_reference("folder:pets+mnist+data.py:Pets", Path("/home/ann"))
    assert settled == "folder:/home/ann/pets+mnist+/home/ann/data.py:Pets"
    assert settle_reference(settled, Path("/elsewhere")) == settled


def test_a_dataset_of_the_catalogue_has_its_own_name_only_when_prepared_as_usual() -> None:
    assert prepared_name("mnist", _PLAIN) == "mnist"
    assert prepared_name("mnist", PreparationConfig(max_bad=0.5)) == "mnist"
    assert prepared_name("mnist", PreparationConfig(size=32)).startswith("mnist-")


@given(
    text=st.text(min_size=1).filter(lambda text: "\0" not in text and "+" not in text),
    form=st.sampled_from(FILE_FORMATS),
)
def test_the_folder_of_own_data_is_a_plain_name(text: str, form: str) -> None:
    name = prepared_name(f"{form}:{text}", _PLAIN)
    assert name.isascii() and name == Path(name).name and not name.startswith((".", "-"))
    assert name != prepared_name(f"{form}:{text}", PreparationConfig(test=0.3))


def test_own_data_are_told_from_misspelt_names() -> None:
    assert is_own("folder:x") and is_own("a.py:B") and is_own("mnist+usps")
    assert not is_own("mnist") and not is_own("minst")


def test_code_and_kinds_are_known_by_the_name() -> None:
    assert code_parts("mnist+/a/b.py:C") == ["/a/b.py:C"]
    assert code_parts("mnist") == []
    assert (likely_kind("folder:x"), likely_kind("csv:x"), likely_kind("text:x")) == (
        "image",
        "table",
        "tokens",
    )
    assert likely_kind("npz:x") is None
    assert likely_kind("folder:") is None


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("mnist", "mnist"),
        ("folder:/home/ann/pets", "folder:pets"),
        ("/home/ann/data.py:Pets+mnist", "data.py:Pets+mnist"),
        ("folder:/", "folder:/"),
        ("folder:", "folder:"),
        ("", ""),
    ],
)
def test_a_narrow_column_shows_no_folders(text: str, short: str) -> None:
    assert short_reference(text) == short


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Python keeps the bytes of such names, but no JSON or TOML can."""
    for text in ("folder:/tmp/\udcff", "csv:\udc80.csv", "mnist+folder:/\udcfe"):
        with pytest.raises(TuitrainError, match="no UTF-8"):
            settle_reference(text, tmp_path)
    with pytest.raises(TuitrainError, match="no UTF-8"):
        settle_reference("csv:a.csv", Path("/tmp/\udcff"))
