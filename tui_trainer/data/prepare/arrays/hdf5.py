"""Sources from HDF5 files: plain datasets that lie in the file itself, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.arrays.array_source import open_arrays
from tui_trainer.data.prepare.arrays.pairs import Pair, find_pairs
from tui_trainer.data.prepare.source import Source, stamp_files
from tui_trainer.data.prepare.tables.columns import show
from tui_trainer.data.prepare.tables.plain_stream import (
    Handle,
    check_expansion,
    open_stream,
)
from tui_trainer.errors import DatasetError

_MAX_MEMBERS = 1000
_MAX_CHUNK_BYTES = 64 << 20
_MAX_TEXTS_BYTES = 64 << 20
_TEXTS_TOGETHER = 4096
_MAX_CLASSES = 10_000
# By their numbers: gzip, shuffle, Fletcher's checksum, and h5py's LZF. Others are code to load.
_FILTERS = {1, 2, 3, 32000}
_REWRITE = "Copy the data into a file of its own, such as with h5repack or h5py."


def open_hdf5(path: Path, preparation: PreparationConfig) -> Source:
    """Samples and labels in an HDF5 file, such as `images` and `labels`, or `train/x`, `train/y`.

    Labels that are whole numbers or texts are classes, which an attribute `classes` of their
    dataset may name; bytes N×K are labels that hold or not; floats are numbers.

    Raises:
        DatasetError: the file is damaged or may lead elsewhere, or nothing can be learnt from it.
    """
    open_stream(path).close()
    stamps = stamp_files(path)
    with _errors_of(path), h5py.File(path, "r") as file:
        pairs = [
            Pair(split, _inspect(path, file, inputs), _inspect(path, file, labels))
            for split, (inputs, labels) in find_pairs(_list_names(file), preparation).items()
        ]
    return open_arrays(
        pairs,
        title=path.stem,
        origin=sanitize(path.name, limit=200),
        stamps=stamps,
        preparation=preparation,
    )


class Hdf5Array(Handle):
    """A dataset of an HDF5 file, read by slices."""

    def __init__(
        self, path: Path, name: str, dataset: h5py.Dataset, classes: tuple[str, ...]
    ) -> None:
        self.path, self.name, self.classes = path, sanitize(name, limit=200), classes
        self.shape = tuple(int(size) for size in dataset.shape)
        # Texts of any length are known by their kind alone.
        self.dtype = np.dtype(dataset.dtype).newbyteorder("=")
        self.step = int(dataset.chunks[0]) if dataset.chunks else 1
        self._key = name
        self._is_text = self.dtype.kind not in "biuf"
        self._has_any_length = h5py.check_string_dtype(dataset.dtype) is not None and (
            h5py.check_string_dtype(dataset.dtype).length is None
        )

    def read(self, start: int, stop: int) -> npt.NDArray[Any] | Sequence[str]:
        """Samples from `start` to `stop`.

        Raises:
            DatasetError: they are damaged.
        """
        with _errors_of(self.path):
            if self._opened is None:
                open_stream(self.path).close()
                self._opened = h5py.File(self.path, "r")
            dataset = self._opened[self._key]
            if self._is_text:
                return self._read_texts(dataset, start, stop)
            values: npt.NDArray[Any] = dataset[start:stop]
            return values.astype(self.dtype, copy=False)

    def _read_texts(self, dataset: Any, start: int, stop: int) -> list[str]:
        together = _TEXTS_TOGETHER
        if self._has_any_length:
            # Each may be as long as the file, and many the same bytes of it.
            file_bytes = self.path.stat().st_size
            together = max(1, min(together, _MAX_TEXTS_BYTES // max(1, file_bytes)))
        texts: list[str] = []
        for first in range(start, stop, together):
            part = dataset[first : min(first + together, stop)]
            texts += [bytes(text).decode() for text in part.reshape(-1).tolist()]
        return texts


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Whatever h5py raises for a damaged file is one error."""
    try:
        yield
    except DatasetError:
        raise
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} holds texts that are not UTF-8.", _REWRITE) from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        reason = sanitize(str(error), limit=200).rstrip(".")
        raise DatasetError(
            f"{path} cannot be read as HDF5: {reason}.",
            "See that it is the right file, or fetch it again from a good copy.",
        ) from error


def _list_names(file: h5py.File) -> list[str]:
    """Datasets at the top and in groups at the top; where links lead is not looked at."""
    names = []
    for name in _members(file):
        if isinstance(_linked(file, name), h5py.HardLink) and isinstance(file[name], h5py.Group):
            names += [f"{name}/{inner}" for inner in _members(file[name])]
        else:
            names.append(name)
    return names


