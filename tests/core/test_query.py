"""The language in which runs are searched."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.config import OptimizerConfig, RunConfig
from tui_trainer.core.config.fields import all_fields, settings_of
from tui_trainer.core.events import Best
from tui_trainer.core.query import Query, parse_query
from tui_trainer.core.query_keys import (
    ALIASES,
    NUMBERS,
    STATE_WORDS,
    TEXTS,
    metric_names,
    read_number,
)
from tui_trainer.core.run_record import Annotations, RunRecord
from tui_trainer.core.run_state import RunSnapshot, RunState
from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import UsageError

NOW = 1_700_000_000.0
SETTINGS = settings_of(RunConfig(optimizer=OptimizerConfig(name="sgd", lr=0.01, nesterov=True)))

any_text = st.text(st.characters(), max_size=40)
pieces = st.lists(
    st.sampled_from(
        [*TEXTS, *NUMBERS, *ALIASES, *STATE_WORDS, *list(all_fields())[:8], "val.loss", "-", "|",
         " ", '"', '""', ":", ">", ">=", "=", "!=", "==", "0.9", "2h", "nan", "99%", "x", "\ud800"]
    ),
    max_size=12,
).map("".join)  # fmt: skip


def record(
    run: str = "run1", state: RunState = RunState.FINISHED, **changes: Any
) -> RunRecord:  # fmt: skip
    notes = {key: changes.pop(key) for key in ("name", "tags", "note") if key in changes}
    values: dict[str, Any] = {
        "dataset": "mnist", "model": "convnet", "device": "cuda:0", "device_name": "NVIDIA H200",
        "epoch": 3, "epochs": 5, "step": 1200, "steps": 2000, "loss": 0.05, "lr": 0.001,
        "best": Best(metric="accuracy", value=0.9912, step=1000), "elapsed_s": 700.0,
        "last": {"train": {"accuracy": 0.999}, "validation": {"accuracy": 0.98, "loss": 0.07}},
        "started_t": NOW - 3600.0,
    }  # fmt: skip
    return RunRecord(
        run=run,
        path=f"/runs/{run}",
        state=state,
        snapshot=RunSnapshot(**{**values, **changes}),
        annotations=Annotations(**notes),
    )


def fits(query: str, run: RunRecord | None = None) -> bool:
    return parse_query(query).matches(run or record(), NOW, SETTINGS)


@pytest.mark.parametrize("text", ["", "   ", "\t\n"])
def test_a_query_that_says_nothing_fits_every_run(text: str) -> None:
    assert fits(text)


@pytest.mark.parametrize(
    "word", ["run4", "RUN4", "straSSe", "mnist", "conv", "base", "second try", "fini"]
)
def test_a_word_is_looked_for_in_all_that_people_and_lists_call_a_run(word: str) -> None:
    run = record("run4", name="straße", tags=("baseline", "x"), note="a Second Try")
    assert fits(f'"{word}"', run)
    assert not fits(f'-"{word}"', run)
    assert not fits(f'"{word}q"', run)


@pytest.mark.parametrize(
    "query",
    [
        "tag:base", "tag=baseline", "tags:x", "tag!=other", "note:try", 'note:"second try"',
        "name:stra", "run=run4", "dataset=MNIST", "model:CONV", "state:fin", "state=finished",
        "state:ended", "device:h200", "device:cuda", "state!=failed",
        "acc>0.99", "accuracy>=0.9912", "best>99%", "loss<0.1", "val.loss>0.06", "val.acc<0.99",
        "train.accuracy=0.999", "epoch>2", "epochs=5", "step>=1000", "steps == 2000", "lr=1e-3",
        "progress > 50%", "age<2h", "age>=59m", "elapsed>10m", "elapsed<11m41s", "ACC > 0.99",
        "optimizer.lr>=1e-3", "optimizer.lr=0.01", "data.batch_size=64", "optimizer.name=sgd",
        "optimizer.name:sg", "optimizer.name!=adam", "optimizer.nesterov=true",
        "optimizer.nesterov!=false", "-acc>0.9999", "-failed", "a | mnist", "zzz | tag:x acc>0.9",
    ],
)  # fmt: skip
def test_conditions_hold_of_a_run_that_fulfils_them(query: str) -> None:
    run = record("run4", name="straße", tags=("baseline", "x"), note="a Second Try")
    assert fits(query, run)


@pytest.mark.parametrize(
    "query",
    [
        "tag=base", "tag:y", "run=run", "state:live", "state=running", "acc>0.9913", "epoch<3",
        "loss>0.05", "test.accuracy>0", "speed>0", "age<30m", "mnist failed", "-mnist", "x | y",
        "optimizer.lr>0.01", "optimizer.name=adam", "optimizer.nesterov=false",
    ],
)  # fmt: skip
def test_conditions_do_not_hold_of_a_run_that_does_not(query: str) -> None:
    assert not fits(query)


def test_what_is_not_known_fulfils_no_comparison() -> None:
    fresh = record(loss=None, best=None, last={}, started_t=None, steps=0)
    for sign in (">", "<", ">=", "<=", "=", "!="):
        for key in ("loss", "best", "acc", "age", "progress", "steps", "val.loss", "speed"):
            assert not fits(f"{key}{sign}0", fresh)
    query = parse_query("optimizer.lr>0 | optimizer.name:s | optimizer.nesterov!=true")
    assert query.needs_settings and not query.matches(fresh, NOW)


def test_a_loss_that_is_no_number_can_be_searched_for() -> None:
    lost = record(loss=math.nan)
    assert fits("loss=nan", lost) and fits("loss!=0.1", lost)
    assert not fits("loss>0", lost) and not fits("loss<1", lost) and not fits("loss=nan")
    assert fits("loss=inf", record(loss=math.inf))


def test_numbers_that_no_float_can_hold_fit_nothing_and_raise_nothing() -> None:
    vast = record(step=10**400, steps=3, parameters=10**400)
    assert not fits("step>1", vast) and not fits("progress>0", vast)
    assert not fits("parameters=1", vast)


def test_live_and_ended_share_out_the_states() -> None:
    for state in RunState:
        known = state is not RunState.UNKNOWN
        run = record(state=state)
        assert fits("state:live", run) == state.is_live
        assert fits("state:ended", run) == (known and not state.is_live)
        assert fits(f"state={state.value}", run)


def test_metrics_of_ones_own_are_known_by_the_runs_that_have_them() -> None:
    run = record(last={"validation": {"accuracy": 0.5, "F1_macro": 0.7}})
    names = metric_names([run])
    assert names == {"accuracy", "loss", "F1_macro"}
    assert parse_query("f1_macro>0.6 val.F1_macro<0.8", names).matches(run, NOW)
    with pytest.raises(UsageError, match="f1_macro"):
        parse_query("f1_macro>0.6")


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("acuracy>0.9", "nothing called acuracy", "Did you mean accuracy?"),
        ("optimizr.lr>0", "nothing called optimizr.lr", "Did you mean optimizer.lr?"),
        ("torchvision:resnet18", "nothing called torchvision", '"quotes"'),
        ("state:runing", "no state runing", "Did you mean running?"),
        ("state=live2", "no state live2", "Did you mean live?"),
        ("dataset>mnist", "dataset is a text", "dataset:part"),
        ("epoch:3", "epoch is a number", "epoch=3"),
        ("acc>high", "high is no number", "0.99"),
        ("acc>", "nothing after acc>", "value"),
        ("tag:", "nothing after tag:", "look for"),
        (">0.9", "nothing to compare before", "acc>0.99"),
        ("mnist |", "one side of |", "a | b"),
        ("| mnist", "one side of |", "a | b"),
        ("-", "nothing after -", "must not"),
        ('name:"x', "not closed", "at its end"),
        ("optimizer.name=adm", "must be one of", "optimizer.name"),
        ("optimizer.nesterov=perhaps", "true or false", "optimizer.nesterov"),
        ("optimizer.name>1", "not a number", "optimizer.name=value"),
    ],
)
def test_a_mistake_says_what_is_wrong_and_what_to_write(
    query: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        parse_query(query)
    assert message in raised.value.message and hint in raised.value.hint
    assert raised.value.message.endswith(".")


@given(st.one_of(any_text, pieces))
def test_any_text_is_a_query_or_one_sentence_on_why_not(text: str) -> None:
    try:
        query = parse_query(text)
    except UsageError as error:
        assert error.message and error.hint
        assert sanitize(error.message) == error.message
    else:
        assert isinstance(query.matches(record(), NOW, SETTINGS), bool)


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=10)


@given(words)
def test_quotes_make_any_text_a_text_to_look_for(text: str) -> None:
    quoted = '"' + text.replace('"', '""') + '"'
    assert fits(quoted, record(note=f"before {text} after"))
    assert fits(f"note:{quoted}", record(note=f"before {text} after"))
    assert fits(f"note={quoted}", record(note=text))


conditions = st.sampled_from(["mnist", "acc>0.5", "state:live", "loss<0.01", "zebra", "-tag:x"])


@given(st.lists(st.lists(conditions, min_size=1, max_size=4), min_size=1, max_size=4))
def test_it_is_alternatives_of_conditions_that_all_hold(groups: list[list[str]]) -> None:
    text = " | ".join(" ".join(group) for group in groups)
    assert fits(text) == any(all(map(fits, group)) for group in groups)


@given(st.sampled_from(["mnist", "acc>0.5", "state:live", "zebra", '"a b"']))
def test_a_minus_turns_a_condition_round(condition: str) -> None:
    assert fits(f"-{condition}") != fits(condition)


@given(st.floats(allow_nan=False))
def test_a_number_is_read_as_it_was_printed(value: float) -> None:
    assert read_number(repr(value)) == value
    assert fits(f"loss={value!r}", record(loss=value))


@pytest.mark.parametrize(
    ("text", "value"),
    [("90s", 90.0), ("2h", 7200.0), ("1h30m", 5400.0), ("1.5d", 129_600.0), ("1w", 604_800.0),
     ("99%", 0.99), (".5", 0.5), ("1E-3", 0.001), ("-inf", -math.inf)],
)  # fmt: skip
def test_times_and_shares_are_numbers_too(text: str, value: float) -> None:
    assert read_number(text) == value


@pytest.mark.parametrize("text", ["", "h", "1x", "1_000", "--1", "1e", "%", "٣", "0x10", "1,5"])
def test_what_is_no_number_is_none(text: str) -> None:
    assert read_number(text) is None


def test_a_query_remembers_how_it_was_written() -> None:
    assert parse_query("  acc>0.9 ").text == "acc>0.9"
    assert Query().matches(record(), NOW)
