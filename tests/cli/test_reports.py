"""What the reporting commands print: as documents, as plain text, and from hostile files."""

from __future__ import annotations

import json
import re

import msgspec
import pytest

from tests import builders
from tests.cli.checks import check_error
from tests.command import CONTROL, RUN_FIELDS, Home
from tui_trainer import __version__
from tui_trainer.core import events
from tui_trainer.core.config import RunConfig
from tui_trainer.core.run_record import Annotations
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.registry import Registry


def test_version_is_the_packages(home: Home) -> None:
    assert home.do("--version") == f"tuitrain {__version__}\n"


def test_no_runs_are_an_empty_document_and_a_hint(home: Home) -> None:
    assert home.json("runs", "list") == []
    done = home.call("runs", "list")
    assert (done.returncode, done.stdout) == (0, "")
    assert "tuitrain train digits" in done.stderr


def test_runs_are_reported_under_the_promised_names(trained: Home) -> None:
    (listed,) = trained.json("runs", "list")
    shown = trained.json("runs", "show", "baseline")
    assert shown == listed | {"changed_files": []}
    assert shown.keys() >= RUN_FIELDS
    assert shown["best"].keys() >= {"metric", "value", "step"}
    assert shown["last"].keys() == {"train", "validation", "test"}
    assert (shown["name"], shown["state"], shown["epoch"]) == ("baseline", "finished", 2)
    assert shown["path"] == str(trained.run())
    for reference in ("run1", "1", "last"):
        assert trained.json("runs", "show", reference) == shown


def test_files_that_are_not_as_they_were_are_named(trained: Home) -> None:
    config = trained.run() / "config.toml"
    config.write_text(config.read_text().replace("momentum = 0.9", "momentum = 0.8"))
    (trained.run() / "environment.json").unlink()
    name = trained.run() / "annotations.json"
    name.write_bytes(name.read_bytes().replace(b"baseline", b"caseline"))
    since = (
        "is not as it was when the run last began: restore it from a copy, unless you changed it"
    )
    expected = {
        "config.toml": since,
        "environment.json": since,
        "annotations.json": "is damaged: restore it from a copy, or delete it",
    }
    assert trained.json("runs", "show", "1")["changed_files"] == [*expected]
    assert "changed_files" not in trained.json("runs", "list")[0]
    facts = [line.split(maxsplit=2) for line in trained.do("runs", "show", "1").splitlines()]
    assert {fact[1]: fact[2] for fact in facts if fact[0] == "files"} == expected


METRIC = """
def halved(logits, labels):
    return 0.5 * (logits.argmax(1) == labels).float().mean()
"""