def _members(group: h5py.Group) -> list[str]:
    if len(group) > _MAX_MEMBERS:
        raise DatasetError(
            f"{group.file.filename} has more than {_MAX_MEMBERS} members in a group.",
            "Put all samples into one array.",
        )
    return [name for name in group if isinstance(name, str)]


def _linked(group: h5py.Group, name: str) -> Any:
    return group.get(name, getlink=True)


def _inspect(path: Path, file: h5py.File, name: str) -> Hdf5Array:
    """A dataset that can be trusted to lie in the file, and to be no larger than it seems.

    Raises:
        DatasetError: it cannot.
    """
    where = f"{sanitize(name, limit=200)} in {path}"
    group = file
    for part in name.split("/"):
        if not isinstance(_linked(group, part), h5py.HardLink):
            raise DatasetError(f"{where} is a link to somewhere else.", _REWRITE)
        group = group[part]
    dataset: Any = group
    if not isinstance(dataset, h5py.Dataset) or dataset.shape is None:
        raise DatasetError(f"{where} holds no array.", "Name arrays with --inputs and --label.")
    if dataset.is_virtual or dataset.external:
        raise DatasetError(f"{where} lies in other files.", _REWRITE)
    _check_type(dataset, where)
    _check_size(path, dataset, where)
    return Hdf5Array(path, name, dataset, _read_classes(dataset, where))


def _check_type(dataset: Any, where: str) -> None:
    kind = dataset.dtype.kind
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if kind not in "biuf" and not is_text:
        shown = sanitize(str(dataset.dtype), limit=80)
        raise DatasetError(f"{where} holds values of type {shown}.", "Store numbers or texts.")
    if is_text and math.prod(dataset.shape) != dataset.shape[0]:
        raise DatasetError(f"{where} holds several texts for a sample.", "Store one for each.")


def _check_size(path: Path, dataset: Any, where: str) -> None:
    """Refuse arrays that were never written, and those that unpack to far more than the file."""
    settings = dataset.id.get_create_plist()
    filters = {settings.get_filter(place)[0] for place in range(settings.get_nfilters())}
    if filters - _FILTERS:
        raise DatasetError(
            f"{where} is packed by the filter {min(filters - _FILTERS)}.",
            "Pack it with gzip or lzf, or not at all.",
        )
    unpacked_bytes = math.prod(dataset.shape) * dataset.dtype.itemsize
    if not unpacked_bytes:
        return
    stored_bytes = dataset.id.get_storage_size()
    if dataset.chunks is None:
        is_whole = stored_bytes >= unpacked_bytes and stored_bytes <= path.stat().st_size
    else:
        if math.prod(dataset.chunks) * dataset.dtype.itemsize > _MAX_CHUNK_BYTES:
            raise DatasetError(
                f"{where} is stored in chunks of more than {_MAX_CHUNK_BYTES >> 20} MiB.",
                "Store it in smaller ones, such as chunks=True.",
            )
        sides = zip(dataset.shape, dataset.chunks, strict=True)
        expected = math.prod(math.ceil(size / chunk) for size, chunk in sides)
        # A chunk takes some bytes of index at the least, so that a file has only so many.
        is_whole = expected <= path.stat().st_size and dataset.id.get_num_chunks() == expected
    if not is_whole:
        raise DatasetError(
            f"{where} has the shape {'×'.join(map(str, dataset.shape))}, which was never written "
            "in full.",
            "Write all of it, or make it as small as what was written.",
        )
    check_expansion(where, stored_bytes, unpacked_bytes)


def _read_classes(dataset: Any, where: str) -> tuple[str, ...]:
    """What labels mean, as an attribute says."""
    if "classes" not in dataset.attrs:
        return ()
    attribute = dataset.attrs.get_id("classes")
    if len(attribute.shape) != 1 or attribute.shape[0] > _MAX_CLASSES:
        raise DatasetError(f"The classes of {where} are no list of names.", "Give a list.")
    if h5py.check_string_dtype(attribute.dtype) is None:
        raise DatasetError(f"The classes of {where} are no texts.", "Give a list of names.")
    found = dataset.attrs["classes"].tolist()
    names = tuple(one.decode() if isinstance(one, bytes) else str(one) for one in found)
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DatasetError(
            f"The classes of {where} name {show(twice)} twice.", "Give each a name of its own."
        )
    return names
