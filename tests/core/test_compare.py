"""What tells runs apart."""

from __future__ import annotations

import math
import unicodedata

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests import builders
from tui_trainer.core import events
from tui_trainer.core.code_changes import count_changes, describe_changes
from tui_trainer.core.compare import (
    SEED,
    UNKNOWN,
    ComparedRun,
    Difference,
    compare_code,
    compare_environments,
    compare_results,
    compare_runs,
    compare_settings,
    differing_settings,
    group_by_configuration,
    short_keys,
)
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.fields import settings_of
from tui_trainer.core.metric_direction import best_indexes, direction_of
from tui_trainer.core.run_record import Annotations, Environment, GitState, RunRecord
from tui_trainer.core.run_state import RunSnapshot, RunState

DIFF = """diff --git a/train.py b/train.py
index 1..2 100644
--- a/train.py
+++ b/train.py
@@ -1,2 +1,3 @@
-old
+new
+newer
--- not a header
diff --git a/model.py b/model.py
--- a/model.py
+++ b/model.py
@@ -1 +1 @@
-x
+y
"""


def config(**settings: object) -> RunConfig:
    tree = msgspec.to_builtins(RunConfig())
    for key, value in settings.items():
        part, _, name = key.partition("__")
        tree[part][name] = value
    return msgspec.convert(tree, RunConfig)


def record(state: RunState = RunState.FINISHED, **snapshot: object) -> RunRecord:
    return RunRecord(
        run="run1",
        path="/runs/run1",
        state=state,
        snapshot=RunSnapshot(**snapshot),  # type: ignore[arg-type]
        annotations=Annotations(),
    )


def environment(**changes: object) -> Environment:
    return replace(builders.environment(), **changes)


def run(
    config: RunConfig | None = None,
    environment: Environment | None = None,
    **snapshot: object,
) -> ComparedRun:
    return ComparedRun(
        record(**snapshot), config or RunConfig(), environment or builders.environment()
    )


def git(**changes: object) -> GitState:
    return replace(GitState(commit="a" * 40, branch="main", dirty=False), **changes)


def by_key(differences: tuple[Difference, ...]) -> dict[str, tuple[str, ...]]:
    return {difference.key: difference.values for difference in differences}


settings = st.fixed_dictionaries(
    {
        "optimizer__lr": st.sampled_from([0.1, 0.01]),
        "training__seed": st.integers(0, 2),
        "model__name": st.text(max_size=8),
    }
)
texts = st.text(max_size=20)
environments = st.builds(
    environment,
    host=texts,
    packages=st.dictionaries(st.sampled_from(["torch", "numpy", "\x1b[2J"]), texts, max_size=3),
    git=st.none()
    | st.builds(GitState, commit=texts, branch=texts, dirty=st.booleans(), diff=texts),
)
snapshots = st.fixed_dictionaries(
    {
        "step": st.integers(0, 1 << 53),
        "elapsed_s": st.floats(),
        "samples_per_s": st.none() | st.floats(),
        "data_sha256": texts,
        "code": st.dictionaries(texts, texts, max_size=2),
        "last": st.dictionaries(texts, st.dictionaries(texts, st.floats(), max_size=2), max_size=2),
        "best": st.none()
        | st.builds(events.Best, metric=texts, value=st.floats(), step=st.integers(0, 1 << 53)),
    }
)
compared = st.builds(
    lambda asked, where, snapshot: ComparedRun(record(**snapshot), asked, where),
    st.none() | settings.map(lambda chosen: config(**chosen)),
    st.none() | environments,
    snapshots,
)


@given(st.lists(compared, max_size=5))
def test_every_row_has_a_printable_value_for_every_run(runs: list[ComparedRun]) -> None:
    for difference in compare_runs(runs):
        assert len(difference.values) == len(runs)
        for text in (difference.key, *difference.values):
            assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)
        assert all(difference.values)
        assert set(difference.best) < set(range(len(runs))) or not difference.best


@given(compared, st.integers(1, 4))
def test_a_run_does_not_differ_from_itself(single: ComparedRun, count: int) -> None:
    differences = compare_runs([single] * count)
    assert {difference.section for difference in differences} <= {"results"}
    assert not any(difference.best for difference in differences)


@given(st.lists(compared, max_size=6))
def test_every_run_is_in_exactly_one_group(runs: list[ComparedRun]) -> None:
    groups = group_by_configuration(runs)
    assert sorted(index for group in groups for index in group) == list(range(len(runs)))
    for group in groups:
        configs = [runs[index].config for index in group]
        assert set(differing_settings(configs)) <= {SEED}


@given(st.lists(settings, min_size=1, max_size=5))
def test_the_differing_settings_are_those_with_more_than_one_value(
    chosen: list[dict[str, object]],
) -> None:
    expected = {
        key.replace("__", ".") for key in chosen[0] if len({repr(one[key]) for one in chosen}) > 1
    }
    assert set(differing_settings([config(**one) for one in chosen])) == expected


def test_settings_are_told_by_their_dotted_keys() -> None:
    known = settings_of(config(optimizer__lr=0.5))
    assert known["optimizer.lr"] == 0.5 and known["training.seed"] == 0
    assert all("." in key for key in known)


def test_settings_that_differ_stand_beside_one_another() -> None:
    rows = compare_settings(
        [
            run(config(optimizer__lr=0.5, optimizer__nesterov=True)),
            run(config(model__freeze="stem")),
            ComparedRun(record()),
        ]
    )
    assert by_key(rows) == {
        "model.freeze": ("none", "stem", UNKNOWN),
        "optimizer.lr": ("0.5", str(RunConfig().optimizer.lr), UNKNOWN),
        "optimizer.nesterov": ("true", "false", UNKNOWN),
    }


