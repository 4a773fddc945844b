"""Fetching published files over HTTP: resumed where it broke off, and checked when it is there.

A file is collected beside its place as `NAME.part`, and what the server called that version of it
as as `NAME.part.tag`; it comes to its place once its MD5 is right.
"""

from __future__ import annotations

import contextlib
import email.message
import errno
import hashlib
import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui_trainer import __version__
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.http_opener import DownloadError, describe, make_opener

Report = Callable[[int, int, str], object]
"""`report(done, total, name)`: bytes of a file that are here, of how many (0: not known)."""

_CHUNK_BYTES = 1 << 18
_SPARE_BYTES = 64 << 20
_REPORT_S = 0.2
# Between attempts, in seconds; as many attempts in a row may bring nothing.
_WAITS_S = (1.0, 2.0, 4.0, 8.0)
_MOST_ATTEMPTS = 100
# A server that sends less than this in that time counts as one that hangs.
_LEAST_BYTES, _LEAST_IN_S = 16 << 10, 60.0
_LATER = (408, 425, 429, 500, 502, 503, 504)
# No more digits than any size has.
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")
_BEYOND_END = re.compile(r"bytes \*/([0-9]{1,18})")
_LENGTH = re.compile(r"[0-9]{1,18}")


class _BrokenError(Exception):
    """An attempt that broke off; another may do better."""

    def __init__(self, reason: str, *, is_unreachable: bool = False) -> None:
        super().__init__(reason)
        self.is_unreachable = is_unreachable


@dataclass(frozen=True)
class Patience:
    """How long is waited for a server.

    Attributes:
        timeout_s: For a connection, and for the next bytes.
        waits_s: Between attempts, one at least; one more than these may fail in a row.
        sleep: Waits.
    """

    timeout_s: float = 30.0
    waits_s: Sequence[float] = _WAITS_S
    sleep: Callable[[float], object] = time.sleep


def fetch_file(
    urls: Sequence[str],
    file: Path,
    md5: str,
    *,
    max_bytes: int,
    report: Report = lambda done, total, name: None,
    patience: Patience | None = None,
) -> None:
    """Fetch a file from the first of `urls` that gives the right one; nothing if it is here.

    Raises:
        DownloadError: none of them does.
        OSError: it cannot be written.
    """
    if file.is_file() and _md5_of(file) == md5:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for url in urls:
        download = _Download(url, file, max_bytes, report, patience or Patience())
        try:
            download.run()
            if _md5_of(download.part) != md5 and download.is_resumed:
                # What was here before may be damaged: once, all of it comes again.
                download.discard()
                download.run()
            if _md5_of(download.part) != md5:
                download.discard()
                raise DownloadError("what it gives is not the published file (MD5 differs)")
        except DownloadError as error:
            reasons.append(f"{url}: {error}")
            continue
        os.replace(download.part, file)
        download.discard()
        return
    raise DownloadError("; ".join(reasons))


