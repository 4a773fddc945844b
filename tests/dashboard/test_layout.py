"""Which panes fit where."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.dashboard.layout import EVENTS, move_edge, plan_panes, rule_text

PANES = (
    "loss", "accuracy", "memory", EVENTS, "lr", "grad_norm", "throughput", "f1", "load", "power",
)  # fmt: skip


def names(width: int, height: int, *, dense: bool = False) -> list[str]:
    return [name for row in plan_panes(width, height, PANES, dense=dense) for name, _ in row.panes]


@given(st.integers(1, 400), st.integers(1, 120), st.integers(1, len(PANES)), st.booleans())
def test_panes_fill_their_rows_exactly_and_go_in_the_stated_order(
    width: int, height: int, count: int, dense: bool
) -> None:
    rows = plan_panes(width, height, PANES[:count], dense=dense)
    shown = [name for row in rows for name, _ in row.panes]
    assert sorted(shown) == sorted(PANES[: len(shown)])
    for row in rows:
        if width >= 82:
            assert sum(size for _, size in row.panes) + len(row.panes) - 1 == width
            assert all(size >= 40 for _, size in row.panes)
    if height >= 8:
        assert sum(row.height for row in rows) + len(rows) - 1 == height
        assert all(row.height >= 8 for row in rows)


def test_small_terminals_keep_the_loss_and_large_ones_gain_charts() -> None:
    assert names(60, 13) == ["loss"]
    assert names(60, 17) == ["loss", "accuracy"]
    assert names(100, 13) == ["loss", "accuracy"]
    assert names(100, 25) == names(160, 40) == ["loss", "accuracy", "memory", EVENTS]
    assert len(names(200, 50)) == 9
    assert len(names(250, 80)) == len(PANES)


def test_a_dense_page_shows_as_many_as_can_be_read() -> None:
    assert len(names(100, 35, dense=True)) == 8
    assert names(100, 35, dense=True)[-1] == EVENTS


def test_lines_join_where_panes_meet() -> None:
    assert rule_text(7, above=(2, 4), below=(2, 5)) == "──┼─┴┬─"


@given(
    st.integers(82, 300),
    st.integers(20, 90),
    st.booleans(),
    st.integers(0, 3),
    st.integers(-30, 30),
)
def test_a_line_that_is_moved_stands_where_it_was_moved_to(
    width: int, height: int, is_column: bool, edge: int, by: int
) -> None:
    plan = plan_panes(width, height, PANES)
    moved = move_edge(plan, is_column=is_column, edge=edge, by=by)
    if moved is None:
        return
    after = plan_panes(width, height, PANES, sizes=dict([moved]))
    if is_column:
        assert after[0].separators[edge] == plan[0].separators[edge] + by
    else:
        assert after[edge].height == plan[edge].height + by
    assert [[name for name, _ in row.panes] for row in after] == [
        [name for name, _ in row.panes] for row in plan
    ]
