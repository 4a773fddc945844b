"""What a benchmark found, as a file that the report is made of."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import psutil

from benchmarks.statistics import Estimate, Target

_LOOK_S = 3.0


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure: a median with its interval, and the target it has, if any.

    It is void where a control showed that the measurement cannot be trusted.
    """

    what: str
    figure: Estimate
    unit: str = ""
    target: Target | None = None
    is_void: bool = False

    @property
    def verdict(self) -> str:
        """`pass`, `MISS` or `void`, or nothing where there is no target."""
        if self.target is None:
            return ""
        if self.is_void:
            return "void"
        return "pass" if self.target.is_met(self.figure.median) else "MISS"


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A benchmark's figures, what was compared, and what to know before believing them."""

    name: str
    title: str
    device: str
    compared: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    is_quick: bool = False


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures of a device were taken on."""

    device: str
    facts: dict[str, str]


def save(folder: Path, name: str, value: Result | Machine) -> None:
    """Write a result or a machine as `NAME-DEVICE.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{value.device}.json"
    file.write_bytes(msgspec.json.format(msgspec.json.encode(value)))


def load_results(folder: Path) -> list[Result]:
    """Every result in a folder."""
    files = sorted(file for file in folder.glob("*-*.json") if not _is_machine(file))
    return [msgspec.json.decode(file.read_bytes(), type=Result) for file in files]


def load_machines(folder: Path) -> dict[str, Machine]:
    """The machine that each device's results were taken on."""
    files = sorted(file for file in folder.glob("*-*.json") if _is_machine(file))
    machines = [msgspec.json.decode(file.read_bytes(), type=Machine) for file in files]
    return {machine.device: machine for machine in machines}


def load_note() -> str:
    """What the machine was busy with as a benchmark began, in words."""
    # Not the load average: it remembers the benchmark before.
    busy = psutil.cpu_percent(_LOOK_S) / 100 * (os.cpu_count() or 1)
    warning = "" if busy < 0.2 else ": not a quiet machine, do not quote these figures"
    return f"Cores that others kept busy in the {_LOOK_S:g} s before it began: {busy:.2f}{warning}."


def _is_machine(file: Path) -> bool:
    return file.name.startswith("machine-")
