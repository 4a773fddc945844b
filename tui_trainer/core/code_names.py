"""Names of a user's own code: `path/file.py:Name` or `package.module:Name`."""

from __future__ import annotations

import keyword
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import ConfigError

_MAX_LENGTH = 4096
_SHOWN_LENGTH = 120
# Sources of models that are ours to look up, though they are written with a colon.
_NOT_CODE = ("torchvision",)
# Control characters, lone surrogates, line ends and invisible marks, some of which make a line
# read as something it is not. Joiners, which many scripts and emoji need, are allowed.
_REFUSED_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"
_TAKEN_METRICS = ("loss", "accuracy")
_FORMS = "Write it as path/file.py:Name or package.module:Name."


@dataclass(frozen=True)
class CodeName:
    """An attribute of a Python source: a file ending in `.py`, or a dotted module."""

    source: str
    attribute: str

    @property
    def is_file(self) -> bool:
        """Whether the source is the path of a file; else it is a dotted module."""
        return _is_file(self.source)

    def __str__(self) -> str:
        """The name as it is typed."""
        return f"{self.source}:{self.attribute}"


def is_code_name(text: str) -> bool:
    """Whether `text` is meant as a user's own code, well written or not."""
    source, colon, _ = text.partition(":")
    if not colon:
        return text.endswith(".py")
    return source not in _NOT_CODE


def short_name(text: str) -> str:
    """The name of a model or a loss for a narrow column: own code without its folders."""
    source, colon, attribute = text.rpartition(":")
    if not colon or not is_code_name(text):
        return text
    return f"{PurePosixPath(source).name}:{attribute}"


def parse_code_name(text: str) -> CodeName:
    """The parts of a name.

    Raises:
        ConfigError: it is not one.
    """
    _check_text(text)
    source, colon, attribute = text.rpartition(":")
    if not colon or not attribute:
        raise ConfigError(f"{_show(text)} does not say what to take from that code.", _FORMS)
    if not attribute.isidentifier() or keyword.iskeyword(attribute):
        raise ConfigError(
            f"{_show(attribute)} in {_show(text)} is not a name that Python code can give.",
            "Write the name of a class or function at the top of the file after the colon.",
        )
    if not _is_file(source) and not _is_module(source):
        raise ConfigError(
            f"{_show(source)} in {_show(text)} is neither a file that ends in .py nor a module.",
            _FORMS,
        )
    return CodeName(source, attribute)


def parse_metric_names(text: str) -> tuple[str, ...]:
    """The names of `training.metrics`, separated by commas; each attribute names its figures.

    Raises:
        ConfigError: one is not a name, or two give figures of the same name.
    """
    names = [part.strip() for part in text.split(",")] if text.strip() else []
    if "" in names:
        raise ConfigError(
            f"training.metrics has an empty place: {_show(text)}.",
            "Separate the names by single commas.",
        )
    taken = dict.fromkeys(_TAKEN_METRICS, "tuitrain itself")
    for name in names:
        attribute = parse_code_name(name).attribute
        if attribute in taken:
            raise ConfigError(
                f"A metric named {attribute} is given by {taken[attribute]} already.",
                "Rename the function: its name is that of its figures.",
            )
        taken[attribute] = _show(name)
    return tuple(names)


def absolute(text: str, folder: Path) -> str:
    """The same name, its file's path made absolute from `folder`; `~` is the home folder.

    A module's name stays as it is.

    Raises:
        ConfigError: it is not a name, or names the home of an unknown user.
    """
    name = parse_code_name(text)
    if not name.is_file:
        return text
    try:
        path = folder.absolute() / Path(name.source).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f"The home folder in {_show(text)} is not known.", "Write the path out."
        ) from error
    return str(parse_code_name(f"{path}:{name.attribute}"))


def absolute_metrics(text: str, folder: Path) -> str:
    """`training.metrics` with every file's path made absolute from `folder`.

    Raises:
        ConfigError: as of `parse_metric_names` and `absolute`, or a folder's name has a comma.
    """
    names = [absolute(name, folder) for name in parse_metric_names(text)]
    for name in names:
        if "," in name:
            raise ConfigError(
                f"The path of the metric {_show(name)} has a comma, which separates metrics.",
                "Put its file into another folder.",
            )
    return ",".join(names)


def compare_code(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """What is different in the code of a run: a clause for each source whose SHA-256 changed.

    Both are `{name: SHA-256}`, as noted when the run began and as found now. A name that only one
    of them has is a clause of its own.
    """
    changed = [name for name in before if name in now and before[name] != now[name]]
    sources = dict.fromkeys(name.rpartition(":")[0] for name in changed)
    return [
        *(f"the code in {_show(source)} has changed since the run began" for source in sources),
        *(f"the run began with {_show(name)}" for name in before if name not in now),
        *(f"the run began without {_show(name)}" for name in now if name not in before),
    ]


def _check_text(text: str) -> None:
    if len(text) > _MAX_LENGTH:
        raise ConfigError(
            f"A name of code is at most {_MAX_LENGTH} characters long, not {len(text)}: "
            f"{_show(text)}.",
            _FORMS,
        )
    if any(unicodedata.category(c) in _REFUSED_CATEGORIES and c not in _JOINERS for c in text):
        raise ConfigError(
            f"The name of code {_show(text)} holds control characters or invisible ones.",
            "Rename the file or its folder.",
        )


def _is_file(source: str) -> bool:
    # `.py` alone is a hidden file without an ending.
    return source.endswith(".py") and PurePosixPath(source).suffix == ".py"


def _is_module(source: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in source.split("."))


def _show(text: str) -> str:
    shown = sanitize(text, limit=_SHOWN_LENGTH)
    return repr(shown + "…" if len(text) > _SHOWN_LENGTH else shown)
