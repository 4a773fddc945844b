"""The code that a person let this machine run: consents by SHA-256 and path.

A consent is bound to the path as well as to the bytes. The same file in a stranger's folder would
import that folder's other files, which nobody agreed to.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec

from tui_trainer import paths
from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import ConfigError
from tui_trainer.store.atomic import replace_file

_VERSION = 1
_MAX_BYTES = 16 * 1024 * 1024
_SHA256 = re.compile("[0-9a-f]{64}")
_WRITABLE_BY_OTHERS = 0o022

Gate = Callable[[str, str, Path], None]
"""`gate(name, sha256, path)` raises `ConfigError` where that code may not run."""


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """What a person agreed to run, and when: `t` is Unix time."""

    sha256: str
    path: str
    t: float


class _Consents(msgspec.Struct, frozen=True, kw_only=True):
    v: int
    consents: tuple[Consent, ...]


class TrustStore:
    """The consents kept in a folder of the user's own."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / paths.TRUSTED_CODE

    def read(self) -> tuple[tuple[Consent, ...], str]:
        """Every consent, and what is wrong with the file, if anything is: then there are none."""
        try:
            with open(self.file, "rb") as stream:
                status = os.fstat(stream.fileno())
                content = stream.read(_MAX_BYTES + 1)
        except FileNotFoundError:
            return (), ""
        except OSError as error:
            return (), f"it cannot be read: {error.strerror}"
        if status.st_uid != os.geteuid() or status.st_mode & _WRITABLE_BY_OTHERS:
            return (), "others than you could have written it"
        if len(content) > _MAX_BYTES:
            return (), "it is too large"
        try:
            stored = msgspec.json.decode(content, type=_Consents)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return (), "it is damaged"
        if stored.v != _VERSION:
            return (), f"it is of version {stored.v}, which this tuitrain does not know"
        if not all(_SHA256.fullmatch(consent.sha256) for consent in stored.consents):
            return (), "it is damaged"
        return stored.consents, ""

    def is_trusted(self, sha256: str, path: Path) -> bool:
        """Whether these bytes at this path were consented to."""
        place = _place_of(path)
        return any((c.sha256, c.path) == (sha256, place) for c in self.read()[0])

    def knows_path(self, path: Path) -> bool:
        """Whether some bytes at this path were consented to."""
        place = _place_of(path)
        return any(consent.path == place for consent in self.read()[0])

    def trust(self, sha256: str, path: Path) -> None:
        """Remember a consent. A file that is of no use is set aside, not lost.

        Raises:
            OSError: it cannot be written.
        """
        if not _SHA256.fullmatch(sha256):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        if self.is_trusted(sha256, path):
            return
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            consents, damage = self.read()
            if damage:
                self.file.replace(self.file.with_suffix(".damaged"))
            consent = Consent(sha256=sha256, path=_place_of(path), t=time.time())
            stored = _Consents(v=_VERSION, consents=(*consents, consent))
            replace_file(self.file, msgspec.json.encode(stored))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def make_gate(
    named: Collection[str],
    store: TrustStore,
    *,
    trust_all: bool = False,
    say: Callable[[str], object],
) -> Gate:
    """A gate that lets code run which is named on this command line or consented to before.

    `named` are names as they stand in the configuration; who names one names its whole source.
    With `trust_all` every name counts as named. What is named is consented to; where that cannot
    be kept, `say` is told, and the code runs this once.
    """
    sources = {name.rpartition(":")[0] for name in named}

    def gate(name: str, sha256: str, path: Path) -> None:
        _, damage = store.read()
        if damage:
            say(f"the consents in {store.file} do not count: {damage}")
        if trust_all or name.rpartition(":")[0] in sources:
            try:
                store.trust(sha256, path)
            except OSError as error:
                say(f"your consent to {name} could not be kept in {store.file}: {error.strerror}")
            return
        if not store.is_trusted(sha256, path):
            raise _refusal(name, path, has_changed=store.knows_path(path))

    return gate


def _refusal(name: str, path: Path, *, has_changed: bool) -> ConfigError:
    source = "" if name.startswith(f"{path}:") else f", which is {path},"
    reason = (
        "has changed since it last ran on this machine"
        if has_changed
        else "has not been run on this machine before"
    )
    return ConfigError(
        sanitize(f"The code {name}{source} {reason}."),
        "Look at it, then name it on the command line, or add --trust-code.",
    )


def _place_of(path: Path) -> str:
    """Where the file really is, as text that any JSON can hold."""
    return os.fsencode(os.path.realpath(path)).decode("utf-8", "backslashreplace")
