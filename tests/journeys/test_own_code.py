"""A model, a loss and metrics of one's own, from the document's own example to an export."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.checks import check_error
from tests.command import Home

_DOCUMENT = Path(__file__).parents[2] / "docs" / "OWN_CODE.md"
OPTIONS = ["--loss", "net.py:focal_loss", "--metrics", "net.py:top3,net.py:macro_recall"]


@pytest.fixture
def net(home: Home) -> Path:
    """The file that the document shows, in the working folder."""
    file = home.folder / "net.py"
    shown = re.search(r"```python\n(.*?)```", _DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert shown is not None
    file.write_text(shown[1])
    return file


def consents(home: Home) -> list[dict[str, str]]:
    """What was consented to on this machine, as the state folder keeps it."""
    file = home.runs.parent / "state" / "trusted-code.json"
    found: list[dict[str, str]] = json.loads(file.read_text())["consents"]
    return found


def test_the_documents_example_is_trained_judged_and_exported(home: Home, net: Path) -> None:
    train = home.open("train", "digits", "--epochs", "4", "--model", "net.py:Net", *OPTIONS)
    assert train.finish() == 0, train.history
    shown = home.json("runs", "show", "1")
    assert shown["model"] == f"{net}:Net"
    assert shown["last"]["test"].keys() == {"loss", "accuracy", "top3", "macro_recall"}
    assert shown["last"]["test"]["top3"] > shown["last"]["test"]["accuracy"] > 0.9

    (started,) = home.events("run_started")
    (consent,) = consents(home)
    names = {f"{net}:{name}" for name in ("Net", "focal_loss", "top3", "macro_recall")}
    assert started["code"] == dict.fromkeys(names, consent["sha256"])
    assert consent["path"] == str(net.resolve())

    # What was named once on the command line need not be named again.
    report = home.json("eval", "1")
    assert abs(report["top3"] - shown["last"]["test"]["top3"]) < 1e-6
    assert abs(report["loss"] - shown["last"]["test"]["loss"]) < 1e-4
    assert home.json("export-onnx", "1")["parity"]["top1_agreement"] == 1.0


def test_changed_code_goes_on_only_where_it_is_consented_to(home: Home, net: Path) -> None:
    (home.folder / "tuitrain.toml").write_text('[model]\nname = "net.py:Net"\n')
    done = home.call("train", "digits", "--epochs", "1")
    message = r"The code .*/net\.py:Net has not been run on this machine before"
    check_error(done, status=2, message=message, hint="--trust-code")
    assert not list(home.runs.glob("run*"))
    home.do("train", "digits", "--epochs", "1", "--trust-code")
    (number,) = (int(run["run"].removeprefix("run")) for run in home.json("runs", "list"))

    net.write_text(net.read_text().replace("nn.ReLU()", "nn.GELU()"))
    done = home.call("resume", str(number), "--epochs", "2")
    message = r"The code .*/net\.py:Net has changed since it last ran on this machine"
    check_error(done, status=2, message=message, hint="--trust-code", talk="run.*not resumed.*\n")
    shown = home.json("runs", "show", str(number))
    assert (shown["state"], shown["epoch"]) == ("finished", 1)

    command = ("resume", str(number), "--epochs", "2", "--trust-code")
    message = r"run\d+ was not resumed: It would not go on exactly: the code in"
    done, talk = home.call(*command), "run.*not resumed.*\n"
    check_error(done, status=2, message=message, hint="--accept approximate", talk=talk)
    done = home.call(*command, "--accept", "approximate")
    assert done.returncode == 0, done.stderr
    assert "approximate: the code in" in done.stderr
    assert len(consents(home)) == 2
