"""The fields of the configuration, and resolving settings of many origins."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.core import presets
from tui_trainer.core.catalog import DATASETS, MODELS, misfit
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.fields import all_fields
from tui_trainer.core.config.resolve import Resolved, Setting, resolve
from tui_trainer.errors import ConfigError, DatasetError, ExitStatus, ModelError, TuitrainError

_PRESETS = [
    (owner, name, key, value)
    for table in (presets._DATASETS, presets._MODELS)
    for owner, named in table.items()
    for name, preset in named.items()
    for key, value in preset.items()
]
_NUMBERS = [key for key, field in all_fields().items() if type(field.default) in (float, int)]


def _typed(key: str, value: str, origin: str = "--set") -> Setting:
    return Setting(key, value, origin, from_text=True)


def _value(resolved: Resolved, key: str) -> Any:
    part, name = key.split(".")
    return getattr(getattr(resolved.config, part), name)


@pytest.mark.parametrize("key", all_fields())
def test_every_field_is_documented_and_its_default_is_valid(key: str) -> None:
    field = all_fields()[key]
    assert field.meaning
    assert field.allowed
    assert field.convert(field.default, from_text=False) == field.default
    text = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    assert field.convert(text, from_text=True) == field.default


def test_the_fields_are_the_tree() -> None:
    tree = msgspec.to_builtins(RunConfig())
    assert list(all_fields()) == [f"{part}.{name}" for part in tree for name in tree[part]]


@pytest.mark.parametrize(("owner", "name", "key", "value"), _PRESETS)
def test_every_preset_value_is_valid(owner: str, name: str, key: str, value: Any) -> None:
    assert all_fields()[key].convert(value, from_text=False) == value


def test_every_preset_belongs_to_something_in_the_catalogue() -> None:
    assert presets._DATASETS.keys() <= DATASETS.keys()
    assert presets._MODELS.keys() <= MODELS.keys()


_FITTING = [(d, m) for d in DATASETS for m in MODELS if not misfit(MODELS[m], DATASETS[d])]


@pytest.mark.parametrize(("dataset", "model"), _FITTING)
def test_every_preset_resolves(dataset: str, model: str) -> None:
    settings = [_typed("data.dataset", dataset), _typed("model.name", model)]
    for preset in presets.preset_names(dataset, model):
        resolved = resolve(settings, preset=preset)
        assert resolved.config.data.dataset == dataset
        assert resolved.preset == preset


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize("preset", ["default", "fast", "best", "classic"])
def test_every_dataset_has_the_four_presets_and_they_resolve(dataset: str, preset: str) -> None:
    resolved = resolve([_typed("data.dataset", dataset)], preset=preset)
    brought = presets.preset_of_dataset(dataset, preset)
    for key, value in brought.items():
        assert _value(resolved, key) == value
        # A model's preset of the same name may repeat what the dataset's says.
        assert resolved.origins[key].startswith(f"preset {preset} of ")
    expected = brought.get("model.name", DATASETS[dataset].default_model)
    assert resolved.config.model.name == expected


def test_no_preset_names_a_dataset() -> None:
    assert all(key != "data.dataset" for _, _, key, _ in _PRESETS)


def test_no_preset_of_a_model_names_a_model() -> None:
    assert all(key != "model.name" for owner, _, key, _ in _PRESETS if owner in MODELS)


def test_the_model_is_a_setting_else_the_presets_else_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = {"default": {}, "small": {"model.name": "mlp", "training.epochs": 3}}
    monkeypatch.setitem(presets._DATASETS, "digits", named)
    by_default, by_preset = resolve([]), resolve([], preset="small")
    by_setting = resolve([_typed("model.name", "resnet-small", "--model")], preset="small")
    names = [each.config.model.name for each in (by_default, by_preset, by_setting)]
    assert names == ["convnet", "mlp", "resnet-small"]
    origins = [each.origins["model.name"] for each in (by_default, by_preset, by_setting)]
    assert origins == ["default of digits", "preset small of digits", "--model"]
    assert by_setting.config.training.epochs == 3


def test_a_model_that_a_preset_brings_brings_its_preset_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(presets._DATASETS, "digits", {"small": {"model.name": "mlp"}})
    monkeypatch.setitem(presets._MODELS, "mlp", {"small": {"training.epochs": 4}})
    assert resolve([], preset="small").config.training.epochs == 4


@pytest.mark.parametrize(
    "name", ["torchvision:resnet18", "net.py:Net", "~/models/net.py:Net", "package.module:Name"]
)
def test_models_that_only_the_worker_can_find_resolve(name: str) -> None:
    resolved = resolve([_typed("model.name", name)])
    assert resolved.config.model.name == name
    assert resolved.origins["training.epochs"] == "preset default of digits"


def test_a_name_of_code_that_is_badly_written_is_an_error() -> None:
    for name in ("net.py", "net.py:", "my-module:Net"):
        with pytest.raises(ConfigError):
            resolve([_typed("model.name", name)])


@pytest.mark.parametrize(
    ("dataset", "model", "reason"),
    [
        ("digits", "mnist-example", "28×28, not 8×8"),
        ("mnist", "text-cnn", "text-cnn takes tokens, mnist has images"),
        ("wine", "convnet", "convnet takes images, wine has rows of a table"),
        ("wine", "torchvision:resnet18", "takes images, wine has rows of a table"),
    ],
)
def test_a_model_that_does_not_fit_the_data_is_an_error(
    dataset: str, model: str, reason: str
) -> None:
    with pytest.raises(ModelError, match=reason):
        resolve([_typed("data.dataset", dataset), _typed("model.name", model)])


def test_settings_that_contradict_are_told_at_once_with_the_rest() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(
            [
                _typed("schedule.name", "multi-step"),
                _typed("optimizer.name", "adamw"),
                _typed("optimizer.nesterov", "true"),
                _typed("optimizer.lr_scales", "conv1"),
                _typed("model.pretrained", "true"),
                _typed("training.epochs", "none", "--epochs"),
            ]
        )
    lines = caught.value.message.split("\n")
    assert lines[0] == "5 settings are wrong:"
    for part in ("milestones", "nesterov", "lr_scales", "model.pretrained", "--epochs"):
        assert sum(part in line for line in lines) == 1


def test_a_part_with_a_wrong_value_is_not_said_to_contradict_itself() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve([_typed("schedule.name", "multi-step"), _typed("schedule.milestones", "ten")])
    assert "'ten'" in caught.value.message
    assert "is empty" not in caught.value.message


def test_a_plateau_needs_a_validation() -> None:
    settings = [_typed("schedule.name", "plateau")]
    assert resolve(settings).config.schedule.name == "plateau"
    with pytest.raises(ConfigError, match="plateau"):
        resolve([*settings, _typed("data.validation", "0")])


def test_early_stopping_needs_a_validation() -> None:
    settings = [_typed("training.early_stopping", "3")]
    assert resolve(settings).config.training.early_stopping == 3
    with pytest.raises(ConfigError, match="early_stopping is 3, which watches the validation"):
        resolve([*settings, _typed("data.validation", "0")])


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("lr", "Did you mean optimizer.lr?"),
        ("early_stopping", "Did you mean training.early_stopping?"),
    ],
)
def test_a_setting_without_its_part_is_found(key: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve([_typed(key, "1")])
    assert caught.value.hint.startswith(hint)


def test_nothing_set_is_the_default_dataset_with_its_model_and_preset() -> None:
    resolved = resolve([])
    assert resolved.config.data.dataset == "digits"
    assert resolved.config.model.name == DATASETS["digits"].default_model
    assert resolved.config.training.epochs == 30
    assert resolved.origins["training.epochs"] == "preset default of digits"
    assert resolved.origins["hardware.device"] == "default"


def test_layers_below_the_settings_rise_from_default_to_dataset_to_model() -> None:
    key = "optimizer.lr"
    default = all_fields()[key].default
    mnist = resolve([_typed("data.dataset", "mnist")])
    both = resolve([_typed("data.dataset", "mnist"), _typed("model.name", "mnist-example")])
    own = resolve(
        [_typed("data.dataset", "mnist"), _typed("model.name", "mnist-example"), _typed(key, "5")]
    )
    assert [_value(each, key) for each in (mnist, both, own)] == [0.008, 0.01, 5.0]
    assert default not in (0.008, 0.01)
    assert both.origins[key] == "preset default of mnist-example"
    assert own.origins[key] == "--set"


@given(st.permutations(["tuitrain.toml", "TUITRAIN__X", "--config", "--set", "--lr"]))
def test_of_settings_the_later_wins(origins: list[str]) -> None:
    settings = [_typed("optimizer.lr", f"{n}.5", origin) for n, origin in enumerate(origins)]
    resolved = resolve(settings)
    assert resolved.config.optimizer.lr == len(origins) - 1 + 0.5
    assert resolved.origins["optimizer.lr"] == origins[-1]


def test_a_named_preset_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"default": {"training.epochs": 2}, "slow": {"training.epochs": 99}}
    monkeypatch.setitem(presets._MODELS, "mlp", named)
    settings = [_typed("model.name", "mlp")]
    assert resolve(settings, preset="slow").config.training.epochs == 99
    assert resolve(settings, preset="slow").origins["training.epochs"] == "preset slow of mlp"
    assert resolve(settings).config.training.epochs == 2


def test_an_unknown_preset_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve([], preset="defualt")
    assert "defualt" in caught.value.message
    assert "default" in caught.value.hint


def test_one_error_keeps_its_category() -> None:
    with pytest.raises(DatasetError) as dataset:
        resolve([_typed("data.dataset", "mnits", "tuitrain.toml")])
    assert "mnits" in dataset.value.message
    assert "tuitrain.toml" in dataset.value.message
    assert dataset.value.hint == "Did you mean mnist?"
    with pytest.raises(ModelError) as model:
        resolve([_typed("model.name", "convnte", "--model")])
    assert "--model" in model.value.message
    assert model.value.hint == "Did you mean convnet?"


def test_an_unknown_key_names_origin_and_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve([_typed("optimizer.lrr", "1", "TUITRAIN__OPTIMIZER__LRR")])
    assert "TUITRAIN__OPTIMIZER__LRR" in caught.value.message
    assert caught.value.hint == "Did you mean optimizer.lr?"


def test_every_error_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(
            [
                _typed("data.dataset", "mnits", "DATASET"),
                _typed("model.name", "convnte", "--model"),
                _typed("optimizer.lr", "fast", "--lr"),
                _typed("training.epcohs", "3", "tuitrain.toml"),
                Setting("data.batch_size", 0, "run.toml"),
            ]
        )
    message = caught.value.message
    assert message.startswith("5 settings are wrong")
    for origin, near in [
        ("DATASET", "mnist"),
        ("--model", "convnet"),
        ("--lr", "a number above 0"),
        ("tuitrain.toml", "training.epochs"),
        ("run.toml", "a whole number from 1 to"),
    ]:
        line = next(line for line in message.split("\n") if origin in line)
        assert near in line
    assert caught.value.exit_status == ExitStatus.USAGE


_MAY_BE_NEGATIVE = {"data.workers", "loss.ignore_index"}


@pytest.mark.parametrize("key", _NUMBERS)
@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "NaN", "Infinity", "1e999", "", "x", "-1"])
def test_no_number_takes_what_is_not_a_finite_number_in_range(key: str, text: str) -> None:
    field = all_fields()[key]
    if text == "-1" and key in _MAY_BE_NEGATIVE:
        assert field.convert(text, from_text=True) == -1
        return
    with pytest.raises(ValueError, match=key):
        field.convert(text, from_text=True)


@pytest.mark.parametrize("key", _NUMBERS)
@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, "1", None, [], {}, pytest.param(10**400, id="huge")]
)
def test_no_number_takes_another_type_from_a_file(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=key):
        all_fields()[key].convert(value, from_text=False)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("training.epochs", "7", 7),
        ("optimizer.lr", "1e-3", 1e-3),
        ("optimizer.nesterov", "true", True),
        ("optimizer.nesterov", "false", False),
        ("optimizer.name", "sgd", "sgd"),
        ("hardware.device", "cuda:1", "cuda:1"),
    ],
)
def test_typed_values_are_read_in_the_fields_type(key: str, text: str, value: Any) -> None:
    converted = all_fields()[key].convert(text, from_text=True)
    assert converted == value
    assert type(converted) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("training.epochs", "0"),
        ("training.epochs", "1.5"),
        ("training.seed", str(1 << 53)),
        ("loss.label_smoothing", "1"),
        ("optimizer.name", "SGD"),
        ("optimizer.nesterov", "maybe"),
        ("hardware.device", "cuda:"),
        ("hardware.device", "cuda:0\n"),
        ("hardware.device", "tpu"),
        pytest.param("data.batch_size", "9" * 5000, id="huge"),
    ],
)
def test_values_out_of_range_are_refused(key: str, text: str) -> None:
    with pytest.raises(ValueError, match=key):
        all_fields()[key].convert(text, from_text=True)


@given(
    st.dictionaries(
        st.sampled_from(list(all_fields())) | st.text(max_size=5),
        st.one_of(st.text(max_size=5), st.integers(), st.floats(), st.none(), st.booleans()),
        max_size=5,
    ),
    st.booleans(),
)
def test_any_settings_resolve_or_are_told_apart(settings: dict[str, Any], typed: bool) -> None:
    try:
        resolved = resolve([Setting(k, v, "here", from_text=typed) for k, v in settings.items()])
    except TuitrainError as error:
        assert error.message
        assert error.exit_status == ExitStatus.USAGE
    else:
        assert settings.keys() <= resolved.origins.keys()
