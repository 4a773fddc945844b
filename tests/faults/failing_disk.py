"""A disk that refuses to write for a while, as a worker meets it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FailingDisk:
    """During spans of steps the disk refuses, with the error `code`, to write below a place.

    Attributes:
        place: a part of the paths that are meant.
        spans: pairs of the first and the last step.
    """

    place: str
    code: int
    spans: list[list[int]]

    def arrange(self) -> None:
        """In the worker: stand before what writes files."""
        from tui_trainer.train.step import Stepper

        train_step = Stepper.__call__

        def call(stepper: Any, batch: Any, *, step: int, **given: Any) -> Any:
            refusal.step = step
            return train_step(stepper, batch, step=step, **given)

        refusal = _Refusal(self)
        Stepper.__call__ = call  # type: ignore[method-assign]
        os.open = refusal.before_open(os.open)
        os.mkdir = refusal.before_path(os.mkdir)
        os.write = refusal.before_file(os.write)
        if self.code == errno.EIO:
            os.fsync = refusal.before_file(os.fsync)


class _Refusal:
    """Refuses, at the steps that are meant, before a function of `os` is called."""

    def __init__(self, disk: FailingDisk) -> None:
        self.step = 0
        self._disk = disk
        self._paths: dict[int, str] = {}

    def _check(self, path: str) -> None:
        is_now = any(first <= self.step <= last for first, last in self._disk.spans)
        if is_now and self._disk.place in path:
            raise OSError(self._disk.code, os.strerror(self._disk.code), path)

    def before_open(self, real: Callable[..., int]) -> Callable[..., int]:
        """`os.open`: a new file is refused, and it is noted which file a descriptor is of."""

        def call(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if flags & os.O_CREAT and not os.path.exists(path):
                self._check(os.fspath(path))
            descriptor = real(path, flags, *arguments, **options)
            self._paths[descriptor] = os.fspath(path)
            return descriptor

        return call

    def before_path(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """A function of a path."""

        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            self._check(os.fspath(path))
            return real(path, *arguments, **options)

        return call

    def before_file(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """A function of a descriptor."""

        def call(descriptor: int, *arguments: Any) -> Any:
            self._check(self._paths.get(descriptor, ""))
            return real(descriptor, *arguments)

        return call
