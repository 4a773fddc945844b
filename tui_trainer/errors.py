"""The error tree and the exit statuses.

Every error a user can cause or meet is a `TuitrainError`: one sentence on what is wrong
(`message`), one on what to do (`hint`), a stable `code` for `--json`, and the exit status that
belongs to its category. A front end has one boundary that prints it; the worker has one that
writes it into `result.json`, so that it is the same error on both sides of the process.
"""

from __future__ import annotations

import errno
from enum import IntEnum
from typing import ClassVar


class ExitStatus(IntEnum):
    """What the process tells its caller."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INTERRUPTED = 130
    TERMINATED = 143


class TuitrainError(Exception):
    """Something a person has to know: what is wrong, and what to do."""

    code: ClassVar[str] = "error"
    exit_status: ClassVar[ExitStatus] = ExitStatus.FAILED

    def __init__(self, message: str, hint: str = "", *, key: str = "") -> None:
        """`key` is the setting that is wrong, where one is."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.key = key


class UsageError(TuitrainError):
    """The command line cannot be obeyed as typed."""

    code = "usage"
    exit_status = ExitStatus.USAGE


class ConfigError(TuitrainError):
    """A setting is unknown, of the wrong type or out of range."""

    code = "config"
    exit_status = ExitStatus.USAGE


class DatasetError(TuitrainError):
    """A dataset is unknown, missing, damaged or unfit."""

    code = "dataset"
    exit_status = ExitStatus.USAGE


class ModelError(TuitrainError):
    """A model is unknown or does not fit the data."""

    code = "model"
    exit_status = ExitStatus.USAGE


class DeviceError(TuitrainError):
    """The device asked for is not here."""

    code = "device"
    exit_status = ExitStatus.USAGE


class RunNotFoundError(TuitrainError):
    """No run goes by that name."""

    code = "run-not-found"
    exit_status = ExitStatus.USAGE


class RunStateError(TuitrainError):
    """The run is in a state that does not allow what was asked."""

    code = "run-state"
    exit_status = ExitStatus.USAGE


class ExactnessError(TuitrainError):
    """A run cannot go on exactly, and nobody agreed to less."""

    code = "not-exact"
    exit_status = ExitStatus.USAGE


class CheckpointError(TuitrainError):
    """A checkpoint is missing or damaged."""

    code = "checkpoint"


class CheckpointNotFoundError(TuitrainError):
    """A run has no checkpoint of that name."""

    code = "checkpoint-not-found"
    exit_status = ExitStatus.USAGE


class StorageError(TuitrainError):
    """A file could not be read or written."""

    code = "storage"


class DiskFullError(StorageError):
    """There is no room on the disk; there may be later."""

    numbers = (errno.ENOSPC, errno.EDQUOT)


class FolderError(TuitrainError):
    """A folder named by the user cannot be used."""

    code = "folder"
    exit_status = ExitStatus.USAGE


class NonFiniteError(TuitrainError):
    """Loss or gradient became NaN or infinite at the optimizer step `step`."""

    code = "non-finite"

    def __init__(self, message: str, hint: str, *, step: int) -> None:
        super().__init__(message, hint)
        self.step = step


class ExportError(TuitrainError):
    """The exported model could not be made, or does not agree with the model."""

    code = "export"


class WorkerError(TuitrainError):
    """The worker process ended without a result."""

    code = "worker"


class ReportedError(TuitrainError):
    """An error that another process met and described; its code and exit status are its own."""

    def __init__(self, code: str, message: str, hint: str, exit_status: int) -> None:
        super().__init__(message, hint)
        self.code = code  # type: ignore[misc]
        self.exit_status = ExitStatus(exit_status)  # type: ignore[misc]
