"""What each command imports: front ends start fast because torch is never among it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import Home

TORCH_SIDE = {
    "torch", "torchvision", "sklearn", "scipy", "onnx", "onnxruntime", "onnxscript",
    "tensorboardX", "safetensors", "h5py", "PIL",
}  # fmt: skip
_RUN = """
import sys
from tui_trainer.cli.main import run
status = run(sys.argv[2:])
with open(sys.argv[1], "w") as file:
    print(status, *sys.modules, file=file)
"""


def imported_by(home: Home, line: str, *, prints: str = "") -> tuple[int, set[str]]:
    """The command's exit status and the top-level modules that its process imported."""
    report = home.folder / "modules"
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(report), *shlex.split(line)],
        cwd=home.folder,
        env=home.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(prints)
    status, *modules = report.read_text().split()
    return int(status), {name.partition(".")[0] for name in modules}


GROUPS = {
    "data": ("list", "info", "get", "import", "preview", "verify", "remove"),
    "runs": ("list", "show", "logs", "stop", "pause", "continue", "checkpoint", "set"),
}
COMMANDS = ["train", "attach", "resume", "eval", "export-onnx", "dashboard"]
HELP = ["", *COMMANDS, *GROUPS, *[f"{group} {name}" for group in GROUPS for name in GROUPS[group]]]


@pytest.mark.parametrize("path", HELP)
def test_every_command_has_help_that_needs_neither_numpy_nor_rich(home: Home, path: str) -> None:
    usage = f"Usage: tuitrain {path} ".replace("  ", " ")
    status, modules = imported_by(home, f"{path} --help", prints=usage)
    assert status == 0
    assert not modules & (TORCH_SIDE | {"numpy", "rich", "textual", "psutil", "aiohttp"})


WITHOUT_WORKER = [
    "train digits --dry-run",
    "train zzz",
    "runs list",
    "runs list --json",
    "runs show 1",
    "runs logs 1",
    "runs logs 1 --events",
    "runs stop 1",
    "runs pause 1",
    "runs set 1 lr=0.1",
    "attach 1",
    "resume 1",
    "data list",
    "data info digits",
    "data verify digits",
]


@pytest.mark.parametrize("line", WITHOUT_WORKER)
def test_command_that_reads_needs_no_numpy(trained: Home, line: str) -> None:
    _, modules = imported_by(trained, line)
    assert not modules & (TORCH_SIDE | {"numpy", "textual", "psutil"})


@pytest.mark.parametrize(
    "line",
    [
        "train digits --epochs 1",
        "resume 1 --epochs 3",
        "eval 1",
        "export-onnx 1",
    ],
)
def test_command_that_starts_a_worker_stays_free_of_torch(trained: Home, line: str) -> None:
    status, modules = imported_by(trained, line)
    assert status == 0
    assert not modules & (TORCH_SIDE | {"textual"})


def test_commands_that_prepare_and_remove_stay_free_of_torch(home: Home, tmp_path: Path) -> None:
    home.data = tmp_path / "data"
    for line, expected in (
        ("data get digits", 0),
        ("data remove digits", 0),
        ("data import mnist .", 2),
    ):
        status, modules = imported_by(home, line)
        assert status == expected
        assert not modules & (TORCH_SIDE | {"numpy", "textual"})


def test_looking_at_samples_stays_free_of_torch(home: Home) -> None:
    status, modules = imported_by(home, "data preview digits --augmented --flip 1")
    assert status == 0
    assert not modules & (TORCH_SIDE - {"PIL"} | {"textual"})


def test_dashboard_is_free_of_torch() -> None:
    code = "import sys, tui_trainer.dashboard.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = {name.partition(".")[0] for name in done.stdout.split()}
    assert "textual" in modules
    assert not modules & TORCH_SIDE
