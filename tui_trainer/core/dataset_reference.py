"""How datasets are named: `mnist`, `folder:PATH`, `path/file.py:Dataset`, joined by `+`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import msgspec
from msgspec.structs import replace

from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.code_names import absolute, is_code_name, parse_code_name, short_name
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_hints import OWN_FORMS, hint_for_dataset, hint_for_prefix
from tui_trainer.core.specs import Kind
from tui_trainer.errors import ConfigError, DatasetError, TuitrainError

Format = Literal["catalog", "folder", "csv", "hdf5", "npz", "text", "code"]

FILE_FORMATS: tuple[Format, ...] = ("folder", "csv", "hdf5", "npz", "text")
_KINDS: dict[Format, Kind] = {"folder": "image", "csv": "table", "text": "tokens"}
_MAX_LENGTH = 4096
_SLUG_LENGTH = 40
_FORMS = f"Name one of the catalogue, or your own as {OWN_FORMS}."


@dataclass(frozen=True)
class Part:
    """One source of samples: a name of the catalogue, a path, or a user's own class."""

    format: Format
    name: str

    def __str__(self) -> str:
        """The part as it is typed."""
        return self.name if self.format in ("catalog", "code") else f"{self.format}:{self.name}"

    def settled(self, folder: Path) -> Part:
        """The same, its path made absolute from `folder`."""
        if self.format == "catalog":
            return self
        if self.format == "code":
            return Part("code", absolute(self.name, folder))
        try:
            return Part(self.format, str(folder.absolute() / Path(self.name).expanduser()))
        except RuntimeError as error:
            raise DatasetError(
                f"The home folder in {self.name!r} is not known.", "Write the path out."
            ) from error


def parse_reference(text: str) -> tuple[Part, ...]:
    """The sources that a reference names.

    Raises:
        DatasetError: it is not one.
    """
    if len(text) > _MAX_LENGTH:
        raise DatasetError("The name of the dataset is too long.", "Name a shorter path.")
    if not _is_text(text):
        raise DatasetError(
            f"{text!r} has bytes that are no UTF-8, and cannot be kept with a dataset.",
            "Rename the file or the folder, or make a link to it with another name.",
        )
    return tuple(_parse_part(part) for part in _split(text))


def _is_text(text: str) -> bool:
    """Whether there are only characters in it, not bytes of names that are no UTF-8."""
    return text == text.encode(errors="ignore").decode()


def is_own(text: str) -> bool:
    """Whether a reference is meant as a person's own data, well written or not."""
    return text not in DATASETS and (
        "+" in text or text.partition(":")[0] in FILE_FORMATS or is_code_name(text)
    )


def settle_reference(text: str, folder: Path) -> str:
    """The reference with its paths made absolute from `folder`.

    Raises:
        DatasetError: it is not one, or a path cannot be made so.
    """
    settled = "+".join(str(part.settled(folder)) for part in parse_reference(text))
    # The folder it begins in may have a name that is none either.
    parse_reference(settled)
    return settled


def code_parts(text: str) -> list[str]:
    """The user's own classes that a reference names."""
    if not is_own(text):
        return []
    return [part.name for part in parse_reference(text) if part.format == "code"]


def prepared_name(reference: str, preparation: PreparationConfig) -> str:
    """The folder in the data folder that a dataset prepared like this lies in.

    A dataset of the catalogue prepared in the usual way has its own name; others have one that is
    different for each source, given by absolute paths, and for each way of preparing it.
    """
    plain = replace(preparation, max_bad=PreparationConfig().max_bad)
    if reference in DATASETS and plain == PreparationConfig():
        return reference
    identity = msgspec.json.encode([reference, plain])
    return f"{_slug(parse_reference(reference))}-{hashlib.sha256(identity).hexdigest()[:8]}"


def short_reference(text: str) -> str:
    """The name of a dataset for a narrow column: paths without their folders."""
    if not is_own(text):
        return text
    try:
        parts = parse_reference(text)
    except TuitrainError:
        # It may come from a stranger's log: it is shown as it is.
        return text
    return "+".join(_shorten(part) for part in parts)


def _shorten(part: Part) -> str:
    if part.format == "catalog":
        return part.name
    if part.format == "code":
        return short_name(part.name)
    return f"{part.format}:{Path(part.name).name or part.name}"


def likely_kind(text: str) -> Kind | None:
    """What the samples of a person's own data probably are; None where the name does not tell."""
    try:
        parts = parse_reference(text)
    except TuitrainError:
        return None
    kinds = {
        DATASETS[p.name].kind if p.format == "catalog" else _KINDS.get(p.format) for p in parts
    }
    return kinds.pop() if len(kinds) == 1 else None


def _split(text: str) -> Iterable[str]:
    """The parts between those plus signs that no path can be thought to hold."""
    parts: list[str] = []
    for word in text.split("+"):
        if parts and not (_is_whole(word) and _is_whole(parts[-1])):
            parts[-1] += f"+{word}"
        else:
            parts.append(word)
    return parts


def _is_whole(word: str) -> bool:
    """Whether it can be a part by itself."""
    return word in DATASETS or word.partition(":")[0] in FILE_FORMATS or ".py:" in word


def _parse_part(text: str) -> Part:
    if text in DATASETS:
        return Part("catalog", text)
    prefix, colon, path = text.partition(":")
    for name in FILE_FORMATS:
        if colon and prefix == name:
            if not path or "\0" in path:
                raise DatasetError(f"{text!r} names no path.", _FORMS)
            return Part(name, path)
    if is_code_name(text):
        return Part("code", _parse_code(text, prefix))
    raise DatasetError(f"There is no dataset {text!r}.", hint_for_dataset(text, DATASETS))


def _parse_code(text: str, prefix: str) -> str:
    try:
        return str(parse_code_name(text))
    except ConfigError as error:
        path = text.partition(":")[2]
        hint = hint_for_prefix(prefix, path) if prefix.isidentifier() else None
        if hint is None:
            raise
        raise DatasetError(f"There is no kind of data called {prefix!r}.", hint) from error


def prepared_name_of(config: RunConfig) -> str:
    """The folder that the dataset of a settled configuration is prepared in."""
    return prepared_name(config.data.dataset, config.preparation)


def _slug(parts: tuple[Part, ...]) -> str:
    """A word for people, of letters that every file system takes."""
    words = [part.name if part.format == "catalog" else Path(part.name).stem for part in parts]
    slug = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")
    return slug[:_SLUG_LENGTH].strip("-") or "data"


assert set(FILE_FORMATS) < set(get_args(Format))
