"""The statistics that benchmarks report, without measuring anything."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import all as every_benchmark
from benchmarks import long_run, report, safety
from benchmarks.made_runs import BLOCK_STEPS, STEPS_PER_EPOCH, MadeRun, figures_of, make_registry
from benchmarks.report import describe, render
from benchmarks.results import Result, Row
from benchmarks.safety import Clock, clocked
from benchmarks.statistics import (
    Estimate,
    Target,
    estimate_median,
    interleave,
    is_level,
    paired_ratios,
)
from tui_trainer.core.run_state import RunState
from tui_trainer.dashboard.tails import RunTail
from tui_trainer.store.event_writer import EventLogWriter
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import read_run

_VALUES = st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60)


def _estimate(median: float) -> Estimate:
    return Estimate(median, median, median, 0.95, 30)


@given(_VALUES)
def test_the_interval_holds_the_median_and_consists_of_values(values: list[float]) -> None:
    estimate = estimate_median(values)
    assert estimate.low <= estimate.median <= estimate.high
    assert estimate.median == statistics.median(values)
    assert {estimate.low, estimate.high} <= set(values)
    assert estimate.count == len(values)


@given(_VALUES, st.randoms(use_true_random=False))
def test_the_order_of_values_does_not_count(values: list[float], generator: random.Random) -> None:
    shuffled = generator.sample(values, len(values))
    assert estimate_median(shuffled) == estimate_median(values)


@given(_VALUES, st.sampled_from([0.5, 0.25, 4.0]))
def test_an_estimate_in_another_unit_is_that_of_the_values(
    values: list[float], factor: float
) -> None:
    scaled = estimate_median([value * factor for value in values])
    assert scaled == estimate_median(values).scaled(factor)


@given(st.integers(6, 60))
def test_from_six_values_on_the_interval_is_as_sure_as_asked(count: int) -> None:
    assert estimate_median([float(value) for value in range(count)]).coverage >= 0.95


@pytest.mark.parametrize(
    ("count", "low", "high", "coverage"),
    [
        # Tables of the sign test: the k-th smallest and largest of n.
        (5, 1, 5, 0.9375),
        (6, 1, 6, 0.96875),
        (10, 2, 9, 0.9785),
        (30, 10, 21, 0.9572),
    ],
)
def test_the_interval_is_that_of_the_tables(
    count: int, low: int, high: int, coverage: float
) -> None:
    estimate = estimate_median([float(value) for value in range(1, count + 1)])
    assert (estimate.low, estimate.high) == (low, high)
    assert estimate.coverage == pytest.approx(coverage, abs=1e-4)


def test_the_interval_holds_the_true_median_as_often_as_it_says() -> None:
    generator = random.Random(0)
    held = 0
    for _ in range(2000):
        estimate = estimate_median([generator.expovariate(1.0) for _ in range(30)])
        held += estimate.low <= 0.6931471805599453 <= estimate.high
    assert 0.94 <= held / 2000 <= 0.975


def test_there_is_no_median_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one"):
        estimate_median([])


def test_ratios_are_of_pairs() -> None:
    assert paired_ratios([2.0, 9.0], [1.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError):
        paired_ratios([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("median", "is_fine"), [(1.0, True), (0.991, True), (1.011, False)])
def test_a_control_must_land_within_one_percent_of_one(median: float, is_fine: bool) -> None:
    assert is_level(_estimate(median)) is is_fine


@given(st.sampled_from(["a", "ab", "abcde"]), st.integers(0, 20))
def test_everyone_is_called_once_a_round(names: str, rounds: int) -> None:
    called: list[str] = []
    contestants = {name: lambda name=name: called.append(name) or name for name in names}
    results = interleave(contestants, rounds)
    assert results == {name: [name] * rounds for name in names}
    for start in range(0, len(called), len(names)):
        assert Counter(called[start : start + len(names)]) == Counter(names)


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (Target(0.98, at_least=True), 0.98, "pass"),
        (Target(0.98, at_least=True), 0.979, "MISS"),
        (Target(1.3, at_least=False), 1.2, "pass"),
        (Target(1.3, at_least=False), 1.4, "MISS"),
        (None, 1.0, ""),
    ],
)
def test_a_verdict_is_plain(target: Target | None, value: float, verdict: str) -> None:
    assert Row(what="ratio", figure=_estimate(value), target=target).verdict == verdict


def test_a_report_says_what_was_missed_and_what_is_void() -> None:
    target = Target(2.0, at_least=True)
    result = Result(
        name="steps",
        title="Step throughput",
        device="cpu",
        compared="This against that.",
        rows=(
            Row(what="one", figure=_estimate(3.0), unit="×", target=target),
            Row(what="two", figure=_estimate(1.5), unit="×", target=target),
            Row(what="three", figure=_estimate(3.0), unit="×", target=target, is_void=True),
        ),
        notes=("A note.",),
    )
    text = render([result], {})
    assert "Of 3 targets 1 reached, 1 missed, 1 not decided" in text
    assert "| two | 1.500 × | 1.500 … 1.500, n = 30 | ≥ 2 | MISS |" in describe(result)
    assert "| three | 3.000 × | 3.000 … 3.000, n = 30 | ≥ 2 | void |" in text
    assert "- A note." in text


def test_clocks_are_put_on_what_there_is_and_taken_off_again() -> None:
    before = EventLogWriter.sync
    with clocked() as clock:
        assert EventLogWriter.sync is not before
        assert clock.total_s == 0.0
    assert EventLogWriter.sync is before


def test_time_within_a_clocked_call_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(safety.time, "perf_counter", lambda: now[0])
    clock = Clock()

    def pass_time() -> None:
        now[0] += 1.0

    inner = clock.around(pass_time)
    clock.around(lambda: (inner(), pass_time()))()
    assert clock.total_s == 2.0


def test_every_benchmark_has_a_place_in_the_report() -> None:
    assert set(every_benchmark._NAMES) == {*report._ORDER, "machine"}


def test_a_made_run_reads_as_a_real_one(tmp_path: Path) -> None:
    registry = make_registry(tmp_path / "runs", 2, 2 * STEPS_PER_EPOCH)
    for folder in registry.folders():
        record = read_run(folder)
        assert (record.state, record.damaged, record.missing) == (RunState.FINISHED, 0, 0)
        assert record.snapshot.step == 2 * STEPS_PER_EPOCH
        assert record.snapshot.best is not None
    assert len({read_run(folder).snapshot.uuid for folder in registry.folders()}) == 2


def test_a_made_run_lives_until_it_is_closed(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "runs")
    with MadeRun(registry, 1000, is_live=True) as run:
        run.train(BLOCK_STEPS + 7)
        assert read_run(run.folder).state is RunState.RUNNING
    assert read_run(run.folder).state is RunState.INTERRUPTED


@given(first=st.integers(1, 10**7), count=st.integers(1, 600))
def test_a_step_has_the_same_figures_in_whatever_block(first: int, count: int) -> None:
    whole, last = figures_of(first, count), figures_of(first + count - 1, 1)
    for name in ("loss", "lr", "grad_norm", "accuracy"):
        assert getattr(whole, name)[-1] == getattr(last, name)[0]


def test_detail_is_checked_against_what_was_logged(tmp_path: Path) -> None:
    with MadeRun(Registry(tmp_path / "runs"), 10_000, is_live=False) as run:
        run.train(5000)
    tail = RunTail(run.folder)
    view = tail.read()
    assert view is not None
    steps = view.series.steps
    window = steps.between(1001, 1000 + long_run._ZOOM_STEPS)
    long_run.check_whole(window, 1001)
    with pytest.raises(RuntimeError, match="not the 2000 steps"):
        long_run.check_whole(window, 1002)
    with pytest.raises(RuntimeError, match="1999 rows"):
        long_run.check_whole(steps.between(1002, 1000 + long_run._ZOOM_STEPS), 1001)