class _Download:
    """One file from one address.

    Attributes:
        part: What is here of it.
        is_resumed: Whether some of it was here before it was asked for.
    """

    def __init__(
        self, url: str, file: Path, max_bytes: int, report: Report, patience: Patience
    ) -> None:
        self.part = file.with_name(f"{file.name}.part")
        self._tag = file.with_name(f"{file.name}.part.tag")
        self._url, self._name, self._max_bytes = url, file.name, max_bytes
        self._report, self._patience = report, patience
        self._opener = make_opener()
        self._reported_at = 0.0
        self._has_received = False
        self.is_resumed = False

    def run(self) -> None:
        """Fetch all of it, in as many attempts as bring it on."""
        failed, waits_s = 0, self._patience.waits_s
        for _ in range(_MOST_ATTEMPTS):
            before = self._size()
            try:
                self._attempt()
                return
            except _BrokenError as error:
                failed = 0 if self._size() > before else failed + 1
                # Whoever is offline should not wait to be told.
                is_hopeless = error.is_unreachable and not self._has_received
                if failed > (1 if is_hopeless else len(waits_s)):
                    raise DownloadError(str(error)) from error
            self._patience.sleep(waits_s[max(0, failed - 1)])
        raise DownloadError("the connection breaks off again and again")

    def discard(self) -> None:
        """Forget what was fetched."""
        self.part.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def _attempt(self) -> None:
        try:
            with self._open() as response:
                offset, total = self._place_of(response)
                self._receive(response, offset, total)
        except urllib.error.HTTPError as error:
            # As a context of its own it fails where the answer was not read.
            with contextlib.closing(error):
                self._judge(error)
        except (urllib.error.URLError, TimeoutError, http.client.HTTPException) as error:
            told = getattr(error, "reason", None) or error
            if isinstance(told, ssl.SSLCertVerificationError):
                raise DownloadError(f"its certificate is not right: {describe(told)}") from error
            is_unreachable = isinstance(error, urllib.error.URLError)
            raise _BrokenError(describe(told), is_unreachable=is_unreachable) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
                raise
            raise _BrokenError(describe(error)) from error

    def _open(self) -> Any:
        headers = {"User-Agent": f"tuitrain/{__version__}", "Accept-Encoding": "identity"}
        size, tag = self._size(), self._read_tag()
        if size and tag:
            # Only the same version of the file is gone on with; of another, all comes again.
            headers |= {"Range": f"bytes={size}-", "If-Range": tag}
        request = urllib.request.Request(self._url, headers=headers)
        try:
            return self._opener.open(request, timeout=self._patience.timeout_s)
        except (ValueError, OverflowError) as error:
            if isinstance(error, OSError):
                raise
            # It leads on to a host or a port that cannot be.
            raise DownloadError(f"it leads nowhere: {describe(error)}") from error

    def _place_of(self, response: Any) -> tuple[int, int]:
        """Where in the file the response begins, and how long the file is; 0 where unknown."""
        length = response.headers.get("Content-Length", "")
        offset, total = 0, int(length) if _LENGTH.fullmatch(length) else 0
        if response.status == 206:
            told = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if told is None or int(told[1]) != self._size():
                self.discard()
                raise _BrokenError("it gives another part of the file than was asked for")
            offset, total = int(told[1]), int(told[2])
            self.is_resumed = offset > 0
        elif response.status != 200:
            raise DownloadError(f"it answers with status {response.status}")
        else:
            self.discard()
            self._write_tag(response.headers)
        self._check_room(offset, total)
        return offset, total

    def _check_room(self, offset: int, total: int) -> None:
        if total > self._max_bytes:
            raise DownloadError(f"it gives {total:,} bytes, far more than the file has")
        free = shutil.disk_usage(self.part.parent).free
        if total - offset + _SPARE_BYTES > free:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.part.parent))

    def _receive(self, response: Any, offset: int, total: int) -> None:
        done = window = offset
        window_at = time.monotonic()
        with open(self.part, "ab" if offset else "wb") as out:
            while chunk := response.read1(_CHUNK_BYTES):
                out.write(chunk)
                done += len(chunk)
                self._has_received = True
                if done > self._max_bytes:
                    raise DownloadError("it gives far more than the file has")
                self._tell(done, total)
                now = time.monotonic()
                if now - window_at > _LEAST_IN_S:
                    if done - window < _LEAST_BYTES:
                        raise _BrokenError("it hardly sends anything")
                    window, window_at = done, now
        if total and done < total:
            raise _BrokenError(f"the connection broke off after {done:,} of {total:,} bytes")
        self._report(done, done, self._name)

    def _judge(self, error: urllib.error.HTTPError) -> None:
        """What an answer of failure means."""
        if error.code == 416:
            # There is nothing after what is here: it is all, or of another version.
            told = _BEYOND_END.fullmatch(error.headers.get("Content-Range", ""))
            if told is not None and int(told[1]) == self._size():
                self.is_resumed = True
                return
            self.discard()
            raise _BrokenError("it has no such part of the file") from error
        told_reason = f"it answers {error.code} {sanitize(str(error.reason), limit=80)}".rstrip()
        if error.code in _LATER:
            raise _BrokenError(told_reason) from error
        raise DownloadError(told_reason) from error

    def _tell(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._reported_at >= _REPORT_S:
            self._reported_at = now
            self._report(done, total, self._name)

    def _size(self) -> int:
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    def _read_tag(self) -> str:
        """What the server called the version that was begun, if it came from this address."""
        try:
            url, _, tag = self._tag.read_text("utf-8").partition("\n")
        except (OSError, UnicodeDecodeError):
            return ""
        return tag if url == self._url and tag.isascii() and tag.isprintable() else ""

    def _write_tag(self, headers: email.message.Message) -> None:
        etag = headers.get("ETag", "")
        # Weak ones do not promise that every byte is the same.
        tag = etag if etag.startswith('"') else headers.get("Last-Modified", "")
        if tag:
            self._tag.write_text(f"{self._url}\n{tag}", "utf-8")


def _md5_of(file: Path) -> str:
    with open(file, "rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest()
