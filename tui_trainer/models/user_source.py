"""The source of a user's own code: where it lies, its bytes, and a module made of just those.

Finding and reading run nothing of it. What runs is what was read: no `.pyc` is ever trusted.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import importlib.util
import os
import re
import stat
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tui_trainer.core.code_names import CodeName
from tui_trainer.core.suggest import hint_for, nearest

_MAX_BYTES = 16 * 1024 * 1024
_ABSENT = {errno.ENOENT, errno.ENOTDIR}


class SourceError(Exception):
    """What is wrong with a source, as a clause, and what to do: a user's error is made of it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def find_source(name: CodeName, folder: Path) -> Path:
    """The file of `name`, found without importing anything, not even a module's parents.

    A module is looked for where Python looks, then in `folder`, which so can never hide what is
    installed.

    Raises:
        SourceError: there is none.
    """
    if name.is_file:
        return folder.absolute() / Path(name.source).expanduser()
    importlib.invalidate_caches()
    places: Sequence[str] = [*sys.path, str(folder.absolute())]
    parts = name.source.split(".")
    spec = None
    for depth, part in enumerate(parts):
        # The last part alone: with its parents in the name, their packages would be looked up
        # among the imported modules.
        spec = PathFinder.find_spec(part, places)
        if spec is None:
            raise _absent_module(parts, depth, places)
        places = list(spec.submodule_search_locations or [])
    assert spec is not None
    if spec.origin is None or not spec.origin.endswith(".py"):
        what = "a folder without __init__.py" if spec.origin is None else "not Python source"
        raise SourceError(
            f"the module {name.source} is {what}", "Name a module that is a .py file."
        )
    return Path(spec.origin).absolute()


def _absent_module(parts: list[str], depth: int, places: Sequence[str]) -> SourceError:
    missing = ".".join(parts[: depth + 1])
    if not depth:
        return SourceError(
            f"there is no module {missing}, neither installed nor in {places[-1]}",
            "Start in the folder that holds it, install it, or name the file: path/file.py:Name.",
        )
    where = f"the package {'.'.join(parts[:depth])} in {places[0]}" if places else "a plain module"
    names = {file.stem for place in places for file in Path(place).glob("*.py")} - {"__init__"}
    near = nearest(parts[depth], sorted(names))
    return SourceError(
        f"there is no module {missing}: {where} has none of that name",
        f"Did you mean {'.'.join([*parts[:depth], near])}?"
        if near
        else "Check the name, or name the file: path/file.py:Name.",
    )


def read_source(path: Path) -> bytes:
    """The bytes of a source file.

    Raises:
        SourceError: it is missing, cannot be read, or is not a file of sensible size.
    """
    try:
        # A pipe of that name must not hold us up.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceError(f"{path} is not a file", "Name a .py file.")
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(descriptor)
    if len(content) > _MAX_BYTES:
        raise SourceError(
            f"{path} is larger than {_MAX_BYTES >> 20} MiB", "Name a file of Python source."
        )
    return content


def _unreadable(path: Path, error: OSError) -> SourceError:
    if error.errno not in _ABSENT:
        return SourceError(
            f"{path} cannot be read: {error.strerror}", "Mend its permissions or its path."
        )
    try:
        beside = sorted(file.name for file in path.parent.glob("*.py"))
    except OSError:
        beside = []
    hint = hint_for(path.name, beside) or "Check the path."
    return SourceError(f"there is no file {path}", hint)


def compile_source(content: bytes, path: Path) -> CodeType:
    """The code of a source.

    Raises:
        SourceError: it is not text, or not Python.
    """
    try:
        importlib.util.decode_source(content)
    except (UnicodeDecodeError, LookupError, SyntaxError) as error:
        raise SourceError(f"{path} is not UTF-8 text: {error}", "Save it as UTF-8.") from error
    try:
        # Without `dont_inherit` this file's own future imports would hold in theirs.
        return compile(content, str(path), "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"line {error.lineno}" if error.lineno else ""
        raise SourceError(
            f"{path} is not valid Python: {error.msg}{f', {where}' if where else ''}",
            f"Mend {f'{where} of ' if where else ''}{path}.",
        ) from error
    except (ValueError, OverflowError, RecursionError, MemoryError) as error:
        reason = str(error) or type(error).__name__
        raise SourceError(
            f"{path} cannot be compiled: {reason}", "Name a file of Python source."
        ) from error


class _ReadLoader(SourceFileLoader):
    """Loads a module from code made of bytes that were read before, and from nothing else."""

    def __init__(self, name: str, path: Path, content: bytes) -> None:
        super().__init__(name, str(path))
        self.content = content
        self._code = compile_source(content, path)

    def get_code(self, fullname: str) -> CodeType:
        """The code; the machinery of the base class, which looks for a `.pyc`, is left out."""
        return self._code

    def get_data(self, path: Any) -> bytes:
        """The bytes that were read, for whoever asks for the source."""
        return self.content if path == self.path else super().get_data(path)


class _ReadFinder(MetaPathFinder):
    """Gives one module its loader, whoever imports it first: we, or its own package."""

    def __init__(self, loader: _ReadLoader) -> None:
        self._loader = loader

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._loader.name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self._loader.path, loader=self._loader
        )


def prepare_module(name: CodeName, path: Path, content: bytes) -> _ReadLoader:
    """What `run_module` runs; a file's module gets a name of its own, of its path and bytes.

    Raises:
        SourceError: it is not Python.
    """
    if not name.is_file:
        return _ReadLoader(name.source, path, content)
    digest = hashlib.sha256(os.fsencode(path) + b"\0" + content).hexdigest()[:16]
    stem = re.sub(r"\W", "_", path.stem)
    return _ReadLoader(f"tuitrain_user_{stem}_{digest}", path, content)


def run_module(loader: _ReadLoader, folder: Path) -> ModuleType:
    """The module, run once and registered, so that pickle, inspect and dataclasses find it.

    `folder` comes last on the path of imports: what lies there hides nothing that is installed.

    Raises:
        SourceError: another module goes by its name.
        BaseException: whatever the module raises.
    """
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    module = sys.modules.get(loader.name)
    if module is None:
        finder = _ReadFinder(loader)
        sys.meta_path.insert(0, finder)
        try:
            module = importlib.import_module(loader.name)
        finally:
            sys.meta_path.remove(finder)
    _check_same(module, loader)
    return module


def _check_same(module: ModuleType, loader: _ReadLoader) -> None:
    """Refuse a module of that name which is not made of the bytes that were read.

    One that was imported by installed code, or by a file that was consented to, is taken as it
    is when it comes from the same file: it has run already.
    """
    known = getattr(module, "__loader__", None)
    if isinstance(known, _ReadLoader):
        if known.content != loader.content:
            raise SourceError(f"{loader.path} changed while it was in use", "Repeat the command.")
        return
    file = getattr(module, "__file__", None)
    if file is None or os.path.realpath(file) != os.path.realpath(loader.path):
        raise SourceError(
            f"{loader.path} is hidden by another module named {loader.name}, "
            f"which is {file or 'built into Python'}",
            "Rename it, or name the file: path/file.py:Name.",
        )
