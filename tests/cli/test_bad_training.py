"""What cannot be trained: told in two sentences, with the right status, and nothing left over."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import torch

from tests.cli.checks import check_error, check_json_error
from tests.command import Home

# A user's own code that goes wrong, each class and function in a way of its own.
CODE = """
import torch
from torch import nn


class Base(nn.Module):
    def __init__(self, outputs=10):
        super().__init__()
        self.linear = nn.Linear(64, outputs)

    def forward(self, x):
        return self.linear(x.flatten(1))


class Wide(Base):
    def __init__(self):
        super().__init__(outputs=11)


class Raising(Base):
    def forward(self, x):
        raise ValueError("no such thing")


class Bare(nn.Module):
    def forward(self, x):
        return x.flatten(1)[:, :10]


class Tiring(Base):
    passes = 0

    def forward(self, x):
        Tiring.passes += 1
        if Tiring.passes > 9:
            raise RuntimeError("tired of it")
        return super().forward(x)


class Leaving(Base):
    def forward(self, x):
        if len(x) == 64:
            import os

            os._exit(7)
        return super().forward(x)


class Branching(Base):
    def forward(self, x):
        logits = super().forward(x)
        return logits if logits.sum().item() < 1e9 else -logits


def loss_of_each(logits, labels):
    return nn.functional.cross_entropy(logits, labels, reduction="none")


def words(logits, labels):
    return "good"


def picky(logits, labels):
    if len(labels) > 8:
        raise RuntimeError("too many")
    return 0.5
