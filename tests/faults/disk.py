"""The functions through which the program changes files, watched: counted, recorded, and failing.

A `Disk` stands before them for the length of a block. What a fault is asked for at its number
happens there, and a `Journal` learns of everything that was done.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from unittest import mock

from tests.faults.journal import Journal

_WATCHED = (
    "open", "write", "pwrite", "fsync", "fdatasync", "ftruncate", "rename", "replace", "mkdir",
    "unlink", "remove", "rmdir", "link",
)  # fmt: skip
_WRITES = ("write", "pwrite")
_NEEDS_ROOM = ("open", "write", "pwrite", "mkdir", "link")

Kind = Literal["kill", "torn", "error", "short", "bent"]


class Killed(BaseException):
    """Here the process ended. Nothing that would have followed was done."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong at the operation `at` (1, 2, 3 …).

    `kill` ends the process before it; `torn` too, but half of what was to be written is; `short`
    writes half and says so; `bent` writes something else and says nothing; `error` fails with the
    number `code`. With `lasting` what follows fails too: all of it, or on a full disk what needs
    room.
    """

    at: int
    kind: Kind
    code: int = errno.ENOSPC
    lasting: bool = False

    def __str__(self) -> str:
        name = errno.errorcode[self.code] if self.kind in ("error", "short") else ""
        return f"{self.kind} {name} {'lasting ' * self.lasting}at operation {self.at}"


class Disk:
    """Counts the operations on files, and has one of them go wrong.

    Attributes:
        passed: the names of the operations so far.
        struck: whether something went wrong.
    """

    def __init__(self, fault: Fault | None = None, journal: Journal | None = None) -> None:
        self.passed: list[str] = []
        self.struck = False
        self._fault = fault
        self._journal = journal
        self._is_dead = False

    @contextmanager
    def watched(self) -> Iterator[Disk]:
        """Stand before the functions of `os` until the end of the block."""
        with mock.patch.multiple(os, **{name: self._watch(name) for name in _WATCHED}):
            try:
                yield self
            finally:
                if self._journal is not None:
                    self._journal.catch_up()

    def _watch(self, name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def watched(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & (os.O_CREAT | os.O_TRUNC):
                return real(*arguments, **options)
            return self._pass(name, real, arguments, options)

        return watched

    def _pass(
        self, name: str, real: Callable[..., Any], arguments: tuple[Any, ...], options: Any
    ) -> Any:
        if self._is_dead:
            raise Killed
        self.passed.append(name)
        journal = self._journal
        if journal is not None:
            journal.catch_up(arguments[0] if name in ("fsync", "fdatasync") else None)
        kind = self._fault_now(name)
        self._is_dead = kind in ("kill", "torn")
        if kind in ("torn", "short", "bent"):
            arguments = (arguments[0], _spoilt(bytes(arguments[1]), kind), *arguments[2:])
        elif kind == "kill":
            raise Killed
        elif kind == "error":
            assert self._fault is not None
            if journal is not None and name in ("fsync", "fdatasync"):
                journal.note_failed_fsync(arguments[0])
            raise OSError(self._fault.code, os.strerror(self._fault.code))
        result = real(*arguments, **options)
        if journal is not None:
            journal.note(name, arguments, options, result)
        if self._is_dead:
            raise Killed
        return result

    def _fault_now(self, name: str) -> Kind | None:
        """What is to happen to this operation."""
        fault, number = self._fault, len(self.passed)
        if fault is None or number < fault.at:
            return None
        if number == fault.at:
            # Only writing can be done by half, or badly.
            if fault.kind in ("short", "bent") and name not in _WRITES:
                return None
            self.struck = True
            return "kill" if fault.kind == "torn" and name not in _WRITES else fault.kind
        if self.struck and fault.lasting:
            return "error" if fault.code != errno.ENOSPC or name in _NEEDS_ROOM else None
        return None


def _spoilt(content: bytes, kind: Kind) -> bytes:
    half = len(content) // 2
    if kind != "bent":
        return content[:half]
    return content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :]


@contextmanager
def without_fsync() -> Iterator[None]:
    """Waiting for the disk is for what is watched, not for what looks at the result."""
    with mock.patch.object(os, "fsync", lambda descriptor: None):
        yield
