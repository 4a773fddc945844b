"""How a run is named and referred to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.run_name import check_name, number_in, number_of
from tui_trainer.errors import UsageError


@pytest.mark.parametrize(
    "name", ["a", "baseline", "a.b_c-9", "runner", "run", "run0", "run-7", "lasts"]
)
def test_a_good_name_is_taken(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "9a",
        "-a",
        ".a",
        "a b",
        "a/b",
        "a\n",
        "é",
        "a\x1b",
        "x" * 65,
        "last",
        "run1",
        "run42",
    ],
)
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    assert caught.value.hint


def test_the_longest_name_has_64_characters() -> None:
    assert check_name("x" * 64)


@given(st.from_regex(r"[a-z][a-z0-9._-]{0,63}", fullmatch=True))
def test_a_name_never_reads_as_a_number(name: str) -> None:
    try:
        check_name(name)
    except UsageError:
        assert name == "last" or number_of(name) is not None
    else:
        assert number_in(name) is None


@pytest.mark.parametrize(
    ("folder", "number"),
    [
        ("run1", 1),
        ("run42", 42),
        ("run0", None),
        ("run01", None),
        ("Run1", None),
        ("run", None),
        ("run1\n", None),
        ("run１", None),
        ("run1000000000", None),
        ("xrun1", None),
    ],
)
def test_folders_are_numbered(folder: str, number: int | None) -> None:
    assert number_of(folder) == number


@pytest.mark.parametrize(
    ("reference", "number"),
    [
        ("42", 42),
        ("run42", 42),
        ("007", 7),
        ("0", None),
        ("", None),
        ("٤", None),
        ("4 ", None),
        ("-1", None),
        ("9" * 10, None),
        ("last", None),
    ],
)
def test_references_by_number(reference: str, number: int | None) -> None:
    assert number_in(reference) == number
