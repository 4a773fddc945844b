"""The colours: readable, and apart for every kind of eye."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.color import Color, ColorType
from rich.style import Style

from tui_trainer.core.run_state import RunState
from tui_trainer.dashboard.palette import (
    BACKGROUND,
    LOOKS,
    RUN_ROLES,
    STATE_GLYPHS,
    THEME_NAMES,
    ThemeName,
    color_of,
    run_roles,
    state_role,
    style_in,
)
from tui_trainer.dashboard.themes import THEMES

Vector = NDArray[np.float64]

DECORATION = {"line", "mark", "bar_rest", "branch", "selected"}
"""Roles of what is no text and no data, and may be faint."""
TEXT = {
    "", "text", "value", "strong", "quiet", "faint", "axis", "mark_label", "key", "good",
    "warning", "error", "non_finite",
}  # fmt: skip
TRUE_COLOR: tuple[ThemeName, ThemeName] = ("dark", "light")
SHARED_CHARTS = [
    ("train", "validation", "test"),
    ("reserved", "allocated", "used", "limit"),
    ("process", "used", "load", "limit"),
    RUN_ROLES,
]

# What each kind of colour-blind eye makes of linear RGB, at full severity: Machado, Oliveira and
# Fernandes, A physiologically-based model for simulation of color vision deficiency, 2009.
EYES = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
         [0.004733, 0.691367, 0.303900]]
    ),
}  # fmt: skip
# From linear RGB to Oklab, in which distances are as large as they look: Ottosson, 2020.
TO_CONES = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
TO_OKLAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip


def linear(color: str) -> Vector:
    parts = np.array(Color.parse(color).get_truecolor()) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""
    low, high = sorted(float(linear(color) @ (0.2126, 0.7152, 0.0722)) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def distance(one: str, other: str, eye: str) -> float:
    """How far apart two colours look, in hundredths of the way from black to white."""
    first, second = (
        TO_OKLAB @ np.cbrt(TO_CONES @ np.clip(EYES[eye] @ linear(color), 0, 1))
        for color in (one, other)
    )
    return 100 * float(np.linalg.norm(first - second))


def data_roles() -> set[str]:
    return {
        role
        for role in LOOKS
        if role not in TEXT | DECORATION and not role.endswith("_raw") and "band" not in role
    }


def test_the_measures_are_those_of_the_literature() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert distance("#000000", "#ffffff", "normal") == pytest.approx(100.0, abs=0.01)
    assert distance("#d55e00", "#7a7a00", "deuteranopia") < distance("#d55e00", "#7a7a00", "normal")


@pytest.mark.parametrize("role", LOOKS)
def test_every_role_has_a_look_in_every_theme(role: str) -> None:
    assert len(LOOKS[role]) == len(THEME_NAMES) == len(THEMES)
    for look in LOOKS[role]:
        Style.parse(look)
    for theme in TRUE_COLOR:
        color = Style.parse(getattr(LOOKS[role], theme)).color
        assert role == "selected" or (color is not None and color.triplet is not None)


@pytest.mark.parametrize("theme", TRUE_COLOR)
def test_text_is_readable_on_the_background_and_on_the_cursors_line(theme: ThemeName) -> None:
    selected = Style.parse(getattr(LOOKS["selected"], theme)).bgcolor
    assert selected is not None
    for role in sorted(TEXT):
        color = color_of(role, theme)
        assert contrast(color, getattr(BACKGROUND, theme)) >= 4.5, role
        if role != "faint":
            assert contrast(color, selected.name) >= 4.5, role


@pytest.mark.parametrize("theme", TRUE_COLOR)
def test_lines_of_data_stand_out_from_the_background(theme: ThemeName) -> None:
    assert {"train", "lr", "limit", *RUN_ROLES} <= data_roles()
    for role in sorted(data_roles()):
        assert contrast(color_of(role, theme), getattr(BACKGROUND, theme)) >= 3.0, role


@pytest.mark.parametrize("theme", TRUE_COLOR)
def test_what_is_faded_is_fainter_than_what_it_stands_behind(theme: ThemeName) -> None:
    background = getattr(BACKGROUND, theme)
    faded = [role for role in LOOKS if role.endswith("_raw")]
    pairs = [(role, role.removesuffix("_raw")) for role in faded]
    pairs += [(role.replace("run", "band"), role) for role in RUN_ROLES]
    for behind, front in pairs:
        near, far = (contrast(color_of(role, theme), background) for role in (behind, front))
        assert 1.15 <= near < far, behind


@pytest.mark.parametrize("theme", TRUE_COLOR)
@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("chart", SHARED_CHARTS, ids=lambda roles: roles[0])
def test_curves_that_share_a_chart_look_apart(
    theme: ThemeName, eye: str, chart: tuple[str, ...]
) -> None:
    for one, other in itertools.combinations(chart, 2):
        apart = distance(color_of(one, theme), color_of(other, theme), eye)
        assert apart >= 7.0, (one, other)


@pytest.mark.parametrize("theme", ["named", "mono"])
def test_without_many_colours_only_those_that_every_terminal_has_are_used(
    theme: ThemeName,
) -> None:
    allowed = {ColorType.STANDARD, ColorType.DEFAULT} if theme == "named" else {ColorType.DEFAULT}
    for role in LOOKS:
        style = style_in(theme, role, Style())
        assert {color.type for color in (style.color, style.bgcolor) if color} <= allowed, role


@pytest.mark.parametrize("theme", THEME_NAMES)
def test_the_cursors_line_looks_different_in_every_role(theme: ThemeName) -> None:
    for role in LOOKS.keys() - {"selected"}:
        plain, selected = (style_in(theme, name, Style()) for name in (role, f"{role} selected"))
        if plain.reverse:
            assert selected.reverse and selected.bold
        else:
            assert (plain.bgcolor, bool(plain.reverse)) != (selected.bgcolor, selected.reverse)


def test_every_state_has_a_glyph_of_its_own_and_a_role() -> None:
    assert len(set(STATE_GLYPHS.values())) == len(RunState)
    assert all(state_role(state) in LOOKS for state in RunState)


def test_an_unknown_role_looks_like_text() -> None:
    assert style_in("dark", "unheard-of", Style()) == style_in("dark", "", Style())


UUIDS = st.lists(st.text(max_size=40), unique=True, max_size=25)


@given(UUIDS)
def test_runs_look_different_until_there_are_more_than_roles(uuids: list[str]) -> None:
    roles = run_roles(uuids)
    assert len(roles) == len(uuids) and set(roles) <= set(RUN_ROLES)
    assert len(set(roles)) == min(len(uuids), len(RUN_ROLES))
    most = max((roles.count(role) for role in roles), default=0)
    assert most == math.ceil(len(uuids) / len(RUN_ROLES))


@given(UUIDS, st.text(max_size=40))
def test_a_run_that_joins_changes_no_others_colour(uuids: list[str], more: str) -> None:
    assert run_roles([*uuids, more])[: len(uuids)] == run_roles(uuids)


def test_the_first_of_several_runs_has_the_colour_that_it_has_alone() -> None:
    uuids = [f"run{number}" for number in range(30)]
    assert {run_roles([uuid]) for uuid in uuids} == {(role,) for role in RUN_ROLES}