"""

# Command line, what the message says, what the hint says. Nothing is started for these.
CONFIGURED = [
    ("--optimizer sdg", "optimizer.name must be one of adadelta, .*sgd", "leave it out"),
    ("--schedule one-cycel", "schedule.name must be one of constant, .*step", "leave it out"),
    ("--average avg", "average.name must be one of ema, none, swa", "leave it out"),
    ("--precision fp8", "precision must be one of bf16, fp16, fp32, tf32", "leave it out"),
    ("--placement gpu", "placement must be one of auto, device, stream", "leave it out"),
    ("--preset quick", "no preset 'quick'", "Choose one of: best, classic, default, fast"),
    ("--workers -2", "data.workers must be a whole number from -1", "leave it out"),
    ("--accumulate 0", "accumulate must be a whole number from 1", "leave it out"),
    ("--ema-decay 1", "ema_decay must be a number above 0 and below 1", "leave it out"),
    ("--erase 1", "augment.erase must be a number from 0 and below 1", "leave it out"),
    ("--label-smoothing 1", "label_smoothing must be .* below 1", "leave it out"),
    ("--class-weights many", "must be empty, balanced, or numbers", "leave it out"),
    ("--milestones 3;4", "schedule.milestones must be numbers like 30,60", "leave it out"),
    ("--schedule multi-step", "milestones is empty", "like 30,60"),
    ("--schedule multi-step --milestones 6,3", "must be above 0 and increase", "smallest first"),
    ("--schedule plateau --validation 0", "plateau, which watches the valid", "--validation 0.1"),
    ("--early-stopping 3 --validation 0", "watches the validation", "--validation 0.1"),
    ("--nesterov", "nesterov is for sgd, but optimizer.name is adamw", "Choose sgd"),
    ("--nesterov --optimizer sgd --momentum 0", "nesterov needs momentum", "like 0.9"),
    ("--lr-scales head", "'head' in it is not a name and a factor", "head=2"),
    ("--lr-scales head=0", "the factor of 'head' is '0'", "freeze them"),
    ("--pretrained", "pretrained is for models of torchvision, not for convnet", "--init-from"),
    ("--model text-cnn", "text-cnn takes tokens, digits has images", "leave it out"),
    ("--model tabular-mlp", "takes rows of a table, digits has images", "leave it out"),
    ("--model net.py", "does not say what to take", "path/file.py:Name"),
    ("--model net.py:2nd", "'2nd' in .* is not a name that Python code can give", "class or func"),
    ("--model /dev/zero:Net", "neither a file that ends in .py nor a module", "path/file.py"),
]

# The same for what only the worker finds, before the first step.
FOUND_BY_THE_WORKER = [
    ("--model bad.py:Wide", r"bad.py:Wide returns \[2, 11\] .* not \[2, 10\]", "num_classes"),
    ("--model bad.py:Raising", "ValueError: no such thing, line 22 of bad.py", "Mend line 22 of"),
    ("--model bad.py:Bare", "The model bad.py:Bare holds no parameters", "to attributes"),
    (
        "--model none.py:Net",
        "cannot be loaded: there is no file .*none.py",
        "Choose one of: bad.py",
    ),
    ("--loss bad.py:loss_of_each", r"returns a tensor of float32 \[8\]; .*scalar", r"\.mean\(\)"),
    ("--metrics bad.py:words", "returns an object of type str; .* one number", "Return a float"),
    ("--batch-size 2000", "A batch of 2000 is larger than the 1295 samples", "smaller --batch-si"),
    ("--batch-size 1", "A batch of one sample is left", "another --batch-size"),
    ("--freeze cnov", "No part of the model is named 'cnov'", "Choose one of: 0"),
    ("--class-weights 1,2", "class_weights is '1,2', but there are 10 classes", "Give 10 numbers"),
    ("--init-from script.pt", "holds more than weights, which could run code", "state_dict"),
]


@pytest.fixture
def work(home: Home) -> Home:
    """A working folder that holds bad code, and a file of more than weights."""
    (home.folder / "bad.py").write_text(CODE)
    torch.save({"path": Path("a path is no weight")}, home.folder / "script.pt")
    return home


def check_nothing_left(home: Home) -> None:
    """No folder that looks like a run, and no process of one."""
    assert not list(home.runs.glob("run*"))
    check_none_running(home)


def check_none_running(home: Home) -> None:
    """No process of a run of this home."""
    assert not home.workers


@pytest.mark.parametrize(
    ("options", "message", "hint"), CONFIGURED, ids=[row[0] for row in CONFIGURED]
)
def test_settings_that_cannot_be_are_refused_before_anything_starts(
    home: Home, options: str, message: str, hint: str
) -> None:
    done = home.call("train", "digits", *shlex.split(options))
    check_error(done, status=2, message=message, hint=hint)
    assert not home.runs.exists()


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    FOUND_BY_THE_WORKER,
    ids=[row[0] for row in FOUND_BY_THE_WORKER],
)
def test_what_is_found_before_the_first_step_leaves_no_run(
    work: Home, options: str, message: str, hint: str
) -> None:
    done = work.call("train", "digits", *shlex.split(options))
    check_error(done, status=2, message=message, hint=hint)
    check_nothing_left(work)


def test_augmenting_what_is_no_image_is_refused(home: Home) -> None:
    done = home.call("train", "wine", "--mixup", "0.2", "--data-dir", str(home.folder / "data"))
    message = "augment.mixup changes images, but the samples of wine are rows of a table"
    # How far it is, is told where that takes seconds.
    talk = r"preparing wine\n(reading[^\n]*\n)*prepared wine.*\n"
    check_error(done, status=2, message=message, hint="to 0", talk=talk)
    check_nothing_left(home)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_a_precision_that_the_device_lacks_is_refused(home: Home) -> None:
    done = home.call("train", "digits", "--precision", "tf32")
    message = "TF32 is a format of NVIDIA GPUs, and this run is on cpu"
    check_error(done, status=2, message=message, hint="fp32 or bf16")
    check_nothing_left(home)


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA has a compiler of its own")
def test_compiling_without_a_compiler_is_refused(home: Home) -> None:
    home.variables["PATH"] = str(home.folder)
    done = home.call("train", "digits", "--compile")
    message = "torch.compile needs a C.. compiler for this device, and there is none"
    check_error(done, status=2, message=message, hint="Leave --compile out")
    check_nothing_left(home)


# Options, exit status, code of the error, what the message says.
FAILING_LATER = [
    ("--lr 1e6", "non-finite", "not finite at step [2-9]; that update was not applied"),
    ("--metrics bad.py:picky", "config", "RuntimeError: too many, line [0-9]+ of bad.py"),
    ("--model bad.py:Tiring", "user-code", "RuntimeError: tired of it, line 36 of bad.py"),
]


@pytest.mark.parametrize(("options", "code", "message"), FAILING_LATER)
def test_what_fails_later_is_a_failed_run_with_its_cause_in_the_log(
    work: Home, options: str, code: str, message: str
) -> None:
    done = work.call("train", "digits", "--json", *options.split())
    error = check_json_error(done, status=1, code=code, message=f"run1 failed: .*{message}")
    check_none_running(work)
    (failed,) = work.events("failed")
    assert failed["code"] == code
    assert error["message"] == f"run1 failed: {failed['message']}"
    assert error["hint"] == failed["hint"]
    assert work.state() == "failed"
    # Nothing of a step that went wrong was kept.
    assert not list(work.run().glob("checkpoints/step-*"))
    assert "Traceback" in (work.run() / "worker.log").read_text()


def test_a_worker_that_is_ended_by_the_users_code_is_told(work: Home) -> None:
    done = work.call("train", "digits", "--model", "bad.py:Leaving")
    message = "run1: The worker process ended without a result: exit status 7"
    check_error(done, status=1, message=message, hint="tuitrain resume run1", talk="run1  digi.*\n")
    assert work.state() == "interrupted"
    check_none_running(work)


def test_a_trial_run_finds_what_would_fail_after_training(work: Home) -> None:
    done = work.call("train", "digits", "--smoke", "--model", "bad.py:Branching")
    talk = "run1 .*smoke: resume: .*smoke: eval: .*\n"
    message = "run1 failed: The model cannot be exported to ONNX"
    check_error(done, status=1, message=message, hint="branches on tensor values", talk=talk)
    assert work.state() == "failed"
    assert not list(work.run().glob("exports/*.onnx"))
    check_none_running(work)
