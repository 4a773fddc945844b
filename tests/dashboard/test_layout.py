"""Which panes fit where."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.dashboard.layout import PANES, plan_panes, rule_text


def names(width: int, height: int) -> list[str]:
    return [name for row in plan_panes(width, height) for name, _ in row.panes]


@given(st.integers(1, 400), st.integers(1, 120))
def test_panes_fill_their_rows_exactly_and_go_in_the_stated_order(width: int, height: int) -> None:
    rows = plan_panes(width, height)
    shown = names(width, height)
    assert set(shown) == set(PANES[: len(shown)])
    for row in rows:
        if width >= 82:
            assert sum(size for _, size in row.panes) + len(row.panes) - 1 == width
    if height >= 8:
        assert sum(row.height for row in rows) + len(rows) - 1 == height


def test_small_terminals_keep_the_loss_and_large_ones_gain_charts() -> None:
    assert names(60, 13) == ["loss"]
    assert names(60, 17) == ["loss", "accuracy"]
    assert names(100, 13) == ["loss", "accuracy"]
    assert names(100, 25) == names(160, 40) == ["loss", "accuracy", "memory", "events"]
    assert set(names(200, 50)) == set(PANES)


def test_lines_join_where_panes_meet() -> None:
    assert rule_text(7, above=(2, 4), below=(2, 5)) == "──┼─┴┬─"
