"""Every mistake on the command line: status, message, hint, and nothing on standard output."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import torch

from tests.cli.checks import check_error, check_json_error
from tests.command import Home

# Command line, what the message says, what the hint says.
USAGE = [
    ("trian", "No such command 'trian'", "Did you mean tuitrain train"),
    ("runs shw", "No such command 'shw'", "Did you mean tuitrain runs show"),
    ("data fetch", "No such command 'fetch'", "tuitrain data --help"),
    ("train --epoch 3", "No such option: --epoch", r"Did you mean --epochs\?"),
    ("runs list --frobnicate", "No such option: --frobnicate", "tuitrain runs list --help"),
    ("runs list extra", "unexpected extra argument", "tuitrain runs list --help"),
    ("runs show", "Missing argument 'RUN'", "tuitrain runs show --help"),
    ("eval", "Missing argument 'RUN'", "tuitrain eval --help"),
    ("data import mnist", "Missing argument 'PATH'", "tuitrain data import --help"),
    ("train digits --lr", "requires an argument", "tuitrain.* --help"),
    ("eval run1 --split tset", "'--split': 'tset' is not one of", "tuitrain eval --help"),
    ("train minst", "no dataset 'minst', named by the command line", r"Did you mean mnist\?"),
    ("train zzz", "no dataset 'zzz'", "Choose one of: digits, mnist"),
    ("data info digit", "no dataset 'digit'", r"Did you mean digits\?"),
    ("data get ../digits", "no dataset '../digits'", r"write: folder:../digits\."),
    ("data verify nothing", "no dataset 'nothing'", "Choose one of: digits, mnist"),
    ("data remove mnistt", "no dataset 'mnistt'", r"Did you mean mnist\?"),
    ("train --model convnt", "no model 'convnt', named by --model", r"Did you mean convnet\?"),
    ("train digits --model mnist-example", "does not fit digits: .*28×28, not 8×8", "another"),
    ("train --preset quick", "digits with convnet has no preset 'quick'", "classic, default, fast"),
    ("train --lr -1", "--lr is '-1', .* must be a number above 0", "leave it out"),
    ("train --lr nan", "--lr is 'nan'", "leave it out"),
    ("train --batch-size 0", "--batch-size is '0'", "leave it out"),
    ("train --validation 1", "--validation is '1'", "leave it out"),
    ("train --optimizer sdg", "is 'sdg', .* one of adadelta, .* adam, adamw, .*sgd", "leave it"),
    ("train --device gpu", "--device is 'gpu'", "leave it out"),
    ("train --set optimizer.lrr=1", "does not exist: optimizer.lrr", r"mean optimizer.lr\?"),
    ("train --set optimizer.lr", "has no value", "--set part.field=value"),
    ("train --set lr=0.1", "does not exist: lr", r"^Did you mean optimizer\.lr\?$"),
    ("train --config none.toml", "none.toml does not exist", "--config"),
    ("train --config .", "cannot be read", "path"),
    ("train --name last", "'last' already means something", "other than 'last' and 'runN'"),
    ("train --name run7", "'run7' already means something", "other than 'last' and 'runN'"),
    ("train --name UPPER", "'UPPER' is not allowed", "lower-case letters"),
    ("train --name ../up", "'../up' is not allowed", "lower-case letters"),
    ("train --detach --dashboard", "exclude each other", "one of them"),
    ("resume run1 --epochs 0", "--epochs is '0'", "another value"),
    ("runs set run1 momentum=1", "'momentum=1' cannot be set on a running run", "lr=X"),
    ("runs set run1 lr=-1", "lr is '-1'", "another value"),
    ("runs show run9", "no run 'run9': .* holds no runs", "tuitrain train digits"),
    ("runs logs ../etc", r"no run '\.\./etc'", "tuitrain train digits"),
    ("eval last", "no run 'last'", "tuitrain train digits"),
    ("export-onnx 3", "no run '3'", "tuitrain train digits"),
    ("resume best", "no run 'best'", "tuitrain train digits"),
    ("attach 1", "no run '1'", "tuitrain train digits"),
    ("runs stop 1", "no run '1'", "tuitrain train digits"),
    ("dashboard", "The dashboard needs a terminal", "tuitrain runs list"),
    ("train digits --dashboard", "The dashboard needs a terminal", "tuitrain runs list"),
    ("resume 1 --dashboard", "The dashboard needs a terminal", "tuitrain runs list"),
    ("resume 1 --detach --dashboard", "exclude each other", "one of them"),
]


@pytest.mark.parametrize(("line", "message", "hint"), USAGE, ids=[row[0] for row in USAGE])
def test_mistake_is_answered_before_anything_starts(
    home: Home, line: str, message: str, hint: str
) -> None:
    check_error(home.call(*shlex.split(line)), status=2, message=message, hint=hint)
    assert not home.runs.exists()


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("trian --json", "usage", "No such command"),
        ("train zzz --json", "dataset", "no dataset 'zzz'"),
        ("train --model zzz --json", "model", "no model 'zzz'"),
        ("train --lr -1 --json", "config", "--lr is '-1'"),
        ("runs show 1 --json", "run-not-found", "no run '1'"),
        ("train --runs /dev/null/runs --json", "folder", "/dev/null/runs cannot be written"),
    ],
)
def test_mistake_is_one_json_document_where_that_was_asked_for(
    home: Home, line: str, code: str, message: str
) -> None:
    check_json_error(home.call(*shlex.split(line)), status=2, code=code, message=message)


def test_wrong_numbers_are_told_together(home: Home) -> None:
    wrong = {"lr": "1e999", "epochs": "1.5", "seed": "-1", "momentum": "1", "weight-decay": "fast"}
    arguments = [word for name, value in wrong.items() for word in (f"--{name}", value)]
    done = home.call("train", *arguments)
    check_error(done, status=2, message="5 settings are wrong:", hint="Mend them")
    for name, value in wrong.items():
        assert f"  --{name} is '{value}', but " in done.stderr
    assert not home.runs.exists()


def test_every_wrong_setting_is_told_at_once_with_its_origin(home: Home) -> None:
    (home.folder / "tuitrain.toml").write_text("[optimizer]\nlrr = 1\n[trainin]\nepochs = 3\n")
    (home.folder / "mine.toml").write_text('[data]\nbatch_size = "many"\n')
    home.variables["TUITRAIN__TRAINING__SEED"] = "abc"
    arguments = ("train", "minst", "--config", "mine.toml", "--lr", "-1", "--model", "resnt")
    done = home.call(*arguments, "--set", "data.valid=1")
    check_error(done, status=2, message="8 settings are wrong:", hint="Mend them")
    for told in (
        r"tuitrain.toml names a setting that does not exist: optimizer.lrr. Did you mean optimi",
        r"tuitrain.toml names a setting that does not exist: trainin.epochs. Did you mean train",
        r"mine.toml is 'many', but data.batch_size must be a whole number",
        r"TUITRAIN__TRAINING__SEED is 'abc', but training.seed must be",
        r"--set data.valid names a setting that does not exist: data.valid. Did you mean data.v",
        r"--lr is '-1', but optimizer.lr must be a number above 0",
        r"There is no dataset 'minst', named by the command line. Did you mean mnist?",
        r"There is no model 'resnt', named by --model.",
    ):
        assert told in done.stderr
    assert not home.runs.exists()


@pytest.mark.parametrize("content", ["[training\nepochs = 3", "epochs 3", "x = \x00"])
@pytest.mark.parametrize("name", ["tuitrain.toml", "mine.toml"])
def test_broken_toml_is_told_with_its_file_and_line(home: Home, name: str, content: str) -> None:
    (home.folder / name).write_text(content)
    config = () if name == "tuitrain.toml" else ("--config", name)
    done = home.call("train", *config, "--dry-run")
    check_error(done, status=2, message=f"{name} is not TOML: .*line", hint="Mend that line")


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_device_that_is_not_there_is_refused(home: Home) -> None:
    done = home.call("train", "digits", "--device", "cuda")
    check_error(done, status=2, message="device cuda is not here", hint="--device cpu")
    # Refused before its first step: nothing is left that looks like a run.
    assert home.json("runs", "list") == []
    assert not home.run().exists()


def test_folders_below_a_file_are_refused(home: Home) -> None:
    (home.folder / "file").write_text("")
    done = home.call("train", "digits", "--runs", "file/runs")
    check_error(done, status=2, message="file/runs cannot be written: Not a dir", hint="--runs")
    done = home.call("runs", "list", "--runs", "file")
    check_error(done, status=2, message="file cannot be read: Not a directory", hint="--runs")
    done = home.call("data", "get", "digits", "--data-dir", "file/data")
    message = "digits cannot be prepared in"
    check_error(done, status=2, message=message, hint="--data-dir")


def test_dataset_that_is_not_imported_says_how_it_is_had(home: Home) -> None:
    done = home.call("data", "import", "digits", ".")
    message, hint = "digits is not imported from files", "tuitrain data get digits"
    check_error(done, status=2, message=message, hint=hint, talk="preparing digits\n")


def test_taken_name_is_refused_and_makes_no_run(trained: Home) -> None:
    done = trained.call("train", "digits", "--name", "baseline")
    check_error(done, status=2, message="'baseline' belongs to run1 already", hint="another name")
    assert [run["run"] for run in trained.json("runs", "list")] == ["run1"]


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("runs show basline", "no run 'basline'", r"Did you mean baseline\?"),
        ("runs show run9", "no run 'run9'", "tuitrain runs list"),
        ("runs show 9", "no run '9'", "tuitrain runs list"),
        ("runs stop 1", "run1 is finished: there is nothing to stop", "tuitrain runs list"),
        ("runs set 1 lr=0.1", "run1 is finished: there is nothing to set", "tuitrain runs list"),
        ("resume 1", "run1 has trained all its 2 epochs", "tuitrain resume run1 --epochs 4"),
        ("resume 1 --epochs 1", "has trained all its 2 epochs", "--epochs 4"),
    ],
)
def test_what_a_finished_run_cannot_do_is_told(
    trained: Home, line: str, message: str, hint: str
) -> None:
    check_error(trained.call(*shlex.split(line)), status=2, message=message, hint=hint)


def test_unknown_checkpoint_is_told_with_what_there_is(trained: Home) -> None:
    done = trained.call("export-onnx", "1", "--checkpoint", "77")
    hint = r"Choose one of: best, last, 21, 42"
    check_error(
        done, status=2, message="run1 has no checkpoint '77'", hint=hint, talk="loading.*\n"
    )
    assert not (trained.run() / "exports").exists()


def test_run_without_a_checkpoint_cannot_be_judged(trained: Home) -> None:
    for folder in (trained.run() / "checkpoints").iterdir():
        folder.rename(trained.folder / folder.name)
    done = trained.call("eval", "1", "--json")
    check_json_error(
        done, status=2, code="checkpoint-not-found", message="run1 has no checkpoint yet"
    )


def test_damaged_checkpoint_is_not_judged(trained: Home) -> None:
    file = trained.run() / "checkpoints" / "step-00000042" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    done = trained.call("eval", "1", "--checkpoint", "last")
    message = "step-00000042 is damaged: model.safetensors is not as it was written"
    check_error(done, status=1, message=message, hint="another checkpoint", talk="loading.*\n")


def test_judging_on_data_that_is_not_here_is_refused(trained: Home, tmp_path: Path) -> None:
    done = trained.call("eval", "1", "--data-dir", str(tmp_path / "nothing"))
    check_error(
        done, status=2, message="digits is not in", hint="data get digits", talk="loading.*\n"
    )


def test_export_to_a_place_that_cannot_be_written_leaves_nothing(trained: Home) -> None:
    (trained.folder / "file").write_text("")
    done = trained.call("export-onnx", "1", "--output", "file/model.onnx")
    message = "file/model.onnx cannot be written"
    check_error(done, status=1, message=message, hint="--output", talk="loading.*\n")
    assert sorted(path.name for path in trained.folder.iterdir()) == ["file"]


@pytest.mark.parametrize("path", [(), ("runs",), ("data",)])
def test_group_without_a_command_prints_its_help_and_fails(
    home: Home, path: tuple[str, ...]
) -> None:
    done = home.call(*path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.rstrip() == home.do(*path, "--help").rstrip()


def test_setting_without_a_value_hides_no_other_mistake(home: Home) -> None:
    done = home.call("train", "digits", "--set", "foo", "--lr", "-1", "--model", "convent")
    assert done.returncode == 2
    assert "3 settings are wrong" in done.stderr
    for told in ("--set 'foo' has no value", "--lr is '-1'", "Did you mean convnet?"):
        assert told in done.stderr
