"""The names that `--json` promises."""

from __future__ import annotations

import functools
import json
import math

import msgspec

from tests import builders
from tui_trainer.core import events
from tui_trainer.core.events import Best
from tui_trainer.core.run_record import Annotations, RunRecord, describe
from tui_trainer.core.run_state import RunSnapshot, RunState, apply

_PROMISED = {
    "run", "uuid", "name", "state", "dataset", "model", "device", "epoch", "epochs", "step",
    "steps", "best", "last", "started", "elapsed_s", "tags", "path",
}  # fmt: skip


def _record(*history: events.Event, **annotations: object) -> RunRecord:
    return RunRecord(
        run="run42",
        path="/runs/run42",
        state=RunState.RUNNING,
        snapshot=functools.reduce(apply, builders.numbered(history), RunSnapshot()),
        annotations=msgspec.convert(annotations, Annotations),
        damaged=2,
        missing=3,
    )


def test_every_promised_field_is_there_before_the_first_event() -> None:
    described = describe(_record())
    assert described.keys() >= _PROMISED
    unknown = {"uuid", "name", "dataset", "model", "device", "best", "started", "error"}
    assert {key for key in described if described[key] is None} >= unknown
    assert described["last"] == {"train": None, "validation": None, "test": None}
    assert described["tags"] == []


def test_a_run_in_full() -> None:
    described = describe(
        _record(
            builders.session_start(),
            builders.steps(first=1, count=10),
            builders.evaluated("validation", step=10),
            name="baseline",
            tags=["a", "b"],
        )
    )
    assert described["run"] == "run42"
    assert described["name"] == "baseline"
    assert described["state"] == "running"
    best = {"metric": "accuracy", "value": 0.8, "step": 10}
    assert best.items() <= described["best"].items()
    assert described["last"]["validation"] == {"loss": 0.5, "accuracy": 0.8}
    assert described["started"] == "2023-11-14T22:13:21Z"
    assert described["elapsed_s"] == 3.0
    assert described["tags"] == ["a", "b"]
    assert described["path"] == "/runs/run42"
    assert (described["damaged_lines"], described["missing_events"]) == (2, 3)


def test_the_error_of_a_failed_run_is_told() -> None:
    described = describe(_record(builders.session_start(), builders.failed()))
    assert described["error"] == {"code": "error", "message": "it broke", "hint": ""}


def test_a_run_is_json_even_where_figures_are_not_numbers() -> None:
    content = msgspec.json.encode(describe(_record(builders.session_start(), builders.nan_steps())))
    assert json.loads(content)["run"] == "run42"


def test_the_title_is_the_name_or_the_number() -> None:
    assert _record().title == "run42"
    assert _record(name="baseline").title == "baseline"


def test_what_json_cannot_hold_is_null() -> None:
    best = Best(metric="accuracy", value=0.5, step=3)
    snapshot = RunSnapshot(
        last={"validation": {"loss": math.nan, "accuracy": math.inf}},
        samples_per_s=math.nan,
        best=best,
    )
    record = RunRecord(
        run="run1", path="", state=RunState.FAILED, snapshot=snapshot, annotations=Annotations()
    )
    described = describe(record)
    json.dumps(described, allow_nan=False)
    assert described["last"]["validation"] == {"loss": None, "accuracy": None}
    assert described["samples_per_s"] is None
    assert described["best"] == {"metric": "accuracy", "value": 0.5, "step": 3, "loss": None}
    assert described["epochs"] is None


def test_a_title_is_fit_to_be_printed() -> None:
    annotations = Annotations(name="\x1b]0;pwned\x07\x1b[2Jname")
    record = RunRecord(
        run="run1", path="", state=RunState.FAILED, snapshot=RunSnapshot(), annotations=annotations
    )
    assert record.title == "name"
