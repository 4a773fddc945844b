"""Requests to a running worker: files in the run's `control` folder, obeyed at most once.

A request is published by rename and names the session it is meant for. The worker writes the
event that answers it to the log, then deletes the file.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from pathlib import Path
from typing import Literal

import msgspec

from tui_trainer import paths
from tui_trainer.core.sealed_json import seal, unseal
from tui_trainer.errors import StorageError
from tui_trainer.store.atomic import replace_file
from tui_trainer.store.environment import user_name

RequestName = Literal[
    "stop", "stop-after-epoch", "pause", "continue", "checkpoint", "evaluate", "set"
]
"""`continue` ends a pause; where there is none, it takes back `stop-after-epoch`."""

_SESSION = re.compile(r"[0-9A-Za-z-]{1,64}")
_FILE = re.compile(r"(?P<session>[0-9A-Za-z-]{1,64})-(?P<id>[0-9a-f]{32})\.json")
_MAX_REQUEST_BYTES = 64 * 1024
_NO_REQUEST = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One thing asked of a session of a run; `unknown` where its file is damaged."""

    id: str
    session: str
    request: RequestName | Literal["unknown"]
    by: str
    arguments: dict[str, float | str] = {}
    asked_ns: int = 0


def submit(
    run: Path, session: str, request: RequestName, arguments: dict[str, float | str] | None = None
) -> Request:
    """Ask the worker of `session` for something; it answers in the event log.

    Raises:
        StorageError: the session id, which comes from a file, is not one, or the disk
            refuses the request.
    """
    if not _SESSION.fullmatch(session):
        raise StorageError(
            f"The lease of {run.name} is damaged: it names no session.",
            "Stop its worker with SIGTERM instead.",
        )
    folder = run / paths.CONTROL
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        asked = Request(
            id=uuid.uuid4().hex,
            session=session,
            request=request,
            by=user_name(),
            arguments=arguments or {},
            asked_ns=_next_ns(folder),
        )
        replace_file(folder / f"{session}-{asked.id}.json", seal(msgspec.json.encode(asked)))
    except OSError as error:
        raise StorageError(
            f"The request {request!r} to {run.name} could not be written: "
            f"{error.strerror or error}.",
            "Free some space or mend the disk; SIGTERM stops the run's worker without a request.",
        ) from error
    return asked


def _next_ns(folder: Path) -> int:
    """The time now, but after that of every request in `folder`: clocks are set back at times."""
    latest = 0
    for file in _files(folder):
        with contextlib.suppress(OSError, *_NO_REQUEST):
            latest = max(latest, _decode(file).asked_ns)
    return max(time.time_ns(), latest + 1)


def _files(folder: Path) -> list[Path]:
    """Files that may be requests."""
    with os.scandir(folder) as entries:
        return [
            Path(entry.path)
            for entry in entries
            if entry.name.endswith(".json") and not entry.name.startswith(".")
            if entry.is_file(follow_symlinks=False)
        ]


def _decode(file: Path) -> Request:
    with open(file, "rb") as opened:
        content = unseal(opened.read(_MAX_REQUEST_BYTES))
    return msgspec.json.decode(content, type=Request)


def _identity(run: Path) -> list[tuple[int, int] | None]:
    """Which folder and which lease these are. Of a folder that is being removed while its worker
    writes, the folder itself may stay.
    """
    found: list[tuple[int, int] | None] = []
    for path in (run, run / paths.WORKER_LEASE):
        try:
            status = os.stat(path)
            found.append((status.st_dev, status.st_ino))
        except FileNotFoundError:
            found.append(None)
    return found


class Inbox:
    """The worker's side: requests in the order they were published."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._identity = _identity(run)
        self._folder = run / paths.CONTROL
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._seen_ids: set[str] = set()

    def take(self) -> list[Request]:
        """The requests not taken before, oldest first. Files that are none by their name go.

        Raises:
            StorageError: the run's folder was removed or moved away under the worker.
        """
        if _identity(self._run) != self._identity:
            raise StorageError(
                f"The folder {self._run} was removed or moved while the run was training.",
                "Stop a run before moving or removing its folder.",
            )
        try:
            found = _files(self._folder)
        except OSError:
            # The folder is gone or the disk does not answer: training goes on without requests.
            return []
        requests = [self._read(path) for path in found]
        fresh = [asked for asked in requests if asked and asked.id not in self._seen_ids]
        # File times are too coarse to order requests made within a few milliseconds.
        fresh.sort(key=lambda asked: asked.asked_ns)
        self._seen_ids.update(asked.id for asked in fresh)
        return fresh

    def discard(self, asked: Request) -> None:
        """Delete a request whose answer is in the log."""
        (self._folder / f"{asked.session}-{asked.id}.json").unlink(missing_ok=True)

    def _read(self, path: Path) -> Request | None:
        try:
            asked = _decode(path)
        except OSError:
            return None
        except _NO_REQUEST:
            return self._damaged(path)
        return asked if path.name == f"{asked.session}-{asked.id}.json" else self._damaged(path)

    def _damaged(self, path: Path) -> Request | None:
        """What there is to answer to whoever waits for it, if the file's name says who."""
        match = _FILE.fullmatch(path.name)
        if match is None:
            path.unlink(missing_ok=True)
            return None
        return Request(id=match["id"], session=match["session"], request="unknown", by="someone")