def test_early_ending_is_told_and_can_be_gone_on_from(home: Home) -> None:
    (home.folder / "mine.py").write_text(METRIC)
    # With no learning to speak of no validation is better than the first.
    options = "--epochs 4 --early-stopping 1 --lr 1e-30 --model mlp --batch-size 1024"
    options += " --metrics mine.py:halved --trust-code"
    said = home.do("train", "digits", *options.split())
    assert "  2 of 4 epochs  " in said
    assert "\nstopped early: validation was not better for 1 " in said
    facts = [line.split(maxsplit=1) for line in home.do("runs", "show", "1").splitlines()]
    (ended,) = [fact for key, fact in facts if key == "ended"]
    assert ended.startswith("stopped early: ")
    assert re.search(r"loss \d.*  halved 0\.\d{4}  on 359 samples", home.do("eval", "1"))

    for total in ((), ("--epochs", "6")):
        done = home.call("resume", "1", *total)
        told = r"run1 stopped early after 2 of 4 epochs\."
        check_error(done, status=2, message=told, hint="early_stopping in its config.toml to 0")
    config = home.run() / "config.toml"
    text = config.read_text()
    assert "early_stopping = 1\n" in text
    config.write_text(text.replace("early_stopping = 1\n", "early_stopping = 0\n"))
    assert "  4 of 4 epochs  " in home.do("resume", "1")
    assert "stopped early" not in home.do("runs", "show", "1")
    assert "  6 of 6 epochs  " in home.do("resume", "1", "--epochs", "6")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_plan_names_the_source_of_every_setting(home: Home, form: tuple[str, ...]) -> None:
    (home.folder / "tuitrain.toml").write_text("[checkpoints]\nkeep = 5\n[optimizer]\nlr = 1.0\n")
    (home.folder / "mine.toml").write_text("[checkpoints]\nevery_s = 7\n[data]\nvalidation = 0.2\n")
    home.variables = {"TUITRAIN__TRAINING__SEED": "11"}
    arguments = ["train", "mnist", "--config", "mine.toml", "--set", "tensorboard.every_s=2"]
    printed = home.do(*arguments, "--lr", "0.5", "--dry-run", *form)
    expected = {
        "data.dataset": ("mnist", "the command line"),
        "data.validation": (0.2, "mine.toml"),
        "data.batch_size": (128, "preset default of mnist"),
        "model.name": ("convnet", "default of mnist"),
        "training.seed": (11, "TUITRAIN__TRAINING__SEED"),
        "loss.label_smoothing": (0.0, "default"),
        "optimizer.lr": (0.5, "--lr"),
        "checkpoints.keep": (5, "tuitrain.toml"),
        "checkpoints.every_s": (7.0, "mine.toml"),
        "tensorboard.every_s": (2.0, "--set tensorboard.every_s"),
    }
    if form:
        plan = json.loads(printed)
        found = {
            key: (plan["config"][key.split(".")[0]][key.split(".")[1]], origin)
            for key, origin in plan["origins"].items()
        }
        assert plan["dataset_prepared"] is False
        assert plan["about"]["train_count"] + plan["about"]["validation_count"] == 60_000
        assert plan["about"]["steps"] == -(-plan["about"]["train_count"] // 128) * 5
    else:
        rows = [line.split(maxsplit=2) for line in printed.splitlines()]
        found = {key: (json.loads(value), origin) for key, value, origin in rows}
    assert {key: found[key] for key in expected} == expected
    assert not home.runs.exists()


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b1m\x00\r\n\u202etxt\x7f"


@pytest.fixture
def hostile(home: Home) -> Home:
    """A run whose every text, from name to error, carries what a terminal would obey."""
    folder = Registry(home.runs).create(builders.environment(), encode_config(RunConfig()))
    annotations = Annotations(name=f"a{HOSTILE}", tags=(HOSTILE,), note=HOSTILE)
    (folder.path / "annotations.json").write_bytes(msgspec.json.encode(annotations))
    history = [
        builders.session_start(dataset=f"d{HOSTILE}", model=HOSTILE, device=HOSTILE,
                               device_name=HOSTILE, choices=(HOSTILE,)),
        builders.steps(),
        builders.evaluated(split="test", metrics={f"accuracy{HOSTILE}": 0.5}),
        events.Message(text=HOSTILE),
        events.Failed(step=1, code=HOSTILE, type=HOSTILE, message=HOSTILE, hint=HOSTILE),
    ]  # fmt: skip
    builders.write_log(folder.events, history)
    (folder.path / "worker.log").write_text(f"begin {HOSTILE}\nbar 1\rbar 2\r\n{HOSTILE} end\n")
    return home


@pytest.mark.parametrize(
    "line", ["runs list", "runs show 1", "runs logs 1", "runs logs 1 --events", "attach 1"]
)
def test_nothing_from_a_file_steers_the_terminal(hostile: Home, line: str) -> None:
    piped = hostile.call(*line.split())
    assert not CONTROL.search(piped.stdout + piped.stderr)
    assert "\u202e" not in piped.stdout + piped.stderr
    assert piped.stdout
    hostile.variables["NO_COLOR"] = "1"
    terminal = hostile.open(*line.split(), columns=200)
    assert terminal.finish() == piped.returncode
    shown = terminal.raw.decode().replace("\r\n", "\n")
    # The program's own dim headings, and what ends them.
    assert not CONTROL.search(re.sub("\x1b\\[[02]m", "", shown))


def test_hostile_texts_stay_valid_documents(hostile: Home) -> None:
    done = hostile.call("runs", "list", "--json")
    (shown,) = json.loads(done.stdout)
    assert not CONTROL.search(done.stdout)
    assert shown["tags"] == [HOSTILE]


def test_named_path_with_escapes_is_printed_harmless(home: Home) -> None:
    done = home.call("runs", "show", "x\x1b[31m")
    assert done.returncode == 2
    assert not CONTROL.search(done.stderr)


def test_rewritten_lines_of_the_worker_log_show_their_end(hostile: Home) -> None:
    lines = hostile.do("runs", "logs", "1").splitlines()
    assert lines[0].startswith("begin ")
    assert "bar 2" in lines
    assert not any("bar 1" in line for line in lines)


def test_events_are_printed_one_a_line_with_long_columns_cut(trained: Home) -> None:
    lines = trained.do("runs", "logs", "1", "--events").splitlines()
    kinds = [event["kind"] for event in trained.events()]
    assert [line.split()[2] for line in lines] == kinds
    # Of how many steps a block is goes by the speed of the machine.
    (trained.run() / "events.jsonl").write_bytes(
        builders.log_bytes([builders.session_start(), builders.steps(1, 30)])
    )
    _, steps = trained.do("runs", "logs", "1", "--events").splitlines()
    assert ", 30 values], lr [" in steps


def test_closed_pipe_is_no_error(trained: Home) -> None:
    process = trained.start("runs", "logs", "1", "--events")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() in (0, 141)
    assert process.stderr is not None
    assert process.stderr.read() == ""
