"""Numbers, durations and sizes for people."""

from __future__ import annotations

import math

import pytest

from tui_trainer.core import format as fmt


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (999, "999"), (12345, "12 345"), (1_000_000, "1 000 000")]
)
def test_count(value: int, text: str) -> None:
    assert fmt.format_count(value) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 epochs"), (1, "1 epoch"), (1_000, "1 000 epochs")]
)
def test_counted(count: int, text: str) -> None:
    assert fmt.format_counted(count, "epoch") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1024, "1.0 KiB"),
        (3.1 * 2**30, "3.1 GiB"),
        (2**40, "1.0 TiB"),
        (5000 * 2**40, "5000.0 TiB"),
    ],
)
def test_bytes(value: float, text: str) -> None:
    assert fmt.format_bytes(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (8.2, "8.2s"),
        (41, "0:41"),
        (59.7, "1:00"),
        (3723, "1:02:03"),
        (2 * 86_400 + 3 * 3600 + 4 * 60, "2d 03:04"),
        (math.inf, "–"),
        (math.nan, "–"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert fmt.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (0.0, "0.0000"),
        (0.98765, "0.9877"),
        (0.00001, "1.00e-05"),
        (123456.0, "1.23e+05"),
        (-0.5, "-0.5000"),
    ],
)
def test_metric(value: float | None, text: str) -> None:
    assert fmt.format_metric(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (math.inf, "–"), (math.nan, "–"), (12345.6, "12 346")]
)
def test_rate(value: float | None, text: str) -> None:
    assert fmt.format_rate(value) == text


def test_utc() -> None:
    assert fmt.format_utc(1767323045.9) == "2026-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (12.9, "12s"), (60, "1m"), (3 * 3600 + 5, "3h"), (8 * 86_400, "8d")],
)
def test_age(seconds: float, text: str) -> None:
    assert fmt.format_age(seconds) == text
