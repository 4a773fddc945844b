"""Folding events into series."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from tests.builders import resumed, session_start
from tui_trainer.core import events
from tui_trainer.core.growing_table import GrowingTable
from tui_trainer.core.happenings import describe_request
from tui_trainer.core.sealed_json import Number
from tui_trainer.core.series import RunSeries


def steps(first: int, losses: list[Number], elapsed_s: float = 0.0) -> events.Steps:
    count = len(losses)
    return events.Steps(
        epoch=1,
        first=first,
        loss=tuple(losses),
        lr=(0.1,) * count,
        grad_norm=(1.0,) * count,
        accuracy=(0.5,) * count,
        samples_per_s=1.0,
        elapsed_s=elapsed_s,
    )


def fold(*all_events: events.Event) -> RunSeries:
    series = RunSeries()
    for event in all_events:
        series.apply(event)
    return series


def evaluated(step: int, loss: Number, split: str = "validation") -> events.Evaluated:
    return events.Evaluated(
        split=split, step=step, epoch=1, count=4, metrics={"loss": loss}, duration_s=0.1
    )


def test_blocks_join_into_one_curve_with_times_shared_out() -> None:
    view = fold(session_start(), steps(1, [3.0, 2.0], 2.0), steps(3, [1.0, 0.5], 6.0)).view()
    assert view.steps.step.tolist() == [1, 2, 3, 4]
    assert view.steps["loss"].tolist() == [3.0, 2.0, 1.0, 0.5]
    assert view.steps.elapsed_s.tolist() == [1.0, 2.0, 4.0, 6.0]


def test_numbers_that_are_not_finite_are_kept() -> None:
    loss = fold(steps(1, ["nan", "inf", "-inf", 1.0])).view().steps["loss"]
    assert math.isnan(loss[0]) and loss[1] == math.inf and loss[2] == -math.inf
    assert loss[3] == 1.0


def test_columns_of_unequal_length_do_not_shift_others() -> None:
    short = events.Steps(
        epoch=1, first=1, loss=(1.0, 2.0), lr=(0.1,), grad_norm=(), accuracy=(1.0, 1.0, 1.0),
        samples_per_s=1.0,
    )  # fmt: skip
    table = fold(short).view().steps
    assert len(table) == 2
    assert table["lr"][0] == 0.1 and math.isnan(table["lr"][1])


def test_a_resume_takes_later_points_off_the_curve_and_keeps_them_as_a_branch() -> None:
    series = fold(session_start(), steps(1, [5, 4, 3, 2]), evaluated(2, 4.5), evaluated(4, 2.5))
    series.apply(resumed(from_step=2))
    series.apply(steps(3, [3.5, 3.25]))
    view = series.view()
    assert view.steps["loss"].tolist() == [5, 4, 3.5, 3.25]
    assert np.all(np.diff(view.steps.step) > 0)  # no zigzag
    (branch,) = view.branches
    assert branch.steps["loss"].tolist() == [3, 2]
    assert branch.evaluated["validation"].step.tolist() == [4]
    assert view.evaluated["validation"].step.tolist() == [2]


def test_a_log_that_goes_back_without_a_resume_makes_no_zigzag() -> None:
    table = fold(steps(1, [1, 2, 3]), steps(2, [8, 9])).view().steps
    assert table.step.tolist() == [1, 2, 3]
    assert table["loss"].tolist() == [1, 8, 9]


def test_a_view_does_not_change_when_the_run_goes_on_or_back() -> None:
    series = fold(steps(1, [1.0, 2.0, 3.0]))
    before = series.view()
    series.apply(resumed(from_step=1))
    series.apply(steps(2, [float(number) for number in range(500)]))
    assert before.steps["loss"].tolist() == [1.0, 2.0, 3.0]
    assert series.view().steps.generation > before.steps.generation


def test_evaluations_lie_on_the_axis_of_training() -> None:
    finished = events.EpochFinished(
        epoch=1, step=10, train={"loss": 0.5, "accuracy": 0.9}, samples_per_s=1.0, duration_s=1.0
    )
    view = fold(finished, evaluated(10, 0.75), evaluated(10, 0.7)).view()
    assert view.evaluated["train"]["accuracy"].tolist() == [0.9]
    assert view.evaluated["validation"]["loss"].tolist() == [0.7]
    assert [marker.kind for marker in view.markers] == ["epoch"]


def test_resources_are_nan_where_nothing_was_said() -> None:
    host = events.Resources(
        process_bytes=1, host_used_bytes=2, host_total_bytes=3, cpu_utilization=0.5, elapsed_s=1.0
    )
    device = events.DeviceResources(allocated_bytes=4, reserved_bytes=5, peak_bytes=6)
    assert np.isnan(fold(host).view().resources["reserved_bytes"]).all()
    view = fold(host, events.Resources(**(fields_of(host) | {"device": device}))).view()
    assert not np.isnan(view.resources["reserved_bytes"]).all()
    assert view.resources["reserved_bytes"][1] == 5
    assert math.isnan(view.resources["power_w"][1])


def fields_of(event: events.Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__struct_fields__}


def test_growth_is_amortised() -> None:
    table = GrowingTable(("loss",))
    buffers = set()
    for number in range(10_000):
        table.append(float(number), 0.0, 0.0, {"loss": 1.0})
        buffers.add(id(table._buffers["loss"]))
    assert len(table) == 10_000
    assert len(buffers) < 20


def test_a_set_request_says_what_was_set() -> None:
    request = events.ControlApplied(
        id="1", request="set", by="me", step=3, arguments={"lr": 0.01, "mode": "x"}
    )
    assert describe_request(request) == "lr 0.01, mode x"
    arguments = {"lr": 0.004, "before": 0.05}
    request = msgspec.structs.replace(request, arguments=arguments)
    assert describe_request(request) == "lr 0.05→0.004"
