"""Names of a user's own code."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.code_names import (
    CodeName,
    absolute,
    absolute_metrics,
    compare_code,
    is_code_name,
    parse_code_name,
    parse_metric_names,
    short_name,
)
from tui_trainer.errors import ConfigError

_HERE = Path("/home/someone/project")


@pytest.mark.parametrize("name", ["convnet", "torchvision:resnet18", "cross-entropy", "", "a.b"])
def test_names_of_ours_are_not_code(name: str) -> None:
    assert not is_code_name(name)


@pytest.mark.parametrize("name", ["net.py:Net", "nets.small:Net", "net.py", "~/a:b.py:Net", "x:"])
def test_what_is_meant_as_code_is_code_however_badly_written(name: str) -> None:
    assert is_code_name(name)


@pytest.mark.parametrize(
    ("text", "short"),
    [("/home/a/net.py:Net", "net.py:Net"), ("nets.small:Net", "nets.small:Net"),
     ("torchvision:resnet18", "torchvision:resnet18"), ("convnet", "convnet"), ("", "")],
)  # fmt: skip
def test_a_short_name_leaves_out_the_folders_of_own_code(text: str, short: str) -> None:
    assert short_name(text) == short


@pytest.mark.parametrize(
    ("text", "source", "attribute", "is_file"),
    [
        ("net.py:Net", "net.py", "Net", True),
        ("../a b/net.v2.py:make_net", "../a b/net.v2.py", "make_net", True),
        ("odd:folder/net.py:Net", "odd:folder/net.py", "Net", True),
        ("nets:Net", "nets", "Net", False),
        ("nets.small.deep:_Net", "nets.small.deep", "_Net", False),
        (
            "/\u0646\u200c\u0627/\u6a21\u578b.py:Net",
            "/\u0646\u200c\u0627/\u6a21\u578b.py",
            "Net",
            True,
        ),
    ],
)
def test_a_name_has_a_source_and_an_attribute(
    text: str, source: str, attribute: str, is_file: bool
) -> None:
    parsed = parse_code_name(text)
    assert parsed == CodeName(source, attribute)
    assert parsed.is_file is is_file
    assert str(parsed) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("net.py", "does not say what to take"),
        ("net.py:", "does not say what to take"),
        ("", "does not say what to take"),
        (":", "does not say what to take"),
        (":Net", "neither a file"),
        ("net.py:Net.small", "not a name that Python"),
        ("net.py:Net()", "not a name that Python"),
        ("net.py:class", "not a name that Python"),
        ("net.py:1", "not a name that Python"),
        ("net.py: Net", "not a name that Python"),
        ("./net.txt:Net", "neither a file"),
        (".py:Net", "neither a file"),
        ("folder/.py:Net", "neither a file"),
        ("net.py/:Net", "neither a file"),
        ("..nets:Net", "neither a file"),
        ("nets.:Net", "neither a file"),
        ("nets.class:Net", "neither a file"),
        ("nets/small:Net", "neither a file"),
        ("a\x00.py:Net", "control characters"),
        ("a\n.py:Net", "control characters"),
        ("\x1b[2Ja.py:Net", "control characters"),
        ("\u202eyp.ten.py:Net", "control characters"),
        ("\udcff.py:Net", "control characters"),
        ("net.py:N\u200bet", "control characters"),
        pytest.param("a" * 1_000_000 + ".py:Net", "at most 4096", id="a path of 1 MB"),
        pytest.param("net.py:" + "N" * 1_000_000, "at most 4096", id="an attribute of 1 MB"),
    ],
)
def test_nonsense_is_refused_in_a_short_sentence_without_control_characters(
    text: str, says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parse_code_name(text)
    told = f"{caught.value.message} {caught.value.hint}"
    assert len(told) < 600
    assert caught.value.hint
    assert all(ord(character) >= 32 for character in told)
    assert "\u202e" not in told


@given(st.text(max_size=40))
def test_any_text_is_a_name_or_a_sentence(text: str) -> None:
    try:
        parsed = parse_code_name(text)
    except ConfigError as error:
        assert error.message and error.hint
    else:
        assert str(parsed) == text
        assert is_code_name(text) or parsed.source == "torchvision"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("net.py:Net", "/home/someone/project/net.py:Net"),
        ("../net.py:Net", "/home/someone/project/../net.py:Net"),
        ("/net.py:Net", "/net.py:Net"),
        ("~/net.py:Net", "/home/me/net.py:Net"),
        ("nets.small:Net", "nets.small:Net"),
    ],
)
def test_a_path_becomes_absolute_and_then_stays(
    monkeypatch: pytest.MonkeyPatch, text: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert absolute(text, _HERE) == expected
    assert absolute(expected, Path("/elsewhere")) == expected


def test_a_home_that_is_unknown_is_said() -> None:
    with pytest.raises(ConfigError, match="home folder"):
        absolute("~nobody-of-that-name/net.py:Net", _HERE)


def test_a_working_folder_that_cannot_stand_in_a_name_is_said() -> None:
    with pytest.raises(ConfigError, match="control characters"):
        absolute("net.py:Net", Path("/a\nb"))


def test_metrics_are_a_list() -> None:
    assert parse_metric_names("") == parse_metric_names("  ") == ()
    assert parse_metric_names("m.py:f1, pkg.m:auc") == ("m.py:f1", "pkg.m:auc")
    assert absolute_metrics("m.py:f1, pkg.m:auc", _HERE) == f"{_HERE}/m.py:f1,pkg.m:auc"
    assert absolute_metrics("", _HERE) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("m.py:f1,,m.py:auc", "empty place"),
        ("m.py:f1,", "empty place"),
        ("f1", "does not say what to take"),
        ("m.py:f1,n.py:f1", "named f1 is given by 'm.py:f1' already"),
        ("m.py:accuracy", "named accuracy is given by tuitrain itself already"),
    ],
)
def test_a_bad_list_of_metrics_is_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_metric_names(text)


def test_a_folder_with_a_comma_cannot_hold_metrics() -> None:
    with pytest.raises(ConfigError, match="comma"):
        absolute_metrics("m.py:f1", Path("/a,b"))


def test_code_that_is_the_same_has_no_differences() -> None:
    assert compare_code({}, {}) == []
    assert compare_code({"a.py:N": "1"}, {"a.py:N": "1"}) == []


def test_each_difference_of_code_is_said_once() -> None:
    before = {"a.py:N": "1", "a.py:f": "1", "b.py:f": "1", "c.py:f": "1"}
    now = {"a.py:N": "2", "a.py:f": "2", "b.py:f": "1", "d.py:f": "1"}
    assert compare_code(before, now) == [
        "the code in 'a.py' has changed since the run began",
        "the run began with 'c.py:f'",
        "the run began without 'd.py:f'",
    ]