def test_keys_are_short_where_no_two_read_the_same() -> None:
    assert short_keys(["optimizer.lr", "loss.name", "model.name"]) == (
        "lr",
        "loss.name",
        "model.name",
    )


def test_runs_of_one_configuration_and_several_seeds_are_a_group() -> None:
    runs = [
        run(config(training__seed=0)),
        run(config(training__seed=1, optimizer__lr=0.5)),
        run(config(training__seed=2)),
        run(config(training__seed=3, optimizer__lr=0.5)),
    ]
    assert group_by_configuration(runs) == ((0, 2), (1, 3))


@pytest.mark.parametrize(
    "other",
    [
        run(config(training__seed=1), data_sha256="other"),
        run(config(training__seed=1), code={"model.py": "1" * 64}),
        run(config(training__seed=1, training__epochs=99)),
        ComparedRun(record(), None, None),
    ],
)
def test_other_data_code_or_settings_are_no_other_seed(other: ComparedRun) -> None:
    base = run(config(training__seed=0), environment(git=git()))
    assert group_by_configuration([base, other]) == ((0,), (1,))


def test_another_commit_around_our_own_models_is_no_other_configuration() -> None:
    base = run(config(training__seed=0), environment(git=git()))
    later = run(config(training__seed=1), environment(git=git(commit="b" * 40, dirty=True)))
    assert group_by_configuration([base, later]) == ((0, 1),)


def test_environments_that_differ_stand_beside_one_another() -> None:
    rows = compare_environments(
        [
            run(None, environment(packages={"torch": "2.1"}), device="cuda:0", device_name="H200"),
            run(None, environment(python="3.12", packages={"torch": "2.2", "onnx": "1"})),
            ComparedRun(record()),
        ]
    )
    assert by_key(rows) == {
        "python": ("3.11", "3.12", UNKNOWN),
        "torch": ("2.1", "2.2", UNKNOWN),
        "onnx": ("not installed", "1", UNKNOWN),
    }
    assert {row.section for row in rows} == {"environment"}
    devices = compare_environments([run(device="cuda:0", device_name="H200"), run(device="cpu")])
    assert by_key(devices)["device"] == ("cuda:0 H200", "cpu")


def test_code_that_differs_stands_beside_one_another() -> None:
    rows = compare_code(
        [
            run(None, environment(git=git()), code={"model.py": "1" * 64}),
            run(None, environment(git=git(commit="b" * 40, dirty=True, diff=DIFF))),
            run(None, environment(git=None), code={"model.py": "2" * 64}),
        ]
    )
    values = by_key(rows)
    assert values["commit"] == ("a" * 12, "b" * 12, UNKNOWN)
    assert values["uncommitted changes"][0] == "none"
    assert values["uncommitted changes"][1].endswith("2 files +3 −3")
    assert values["model.py"] == ("1" * 12, UNKNOWN, "2" * 12)
    assert "branch" not in values and "data" not in values


def test_changes_are_counted_by_file_and_line() -> None:
    assert count_changes(DIFF) == (2, 3, 3)
    assert count_changes("") == (0, 0, 0)


@given(st.text(max_size=200))
def test_changes_of_any_text_are_described(diff: str) -> None:
    text = describe_changes(git(dirty=True, diff=diff, diff_truncated=True))
    assert text.endswith(", cut") and "file" in text


def test_equal_descriptions_are_equal_changes() -> None:
    one, other = git(dirty=True, diff=DIFF), git(dirty=True, diff=DIFF.replace("newer", "newest"))
    assert describe_changes(one) == describe_changes(git(dirty=True, diff=DIFF))
    assert describe_changes(one) != describe_changes(other)


def test_results_are_shown_equal_or_not_and_the_best_is_marked() -> None:
    def judged(accuracy: float, loss: float) -> RunRecord:
        best = events.Best(metric="accuracy", value=accuracy, step=10)
        last = {"validation": {"loss": loss, "accuracy": accuracy, "distance": loss}}
        return record(best=best, last=last, epoch=3, epochs=3, step=30)

    rows = compare_results([judged(0.9, 0.5), judged(0.95, 0.6), judged(0.95, math.nan)])
    best = {row.key: row.best for row in rows}
    assert best["best accuracy"] == (1, 2) and best["validation accuracy"] == (1, 2)
    assert best["validation loss"] == (0,)
    assert best["validation distance"] == () and best["steps"] == ()
    assert by_key(rows)["best accuracy"] == ("0.9000", "0.9500", "0.9500")
    assert by_key(rows)["epochs"] == ("3/3",) * 3


def test_the_splits_of_results_come_in_the_order_of_training() -> None:
    last = {split: {"loss": 1.0} for split in ("zebra", "test", "validation", "train")}
    keys = [row.key for row in compare_results([record(last=last)])]
    assert [key for key in keys if key.endswith("loss")] == [
        "train loss", "validation loss", "test loss", "zebra loss",
    ]  # fmt: skip


@given(st.lists(st.none() | st.floats(), max_size=6), st.sampled_from([-1, 0, 1]))
def test_the_best_are_the_extreme_values_and_never_all(
    values: list[float | None], direction: int
) -> None:
    best = best_indexes(values, direction)
    known = [value for value in values if value is not None and not math.isnan(value)]
    chosen = [value for index in best if (value := values[index]) is not None]
    assert all(direction * one >= direction * other for one in chosen for other in known)
    assert not best or (direction and len(set(known)) > 1)


@pytest.mark.parametrize(
    ("metric", "direction"),
    [("loss", -1), ("accuracy", 1), ("top-5 accuracy", 1), ("wer_error", -1), ("lr", 0)],
)
def test_which_way_a_metric_gets_better(metric: str, direction: int) -> None:
    assert direction_of(metric) == direction
