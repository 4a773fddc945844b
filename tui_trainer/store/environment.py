"""What a run was started on: versions, hardware, code."""

from __future__ import annotations

import getpass
import os
import platform
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

from tui_trainer.core.run_record import Environment, GitState

_PACKAGES = ("tuitrain", "torch", "torchvision", "numpy", "safetensors", "onnx", "onnxruntime")
_MAX_DIFF_BYTES = 10_000_000
_GIT_TIMEOUT_S = 10.0


def capture_environment(command: list[str], *, with_code: bool = True) -> Environment:
    """The environment of a run about to be created in the working folder.

    With `with_code` the git commit and the uncommitted changes of tracked files are kept too.
    """
    import psutil

    return Environment(
        uuid=str(uuid.uuid4()),
        run="",
        created_t=time.time(),
        command=tuple(command),
        folder=os.getcwd(),
        host=socket.gethostname(),
        user=user_name(),
        system=platform.platform(),
        python=sys.version.split()[0],
        packages=_package_versions(),
        cores=os.cpu_count() or 1,
        host_memory_bytes=psutil.virtual_memory().total,
        devices=_device_names(),
        git=_git_state(Path.cwd()) if with_code else None,
    )


def user_name() -> str:
    """Who this process belongs to."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"uid {os.getuid()}"


def _package_versions() -> dict[str, str]:
    # Takes 25 ms to import, and only a run that is created needs it.
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _device_names() -> tuple[str, ...]:
    import pynvml

    try:
        pynvml.nvmlInit()
        try:
            handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
            return tuple(str(pynvml.nvmlDeviceGetName(handle)) for handle in handles)
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return ()


def _git(folder: Path, *arguments: str, settings: tuple[tuple[str, str], ...] = ()) -> bytes | None:
    """The output of a git command that runs nothing the repository configures.

    Content filters, whose names only the repository knows, are left: see `_filters_off`.
    """
    command = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", *arguments]
    environment = os.environ | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    for number, (key, value) in enumerate(settings):
        environment |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=_GIT_TIMEOUT_S,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _filters_off(folder: Path) -> tuple[tuple[str, str], ...]:
    """Settings that turn off every content filter the repository or the user configured."""
    names = _git(folder, "config", "--null", "--name-only", "--get-regexp", r"^filter\.") or b""
    drivers = sorted({os.fsdecode(name.rpartition(b".")[0]) for name in names.split(b"\0") if name})
    off = (("clean", ""), ("process", ""), ("required", "false"))
    return tuple((f"{driver}.{key}", value) for driver in drivers for key, value in off)


def _git_state(folder: Path) -> GitState | None:
    head = _git(folder, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")
    if head is None:
        return None
    commit, branch = head.decode(errors="replace").split("\n")[:2]
    # Looking for changes inside a submodule would obey the submodule's own configuration.
    how = ("--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=dirty")
    diff = _git(folder, "diff", *how, "HEAD", settings=_filters_off(folder)) or b""
    return GitState(
        commit=commit,
        branch=branch,
        dirty=bool(diff),
        diff=diff[:_MAX_DIFF_BYTES].decode(errors="replace"),
        diff_truncated=len(diff) > _MAX_DIFF_BYTES,
    )
