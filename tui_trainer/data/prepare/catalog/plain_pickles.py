"""Pickles that hold plain data, read without unpickling: CIFAR is published in them.

A pickle is a program that may call anything. Here only what puts together dictionaries, lists,
texts, numbers and arrays of bytes is obeyed, by a machine of our own; nothing is imported, and
nothing is called. `pickletools` of the standard library tells the steps apart.
"""

from __future__ import annotations

import math
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.text_safety import sanitize
from tui_trainer.errors import DatasetError
from tui_trainer.store.plain_file import open_plain

_MOST_STEPS = 4_000_000
# All that pickles of numpy's arrays name.
_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_ENCODE = "_codecs encode"
_DTYPE = "numpy dtype"
_KNOWN = (*_RECONSTRUCT, "numpy ndarray", _DTYPE, _ENCODE)
_ONE_BYTE = ("u1", "|u1", "B", "uint8")
_PUSHED = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "FLOAT", "BINFLOAT",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type[list[Any]] | type[dict[Any, Any]] | type[tuple[Any, ...]]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
# What steps that do not fit together end in.
_MISFITS = (
    ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, MemoryError
)  # fmt: skip
_PUT = ("PUT", "BINPUT", "LONG_BINPUT")
_GET = ("GET", "BINGET", "LONG_BINGET")


def read_plain_pickle(file: Path, *, max_bytes: int) -> Any:
    """What a pickle of plain data holds; texts of bytes come as Latin-1, arrays as uint8.

    Raises:
        DatasetError: it cannot be read, is damaged, or holds anything else.
    """
    remedy = "Fetch the file again from a good copy."
    try:
        with open(open_plain(file), "rb") as stream:
            if stream.seek(0, 2) > max_bytes:
                raise _RefusedError("it is larger than any of its kind")
            stream.seek(0)
            machine = _Machine()
            for number, (step, argument, _) in enumerate(pickletools.genops(stream)):
                if number > _MOST_STEPS:
                    raise _RefusedError("it has more steps than any of its kind")
                machine.obey(step.name, argument)
        return machine.result()
    except _RefusedError as error:
        raise DatasetError(f"{file} is not plain data: {error}.", remedy) from error
    except OSError as error:
        raise DatasetError(
            f"{file} cannot be read: {error.strerror or error}.", "Check its path and rights."
        ) from error
    except _MISFITS as error:
        raise DatasetError(f"{file} is damaged: it is no whole pickle.", remedy) from error


class _RefusedError(Exception):
    """What plain data have no need of; a clause."""


@dataclass(frozen=True)
class _Name:
    """Something that the pickle would have imported."""

    name: str


@dataclass
class _Bytes:
    """An array that the pickle would have made."""

    content: str = ""
    shape: tuple[int, ...] = ()

    def to_array(self) -> npt.NDArray[np.uint8]:
        content = self.content.encode("latin-1")
        if len(content) != math.prod(self.shape):
            raise _RefusedError("an array in it is not as long as it says")
        return np.frombuffer(content, np.uint8).reshape(self.shape)


class _Mark:
    """Where a sequence on the stack begins."""


class _Machine:
    """The stack of a pickle, and what it remembers."""

    def __init__(self) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        """What lies on the stack in the end, arrays made of what was collected for them."""
        (value,) = self._stack
        if not isinstance(value, dict):
            raise _RefusedError("it holds no table of names")
        return {
            key: one.to_array() if isinstance(one, _Bytes) else one for key, one in value.items()
        }

    def obey(self, name: str, argument: Any) -> None:
        """One step."""
        stack = self._stack
        if name in _PUSHED:
            stack.append(argument.decode("latin-1") if isinstance(argument, bytes) else argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLES:
            parts = [stack.pop() for _ in range(_TUPLES[name])]
            stack.append(tuple(reversed(parts)))
        elif name in _PUT:
            self._memo[argument] = stack[-1]
        elif name in _GET:
            stack.append(self._memo[int(argument)])
        elif name == "MARK":
            stack.append(_Mark)
        elif name not in ("PROTO", "FRAME", "STOP"):
            self._build(name, argument)

    def _build(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in ("TUPLE", "LIST"):
            parts = self._pop_marked()
            stack.append(tuple(parts) if name == "TUPLE" else parts)
        elif name in ("APPEND", "APPENDS"):
            parts = [stack.pop()] if name == "APPEND" else self._pop_marked()
            self._top(list).extend(parts)
        elif name in ("SETITEM", "SETITEMS", "DICT"):
            if name == "SETITEM":
                value, key = stack.pop(), stack.pop()
                parts = [key, value]
            else:
                parts = self._pop_marked()
            if name == "DICT":
                stack.append({})
            self._top(dict).update(zip(parts[::2], parts[1::2], strict=True))
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = stack[-1]
        elif name == "GLOBAL":
            if argument not in _KNOWN:
                raise _RefusedError(f"it names {sanitize(str(argument), limit=80)!r}")
            stack.append(_Name(argument))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_stand_in(function, arguments))
        elif name == "BUILD":
            state = stack.pop()
            _fill(stack[-1], state)
        else:
            raise _RefusedError(f"it has a step {name}")

    def _pop_marked(self) -> list[Any]:
        """What lies on the stack above the last mark, which goes too."""
        parts = []
        while (part := self._stack.pop()) is not _Mark:
            parts.append(part)
        return parts[::-1]

    def _top(self, kind: type[Any]) -> Any:
        top = self._stack[-1]
        if type(top) is not kind:
            raise _RefusedError(f"it fills a {type(top).__name__} as if it were a {kind.__name__}")
        return top


def _stand_in(function: Any, arguments: Any) -> Any:
    """What stands for a call of numpy's."""
    name = function.name if isinstance(function, _Name) else ""
    if name in _RECONSTRUCT:
        return _Bytes()
    if name == _DTYPE and arguments[0] in _ONE_BYTE:
        return _Name("bytes")
    if name == _ENCODE and len(arguments) == 2 and isinstance(arguments[0], str):
        # Bytes as newer Pythons write them in an old protocol.
        return arguments[0]
    raise _RefusedError("it calls what no array of bytes needs")


def _fill(target: Any, state: Any) -> None:
    """What stands for numpy's filling of an array or a type."""
    if isinstance(target, _Bytes):
        _, shape, dtype, is_by_column, content = state
        whole = all(isinstance(size, int) and size >= 0 for size in shape)
        if dtype != _Name("bytes") or is_by_column or not whole or not isinstance(content, str):
            raise _RefusedError("an array in it is not one of bytes")
        target.shape, target.content = tuple(shape), content
    elif target != _Name("bytes"):
        raise _RefusedError("it fills what is no array")
