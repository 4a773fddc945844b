"""The folder of runs: creating, listing and finding them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from tui_trainer import paths
from tui_trainer.core.run_name import LAST, check_name, number_in, number_of
from tui_trainer.core.run_record import Annotations, Environment, RunRecord
from tui_trainer.core.sealed_json import seal
from tui_trainer.core.suggest import nearest
from tui_trainer.errors import (
    DiskFullError,
    FolderError,
    RunNotFoundError,
    StorageError,
    UsageError,
)
from tui_trainer.store.atomic import make_folder, new_folder, replace_file, write_durable
from tui_trainer.store.index import Index
from tui_trainer.store.record_reader import RecordReader
from tui_trainer.store.run_folder import (
    RunFolder,
    read_annotations,
    read_run,
)


class Registry:
    """The runs in one folder."""

    def __init__(self, runs_dir: Path) -> None:
        self.path = runs_dir

    def folders(self) -> list[RunFolder]:
        """Every run's folder, by number."""
        numbered = []
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    number = number_of(entry.name)
                    if number is not None and entry.is_dir(follow_symlinks=False):
                        numbered.append((number, RunFolder(Path(entry.path))))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise FolderError(
                f"The runs folder {self.path} cannot be read: {error.strerror}.",
                "Name another with --runs, or mend its permissions.",
            ) from error
        return [folder for _, folder in sorted(numbered, key=lambda pair: pair[0])]

    def records(self, *, archived: bool = False) -> list[RunRecord]:
        """Every run, by number; archived ones too if asked."""
        folders = self.folders()
        reader = self.open_reader()
        records = [reader.read(folder) for folder in folders]
        self.store(reader, folders)
        return [record for record in records if archived or not record.annotations.archived]

    def open_reader(self) -> RecordReader:
        """A reader for someone who looks at the runs again and again."""
        return RecordReader(Index(self.path).read())

    def store(self, reader: RecordReader, folders: Iterable[RunFolder]) -> None:
        """Keep in the index what was read of `folders`, which are all that there are."""
        present = {folder.run for folder in folders}
        gone = [run for run in reader.stored_runs if run not in present]
        Index(self.path).write(reader.take_unstored(), gone)

    def find(self, reference: str) -> RunFolder:
        """The run that `runN`, `N`, `last` or a given name refers to.

        Raises:
            RunNotFoundError: there is none.
        """
        folders = self.folders()
        number = number_in(reference)
        if number is not None:
            for folder in folders:
                if folder.run == f"run{number}":
                    return folder
            raise self._not_found(reference, folders, {})
        names = {folder.run: read_annotations(folder.path) for folder in folders}
        if reference == LAST:
            for folder in reversed(folders):
                if not names[folder.run].archived:
                    return folder
        found = [folder for folder in folders if names[folder.run].name == reference]
        if len(found) > 1:
            raise UsageError(
                f"{len(found)} runs are named {reference!r}.",
                f"Say which: {', '.join(folder.run for folder in found)}.",
            )
        if found:
            return found[0]
        raise self._not_found(reference, folders, names)

    def read(self, reference: str) -> tuple[RunFolder, RunRecord]:
        """The run that `reference` names and what is known of it now."""
        folder = self.find(reference)
        try:
            return folder, read_run(folder)
        except OSError as error:
            raise StorageError(
                f"{folder.run} cannot be read: {error.filename or folder.path}: {error.strerror}.",
                "Mend the permissions or restore the folder from a copy.",
            ) from error

    def create(self, environment: Environment, config_toml: bytes, name: str = "") -> RunFolder:
        """A new run folder, with the next number, holding its configuration and environment.

        The folder appears under its number only once both files are whole.

        Raises:
            FolderError: the runs folder cannot be written.
            UsageError: the name is taken or not allowed.
        """
        try:
            make_folder(self.path)
            with self._locked():
                if name:
                    self._check_free(check_name(name))
                number = self._take_number()
                folder = RunFolder(self.path / f"run{number}")
                environment = msgspec.structs.replace(environment, run=folder.run)
                _fill(folder, environment, config_toml, Annotations(name=name))
                return folder
        except OSError as error:
            is_full = error.errno in DiskFullError.numbers
            mend = "free some space" if is_full else "mend its permissions"
            raise FolderError(
                f"The runs folder {self.path} cannot be written: {error.strerror}.",
                f"Name another with --runs, or {mend}.",
            ) from error

    def _check_free(self, name: str) -> None:
        for folder in self.folders():
            if read_annotations(folder.path).name == name:
                raise UsageError(
                    f"The name {name!r} belongs to {folder.run} already.", "Choose another name."
                )

    def _take_number(self) -> int:
        mark_file = self.path / paths.LAST_NUMBER
        try:
            written = mark_file.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            written = ""
        mark = number_in(written) or 0
        highest = max((number_of(folder.run) or 0 for folder in self.folders()), default=0)
        number = max(mark, highest) + 1
        replace_file(mark_file, f"{number}\n".encode())
        return number

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _not_found(
        self, reference: str, folders: list[RunFolder], names: dict[str, Annotations]
    ) -> RunNotFoundError:
        if not folders:
            return RunNotFoundError(
                f"There is no run {reference!r}: {self.path} holds no runs.",
                "Start one with: tuitrain train digits.",
            )
        # One number is like any other: where only a number is wrong there is nothing to guess.
        valid = [] if number_in(reference) else [folder.run for folder in folders]
        valid += [annotations.name for annotations in names.values() if annotations.name]
        near = nearest(reference, valid)
        hint = f"Did you mean {near}?" if near else "See what there is with: tuitrain runs list."
        return RunNotFoundError(f"There is no run {reference!r} in {self.path}.", hint)


def _fill(
    folder: RunFolder, environment: Environment, config_toml: bytes, annotations: Annotations
) -> None:
    with new_folder(folder.path) as temporary:
        write_durable(temporary / paths.CONFIG, config_toml)
        write_durable(temporary / paths.ENVIRONMENT, msgspec.json.encode(environment))
        if annotations.name:
            write_durable(temporary / paths.ANNOTATIONS, seal(msgspec.json.encode(annotations)))
