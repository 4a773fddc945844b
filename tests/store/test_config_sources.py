"""Files and variables that settings come from."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.resolve import Setting, resolve
from tui_trainer.errors import ConfigError, StorageError
from tui_trainer.store.config_sources import (
    encode_config,
    environment_settings,
    parse_assignment,
    project_settings,
    read_config,
    read_settings,
)


def _file(folder: Path, content: str, name: str = "my.toml") -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


def test_a_file_gives_its_settings_with_its_name(tmp_path: Path) -> None:
    file = _file(tmp_path, '[optimizer]\nlr = 0.5\nname = "sgd"\n[data]\nbatch_size = 7\n')
    assert read_settings(file) == [
        Setting("optimizer.lr", 0.5, "my.toml"),
        Setting("optimizer.name", "sgd", "my.toml"),
        Setting("data.batch_size", 7, "my.toml"),
    ]
    assert resolve(read_settings(file)).config.data.batch_size == 7


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("lr = 1", "lr"),
        ("[optimiser]\nlr = 1", "optimiser.lr"),
        ("[optimiser]", "optimiser"),
        ("[optimizer]\nlrr = 1", "optimizer.lrr"),
        ("[optimizer.lr]\nx = 1", "optimizer.lr"),
        ("optimizer = 3", "optimizer"),
        ("[[optimizer]]\nlr = 1", "optimizer"),
        ("[optimizer]\nlr = 1979-05-27", "optimizer.lr"),
        ("[optimizer]\nlr = nan", "optimizer.lr"),
        ("[optimizer]\nlr = inf", "optimizer.lr"),
        ("[training]\nepochs = true", "training.epochs"),
        ('[training]\nepochs = "3"', "training.epochs"),
        ("[training]\nepochs = 1.5", "training.epochs"),
        ("[hardware]\ndevice = 0", "hardware.device"),
        ("[optimizer]\nnesterov = 1", "optimizer.nesterov"),
    ],
)
def test_a_wrong_setting_in_a_file_is_named_with_the_file(
    tmp_path: Path, content: str, named: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(read_settings(_file(tmp_path, content)))
    assert named in caught.value.message
    assert "my.toml" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("content", ["", "# nothing\n", "[optimizer]\n", "[data]\n[training]\n"])
def test_a_file_may_set_nothing(tmp_path: Path, content: str) -> None:
    assert read_settings(_file(tmp_path, content)) == []


@pytest.mark.parametrize(
    "content",
    [b"[", b"a = ", b"\xff\xfe", pytest.param(b"a = " + b"[" * 10_000, id="deep"), b"\x00"],
)
def test_a_file_that_is_not_toml_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "my.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"my\.toml"):
        read_settings(file)


def test_a_missing_file_or_a_folder_is_an_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(ConfigError, match=path.name):
            read_settings(path)


def test_the_project_file_is_read_where_there_is_one(tmp_path: Path) -> None:
    assert project_settings(tmp_path) == []
    _file(tmp_path, "[training]\nepochs = 4\n", paths.PROJECT_CONFIG)
    assert project_settings(tmp_path) == [Setting("training.epochs", 4, "tuitrain.toml")]


def test_variables_give_settings_with_their_names() -> None:
    environment = {
        "TUITRAIN__OPTIMIZER__LR": "0.5",
        "TUITRAIN__DATA__BATCH_SIZE": "7",
        "TUITRAIN_RUNS": "/runs",
        "TUITRAIN__": "x",
        "HOME": "/root",
    }
    settings = environment_settings(environment)
    assert [(each.key, each.value, each.origin) for each in settings] == [
        ("", "x", "TUITRAIN__"),
        ("data.batch_size", "7", "TUITRAIN__DATA__BATCH_SIZE"),
        ("optimizer.lr", "0.5", "TUITRAIN__OPTIMIZER__LR"),
    ]
    assert all(each.from_text for each in settings)
    assert resolve(settings[1:]).config.optimizer.lr == 0.5


@pytest.mark.parametrize("name", ["TUITRAIN__LR", "TUITRAIN__OPTIMIZER__LRR", "TUITRAIN__"])
def test_an_unknown_variable_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        resolve(environment_settings({name: "1"}))


def test_the_environment_is_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUITRAIN__TRAINING__SEED", "5")
    settings = [each for each in environment_settings() if each.key == "training.seed"]
    assert [each.value for each in settings] == ["5"]


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("optimizer.lr=0.5", "optimizer.lr", "0.5"),
        (" optimizer.lr = 0.5 ", "optimizer.lr", "0.5"),
        ("a=b=c", "a", "b=c"),
        ("a=", "a", ""),
        ("=3", "", "3"),
    ],
)
def test_an_assignment_is_a_setting(text: str, key: str, value: str) -> None:
    setting = parse_assignment(text)
    assert (setting.key, setting.value, setting.from_text) == (key, value, True)
    assert setting.origin.startswith("--set")


def test_an_assignment_without_a_value_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.lr"):
        parse_assignment("optimizer.lr")


def test_of_all_sources_the_later_wins(tmp_path: Path) -> None:
    layers = [
        project_settings(_project(tmp_path, "optimizer.lr", "training.epochs", "data.batch_size")),
        environment_settings({"TUITRAIN__OPTIMIZER__LR": "2.0", "TUITRAIN__TRAINING__EPOCHS": "2"}),
        read_settings(_file(tmp_path, "[optimizer]\nlr = 3.0\n")),
        [parse_assignment("optimizer.lr=4")],
        [Setting("optimizer.lr", "5", "--lr", from_text=True)],
    ]
    expected = [1.0, 2.0, 3.0, 4.0, 5.0]
    for count, lr in enumerate(expected, start=1):
        settings = [setting for layer in layers[:count] for setting in layer]
        resolved = resolve(settings)
        assert resolved.config.optimizer.lr == lr
        assert resolved.origins["optimizer.lr"] == settings[-1].origin or count == 2
    assert resolved.config.training.epochs == 2
    assert resolved.origins["training.epochs"] == "TUITRAIN__TRAINING__EPOCHS"
    assert resolved.config.data.batch_size == 1
    assert resolved.origins["data.batch_size"] == "tuitrain.toml"


def _project(folder: Path, *keys: str) -> Path:
    lines = [f"{key} = {'1.0' if key == 'optimizer.lr' else '1'}" for key in keys]
    _file(folder, "\n".join(lines), paths.PROJECT_CONFIG)
    return folder


_configs = st.builds(
    lambda lr, validation, seed, device, scalars: msgspec.convert(
        {
            "optimizer": {"lr": lr, "name": "sgd"},
            "data": {"validation": validation, "dataset": "mnist"},
            "training": {"seed": seed},
            "hardware": {"device": device},
            "tensorboard": {"scalars": scalars},
        },
        RunConfig,
    ),
    st.floats(0, 1e6, exclude_min=True),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, (1 << 53) - 1),
    st.sampled_from(["auto", "cpu", "cuda", "cuda:12", "mps"]),
    st.booleans(),
)


@given(_configs)
def test_a_configuration_survives_toml(
    tmp_path_factory: pytest.TempPathFactory, config: RunConfig
) -> None:
    run = tmp_path_factory.getbasetemp()
    (run / paths.CONFIG).write_bytes(encode_config(config))
    assert read_config(run) == config
    settings = read_settings(run / paths.CONFIG)
    assert resolve(settings).config == config


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"[",
        b"\xff",
        b"[optimizer]\nlr = -1\n",
        b"[new]\nx = 1\n",
        pytest.param(b"a = " + b"[" * 10_000, id="deep"),
    ],
)
def test_a_damaged_configuration_of_a_run_is_an_error(
    tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / paths.CONFIG).write_bytes(content)
    with pytest.raises(StorageError, match=r"config\.toml"):
        read_config(tmp_path)
