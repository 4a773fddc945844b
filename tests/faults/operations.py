"""Operations on files that a crash may end anywhere, and what must hold of what it leaves.

Each says when a part of its work is acknowledged (`reach(1)`, `reach(2)` …), so that whoever looks
at the disk afterwards knows what has to be there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import msgspec
import numpy as np
from torch import nn

from tests import builders
from tests.data.samples import make_spec
from tests.prepared import Arrays, save_prepared
from tui_trainer import paths
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config import RunConfig
from tui_trainer.core.run_name import number_of
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import DatasetError, ExportError, FolderError, StorageError
from tui_trainer.export import onnx
from tui_trainer.store.atomic import replace_file, sweep_hidden
from tui_trainer.store.config_sources import encode_config, read_config
from tui_trainer.store.control import Inbox, Request, submit
from tui_trainer.store.datasets import is_prepared, remove_dataset
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder, read_annotations, read_environment

Reach = Callable[[int], object]


class Operation:
    """Work on the files of a folder.

    Attributes:
        refusals: the errors with which it answers a failing disk.
    """

    name: str
    refusals: ClassVar[tuple[type[Exception], ...]]

    def prepare(self, folder: Path) -> None:
        """Fill the folder with what is there before."""

    def act(self, folder: Path, reach: Reach) -> None:
        """Do the work."""
        raise NotImplementedError

    def check(self, folder: Path, reached: int, *, power_cut: bool) -> None:
        """Read all that is there, and demand what was acknowledged before a crash."""
        raise NotImplementedError

    def mend(self, folder: Path) -> None:
        """What the program does first when it is started again."""

    def go_on(self, folder: Path) -> None:
        """Do such work once more, and demand that all is well then."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.name


class Replacement(Operation):
    """A file is replaced twice."""

    name = "replace-file"
    refusals = (OSError,)
    _contents = (b"before", b"first " * 300, b"second " * 500)

    def prepare(self, folder: Path) -> None:
        (folder / "file").write_bytes(self._contents[0])

    def act(self, folder: Path, reach: Reach) -> None:
        for number in (1, 2):
            replace_file(folder / "file", self._contents[number])
            reach(number)

    def check(self, folder: Path, reached: int, *, power_cut: bool) -> None:
        assert (folder / "file").read_bytes() in self._contents[reached : reached + 2]

    def go_on(self, folder: Path) -> None:
        replace_file(folder / "file", b"third")
        assert (folder / "file").read_bytes() == b"third"


class Steering(Operation):
    """Two requests to a worker are made."""

    name = "requests"
    refusals = (StorageError,)

    def prepare(self, folder: Path) -> None:
        Inbox(folder)

    def act(self, folder: Path, reach: Reach) -> None:
        submit(folder, builders.SESSION, "pause")
        reach(1)
        submit(folder, builders.SESSION, "set", {"lr": 0.25})
        reach(2)

    def check(self, folder: Path, reached: int, *, power_cut: bool) -> None:
        published = list((folder / paths.CONTROL).glob("[!.]*.json"))
        asked = Inbox(folder).take()
        assert len(asked) == len(published) >= reached
        assert [_told(request) for request in asked] == [("pause", ()), ("set", (0.25,))][
            : len(asked)
        ]

    def go_on(self, folder: Path) -> None:
        made = submit(folder, builders.SESSION, "stop")
        inbox = Inbox(folder)
        asked = inbox.take()
        assert asked[-1] == made
        for request in asked:
            inbox.discard(request)
        assert Inbox(folder).take() == []


def _told(request: Request) -> tuple[str, tuple[float | str, ...]]:
    assert request.session == builders.SESSION
    return request.request, tuple(request.arguments.values())


class Creation(Operation):
    """Two runs are created, in a new folder of runs or beside another run."""

    refusals = (FolderError,)
    _config = encode_config(RunConfig())

    def __init__(self, *, has_earlier: bool) -> None:
        self.name = "create-runs" if has_earlier else "create-first-runs"
        self._count_before = int(has_earlier)

    def prepare(self, folder: Path) -> None:
        if self._count_before:
            self._create(folder)

    def act(self, folder: Path, reach: Reach) -> None:
        for number in (1, 2):
            self._create(folder)
            reach(number)

    def check(self, folder: Path, reached: int, *, power_cut: bool) -> None:
        runs = self._runs(folder)
        assert len(runs) >= self._count_before + reached
        for count, run in enumerate(runs):
            assert read_annotations(run.path).name == f"after-{count}"
            assert read_environment(run.path).run == run.run
            assert read_config(run.path) == RunConfig()
        assert len(Registry(folder / "runs").records()) == len(runs)

    def go_on(self, folder: Path) -> None:
        runs = self._runs(folder)
        last_number = number_of(runs[-1].run) if runs else 0
        if runs:
            # A number that was given is not given again, though its run is gone.
            shutil.rmtree(runs.pop().path)
        made = self._create(folder)
        assert (number_of(made) or 0) > (last_number or 0)
        assert [run.run for run in self._runs(folder)] == [*(run.run for run in runs), made]

    def _create(self, folder: Path) -> str:
        name = f"after-{len(self._runs(folder))}"
        environment = builders.environment()
        return Registry(folder / "runs").create(environment, self._config, name).run

    def _runs(self, folder: Path) -> list[RunFolder]:
        return Registry(folder / "runs").folders()


