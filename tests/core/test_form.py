"""The form: a run's settings, what is typed over them, and what that comes to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core.catalog import DATASETS, MODELS, misfit
from tui_trainer.core.config.fields import all_fields, settings_of
from tui_trainer.core.config.resolve import Setting, resolve, resolve_as_far
from tui_trainer.core.form import DATASET, MODEL, NAME, Form, form_like
from tui_trainer.core.form_entries import Entry, make_draft
from tui_trainer.core.plan import make_plan
from tui_trainer.core.presets import preset_names
from tui_trainer.errors import TuitrainError

PAIRS = [
    (dataset, model)
    for dataset, entry in DATASETS.items()
    for model, found in MODELS.items()
    if misfit(found, entry) is None
]
KEYS = [NAME, "preset", *all_fields()]


def typed(**texts: str) -> Form:
    form = Form()
    for key, text in texts.items():
        form = form.type(key.replace("__", "."), text)
    return form


def find(form: Form, key: str) -> Entry:
    return next(entry for entry in make_draft(form).entries if entry.key == key)


@pytest.mark.parametrize(("dataset", "model"), PAIRS)
def test_a_copy_of_any_preset_comes_to_the_same_and_says_nothing_apart_from_it(
    dataset: str, model: str
) -> None:
    for preset in preset_names(dataset, model):
        settings = [Setting(DATASET, dataset, "x"), Setting(MODEL, model, "x")]
        config = resolve(settings, preset=preset).config
        form = form_like("run3", config)
        draft = make_draft(form)
        assert draft.resolved is not None and draft.resolved.config == config
        assert {setting.key for setting in form.base} <= {DATASET, MODEL}
        assert not any(entry.is_changed for entry in draft.entries)


@st.composite
def configurations(draw: st.DrawFn) -> Any:
    dataset, model = draw(st.sampled_from(PAIRS))
    numbers = {
        "training.epochs": draw(st.integers(1, 9)),
        "optimizer.lr": draw(st.floats(1e-6, 1)),
        "data.batch_size": draw(st.integers(1, 512)),
        "hardware.compile": draw(st.booleans()),
    }
    settings = [Setting(DATASET, dataset, "x"), Setting(MODEL, model, "x")]
    settings += [Setting(key, value, "x") for key, value in numbers.items()]
    return resolve(settings, preset=draw(st.sampled_from(preset_names(dataset, model)))).config


@given(configurations())
def test_a_copy_of_any_run_comes_to_its_configuration(config: Any) -> None:
    draft = make_draft(form_like("run3", config))
    assert draft.resolved is not None
    assert draft.resolved.config == config
    assert draft.plan == make_plan(config)


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.text(max_size=12)), max_size=5))
def test_whatever_is_typed_has_a_draft_and_says_all_that_is_wrong(
    texts: list[tuple[str, str]],
) -> None:
    form = Form()
    for key, text in texts:
        form = form.type(key, text)
    draft = make_draft(form)
    assert [entry.key for entry in draft.entries] == [NAME, DATASET, MODEL, "preset"] + [
        key for key in all_fields() if key not in (DATASET, MODEL)
    ]
    assert (draft.resolved is None) == (draft.num_problems > 0)
    assert all(draft.find(key).value == text for key, text in form.typed.items())


@given(st.sampled_from(KEYS), st.text(max_size=12))
def test_leaving_what_was_typed_is_as_if_it_had_not_been(key: str, text: str) -> None:
    assert Form().type(key, text).leave(key) == Form()


def test_what_would_be_there_anyway_does_not_count_as_typed() -> None:
    form = typed(optimizer__lr="0.5").type("optimizer.lr", find(Form(), "optimizer.lr").value)
    assert form == Form()


def test_another_dataset_brings_its_own_presets_and_leaves_what_was_typed() -> None:
    form = typed(training__epochs="7", data__dataset="mnist")
    mnist = resolve([Setting(DATASET, "mnist", "x")]).config
    assert find(form, "training.epochs").value == "7"
    assert find(form, "optimizer.lr").value == str(mnist.optimizer.lr)
    assert find(form, "optimizer.lr").origin == "preset default of mnist"
    assert find(form, "training.epochs").reference == str(mnist.training.epochs)


def test_another_dataset_in_a_copy_brings_its_own_model_and_presets() -> None:
    config = resolve([Setting(DATASET, "digits", "x"), Setting("training.seed", 5, "x")]).config
    form = form_like("run3", config).type(DATASET, "wine")
    assert find(form, MODEL).value == DATASETS["wine"].default_model
    assert find(form, "training.seed").value == "5"
    assert find(form, "training.seed").origin == "run3"
    changed = {entry.key for entry in make_draft(form).entries if entry.is_changed}
    assert {DATASET, MODEL, "training.epochs"} <= changed
    assert find(form, "training.epochs").reference == "30"


@pytest.mark.parametrize(
    ("texts", "key", "sentence"),
    [
        ({"optimizer__lr": "-1"}, "optimizer.lr", "lr is '-1', but optimizer.lr must be a number"),
        ({"data__dataset": "mnits"}, DATASET, "There is no dataset 'mnits', named by dataset."),
        ({"model__name": "zzz"}, MODEL, "There is no model 'zzz'"),
        ({"model__name": "tabular-mlp"}, MODEL, "The model does not fit digits"),
        ({"preset": "zzz"}, "preset", "has no preset 'zzz'"),
        ({"name": "run7"}, NAME, "The run name 'run7' already means something."),
        (
            {"optimizer__nesterov": "true"},
            "optimizer.nesterov",
            "optimizer.nesterov is for sgd, but optimizer.name is adamw.",
        ),
        (
            {"schedule__name": "plateau", "data__validation": "0"},
            "schedule.name",
            "data.validation is 0",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_line(texts: dict[str, str], key: str, sentence: str) -> None:
    draft = make_draft(typed(**texts))
    assert draft.resolved is None
    (problem,) = next(entry.problems for entry in draft.entries if entry.key == key)
    assert sentence in problem
    assert draft.num_problems == 1


def test_all_that_is_wrong_is_told_at_once_as_on_the_command_line() -> None:
    form = typed(optimizer__lr="fast", training__epochs="0", name="UPPER")
    draft = make_draft(form)
    told = {entry.key for entry in draft.entries if entry.problems}
    assert told == {"optimizer.lr", "training.epochs", NAME}
    settings = [Setting(k, v, k.rpartition(".")[2], from_text=True)
                for k, v in form.typed.items() if k != NAME]  # fmt: skip
    with pytest.raises(TuitrainError) as caught:
        resolve(settings)
    for entry in draft.entries:
        assert entry.key == NAME or all(text in caught.value.message for text in entry.problems)


def test_a_wrong_setting_of_a_file_is_told_above_the_lines() -> None:
    draft = make_draft(Form((Setting("optimizer.zzz", 1, "tuitrain.toml"),)))
    assert draft.resolved is None
    (problem,) = draft.problems
    assert problem.startswith("tuitrain.toml names a setting that does not exist")


def test_choices_go_round_and_only_models_that_fit_are_among_them() -> None:
    name = find(Form(), "optimizer.name")
    assert name.next_choice(1) == name.choices[(name.choices.index("adamw") + 1) % 6]
    walked = name
    for _ in name.choices:
        walked = with_value(walked, walked.next_choice(-1))
    assert walked.value == name.value
    models = find(typed(data__dataset="wine"), MODEL).choices
    assert set(models) == {"mlp", "tabular-mlp"}
    assert find(Form(), "hardware.compile").choices == ("false", "true")
    own = with_value(find(Form(), MODEL), "torchvision:resnet18")
    assert own.next_choice(1) == own.choices[0]


def with_value(entry: Entry, value: str) -> Entry:
    return replace(entry, value=value)


@given(configurations(), st.sampled_from(["0.5", "0.25"]))
def test_the_command_it_stands_for_comes_to_the_same(config: Any, lr: str) -> None:
    form = form_like("run3", config).type("optimizer.lr", lr).type(NAME, "again")
    draft = make_draft(form)
    assert draft.resolved is not None
    words = list(form.command(draft.resolved))
    settings, preset, dataset, name = [], "default", words[2], ""
    for option, value in zip(words[3::2], words[4::2], strict=True):
        if option == "--set":
            key, _, text = value.partition("=")
            settings.append(Setting(key, text, "--set", from_text=True))
        preset = value if option == "--preset" else preset
        name = value if option == "--name" else name
    settings.append(Setting(DATASET, dataset, "x", from_text=True))
    resolved, errors = resolve_as_far(settings, preset=preset)
    assert errors == [] and resolved is not None
    assert settings_of(resolved.config) == settings_of(draft.resolved.config)
    assert name == "again"


def test_a_line_is_common_when_it_is_changed_or_wrong() -> None:
    assert not find(Form(), "optimizer.beta2").is_common
    assert find(typed(optimizer__beta2="0.99"), "optimizer.beta2").is_common
    assert find(typed(optimizer__beta2="2"), "optimizer.beta2").is_common
