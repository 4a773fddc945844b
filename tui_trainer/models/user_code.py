"""A user's own class or function: read once, hashed, let through a gate, then run.

The bytes that are hashed are those that run. The hash covers the named file alone, not what it
imports.
"""

from __future__ import annotations

import contextlib
import hashlib
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Literal

from tui_trainer.core.code_names import CodeName, parse_code_name
from tui_trainer.core.dataset_hints import hint_for_prefix
from tui_trainer.core.suggest import hint_for
from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import ConfigError, DatasetError, ModelError, TuitrainError
from tui_trainer.models.user_source import (
    SourceError,
    find_source,
    prepare_module,
    read_source,
    run_module,
)
from tui_trainer.store.trust import Gate

Role = Literal["model", "loss", "metric", "dataset"]
_MAX_TOLD = 500


class UserCodeError(TuitrainError):
    """A user's own code failed after training had begun."""

    code: ClassVar[str] = "user-code"


@dataclass(frozen=True)
class LoadedCode:
    """A class or function of the user's, and the file that it came from."""

    name: str
    role: Role
    object: Any
    path: Path
    sha256: str

    @property
    def title(self) -> str:
        """What a sentence calls it: `model net.py:Net`."""
        return _title(parse_code_name(self.name), self.role)


def load_code(name: str, *, role: Role, folder: Path, gate: Gate) -> LoadedCode:
    """The object that `name` names, once `gate(name, sha256, path)` lets its file run.

    Relative names begin at `folder`. A file is run once per process, however often it is named.

    Raises:
        ConfigError: `name` is not one, or the gate refuses it.
        ModelError, DatasetError: of these roles, ConfigError: of another: the source is missing,
            unreadable or not Python, raises when it is imported, or has no such attribute.
    """
    parsed = parse_code_name(name)
    try:
        path = find_source(parsed, folder)
        content = read_source(path)
        sha256 = hashlib.sha256(content).hexdigest()
        gate(name, sha256, path)
        loader = prepare_module(parsed, path, content)
        with explained(_title(parsed, role), path, "when it is imported", error_type(role)):
            module = run_module(loader, path.parent if parsed.is_file else folder.absolute())
    except SourceError as error:
        raise _cannot_load(parsed, role, error) from error
    return LoadedCode(name, role, _attribute_of(module, parsed, role, path), path, sha256)


def _cannot_load(name: CodeName, role: Role, error: SourceError) -> TuitrainError:
    """What is wrong with a source; of a dataset the name may be a slip for a kind of path."""
    if role == "dataset" and not name.is_file and "." not in name.source:
        hint = hint_for_prefix(name.source, name.attribute)
        if hint is not None:
            return DatasetError(
                sanitize(f"{name.source!r} is no kind of data, nor a module that can be loaded."),
                sanitize(hint),
            )
    return error_type(role)(
        sanitize(f"The {_title(name, role)} cannot be loaded: {error.message}."),
        sanitize(error.hint),
    )


def note_code(loaded: Iterable[LoadedCode]) -> dict[str, str]:
    """What a run notes of its code: the SHA-256 of each name."""
    return {code.name: code.sha256 for code in loaded}


def error_type(role: Role) -> type[TuitrainError]:
    """The error that a fault in code of this role is."""
    errors: dict[Role, type[TuitrainError]] = {"model": ModelError, "dataset": DatasetError}
    return errors.get(role, ConfigError)


@contextlib.contextmanager
def explained(title: str, path: Path, doing: str, error: type[TuitrainError]) -> Iterator[None]:
    """Turn whatever a user's code raises within the block into one sentence.

    Raises:
        TuitrainError: an `error`, naming the type, the message and the line in their file.
    """
    try:
        yield
    except SourceError:
        raise
    except (Exception, SystemExit) as raised:
        what, line = _describe(raised, path)
        message = f"The {title} fails {doing}: {what}"
        if line is None:
            raise error(f"{message}.", f"Look at {sanitize(str(path))}.") from raised
        raise error(
            f"{message}, line {line} of {sanitize(path.name)}.", _mend(line, path)
        ) from raised


def explain_failure(
    error: BaseException, loaded: Iterable[LoadedCode], doing: str = "in training"
) -> UserCodeError | None:
    """The same error as a sentence, where it was raised by code in one of those files."""
    if isinstance(error, TuitrainError) or not isinstance(error, Exception):
        return None
    for code in loaded:
        what, line = _describe(error, code.path)
        if line is not None:
            where = f"line {line} of {sanitize(code.path.name)}"
            explanation = UserCodeError(
                f"The {code.title} fails {doing}: {what}, {where}.", _mend(line, code.path)
            )
            explanation.__cause__ = error
            return explanation
    return None


def _title(name: CodeName, role: Role) -> str:
    source = Path(name.source).name if name.is_file else name.source
    return f"{role} {sanitize(source)}:{name.attribute}"


def _mend(line: int, path: Path) -> str:
    return f"Mend line {line} of {sanitize(str(path))}."


def _describe(error: BaseException, path: Path) -> tuple[str, int | None]:
    """Type and message of an exception, and the last line of the file that it passed through."""
    try:
        message = sanitize(str(error), limit=_MAX_TOLD).strip()
    except Exception as another:  # noqa: BLE001 - the text of an exception is a user's code too
        message = f"its message cannot be had: {type(another).__name__}"
    what = ": ".join(filter(None, (sanitize(type(error).__name__), message)))
    frames = traceback.walk_tb(error.__traceback__)
    lines = [line for frame, line in frames if frame.f_code.co_filename == str(path)]
    return what.rstrip("."), lines[-1] if lines else None


def _attribute_of(module: ModuleType, name: CodeName, role: Role, path: Path) -> Any:
    title = _title(name, role)
    missing = object()
    with explained(title, path, "when it is looked up", error_type(role)):
        value = getattr(module, name.attribute, missing)
    if value is not missing:
        return value
    own = [
        key
        for key, item in vars(module).items()
        if callable(item) and getattr(item, "__module__", "") == module.__name__
    ]
    hint = hint_for(name.attribute, own) or f"Define it at the top level of {path.name}."
    raise error_type(role)(
        f"The {title} is not there: {sanitize(str(path))} has no {name.attribute}.", hint
    )