class Exporting(Operation):
    """A model is exported twice; what the exporter writes is made up."""

    name = "export-onnx"
    refusals = (ExportError,)

    def act(self, folder: Path, reach: Reach) -> None:
        for number in (1, 2):
            self._export(folder, number)
            reach(number)

    def check(self, folder: Path, reached: int, *, power_cut: bool) -> None:
        file, facts = (folder / "exports" / name for name in ("model.onnx", "model.json"))
        if file.exists():
            body = file.read_bytes()
            assert body in [self._body(number) for number in (1, 2)[max(0, reached - 1) :]]
            if facts.exists():
                sha256 = hashlib.sha256(body).hexdigest()
                assert msgspec.json.decode(facts.read_bytes())["sha256"] == sha256
        # What the second export replaces has no facts for a moment.
        assert file.exists() or not (reached or facts.exists())
        assert facts.exists() or reached < 2

    def go_on(self, folder: Path) -> None:
        self._export(folder, 2)
        self.check(folder, 2, power_cut=False)

    def _export(self, folder: Path, number: int) -> None:
        parity = onnx.Parity(samples=1, max_abs_diff=0.0, top1_agreement=1.0)
        with (
            mock.patch.object(onnx, "_write", self._write),
            mock.patch.object(onnx, "check_parity", lambda *_: parity),
        ):
            onnx.export_onnx(
                nn.Identity(),
                make_spec((1, 8, 8)),
                np.zeros((1, 1, 8, 8), np.uint8),
                folder / "exports" / "model.onnx",
                facts={"number": str(number)},
                say=lambda _: None,
            )

    def _write(self, *arguments: Any) -> int:
        *_, facts, file = arguments
        file.write_bytes(self._body(int(facts["number"])))
        return onnx.OPSET

    @staticmethod
    def _body(number: int) -> bytes:
        return b"model %d " % number * 100


class Publication(Operation):
    """A dataset is prepared, where there was none or in the place of another."""

    refusals = (DatasetError,)

    def __init__(self, *, replaces: bool) -> None:
        self.name = "replace-dataset" if replaces else "prepare-dataset"
        self._replaces = replaces

    def prepare(self, folder: Path) -> None:
        if self._replaces:
            self._save(folder, seed=0)

    def act(self, folder: Path, reach: Reach) -> None:
        self._save(folder, seed=1)
        reach(1)

    def check(self, folder: Path, reached: int, *, power_cut: bool) -> None:
        if (folder / "digits").exists():
            seeds = [0, 1] if self._replaces and not reached else [1]
            found = {split: load_split(folder, "digits", split) for split in ("train", "test")}
            assert any(_same(found, _arrays(seed)) for seed in seeds)
        else:
            # Between two renames neither the old one nor the new has the name.
            assert not reached
            assert not self._replaces or list(folder.glob(".tmp-*-old"))

    def mend(self, folder: Path) -> None:
        sweep_hidden(folder)

    def go_on(self, folder: Path) -> None:
        self._save(folder, seed=2)
        assert _same({"train": load_split(folder, "digits", "train")}, _arrays(2))
        remove_dataset(folder, "digits")
        assert not is_prepared(folder, "digits")

    def _save(self, folder: Path, seed: int) -> None:
        save_prepared(folder, DATASETS["digits"], _arrays(seed), f"seed {seed}")


@cache
def _arrays(seed: int) -> Arrays:
    generator = np.random.default_rng(seed)
    return {
        split: (
            generator.integers(0, 256, (count, 1, 8, 8), dtype=np.uint8),
            generator.permutation(np.arange(count) % 10),
        )
        for split, count in (("train", 20), ("test", 7))
    }


def _same(found: dict[str, tuple[Any, ...]], written: Arrays) -> bool:
    return all(
        np.array_equal(one, other)
        for split, arrays in found.items()
        for one, other in zip(arrays, written[split], strict=True)
    )
