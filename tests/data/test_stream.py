"""Streaming: workers that stay, that outlive signals meant for others, and no one else."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from tests.data.samples import assert_same, make_inputs, make_spec, map_inputs, serve
from tui_trainer.data.batches import Batches
from tui_trainer.errors import WorkerError

_SPEC = make_spec((1, 6, 7))
_COUNT = 4000


@pytest.fixture
def batches(tmp_path: Path) -> Iterator[Batches]:
    inputs = map_inputs(tmp_path, make_inputs(_SPEC, _COUNT))
    with serve(_SPEC, inputs, placement="stream", workers=2, batch_size=64) as streamed:
        # Chunks of one batch, so that workers still have work when a test meddles.
        streamed._batches_per_chunk = 1
        yield streamed


def _children() -> set[int]:
    return {child.pid for child in psutil.Process().children() if child.is_running()}


def _wait_for(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not come true"
        time.sleep(0.02)


def test_workers_stay_from_epoch_to_epoch_and_end_with_close(batches: Batches) -> None:
    before = _children()
    list(batches.shuffled(0, 0))
    workers = _children() - before
    assert len(workers) == 2
    list(batches.shuffled(0, 1))
    list(batches.in_order())
    assert _children() - before == workers
    batches.close()
    _wait_for(lambda: not any(psutil.pid_exists(worker) for worker in workers), 60)
    assert len(list(batches.shuffled(0, 2))) == batches.num_batches


def test_a_pass_given_up_leaves_nothing_to_the_next(batches: Batches) -> None:
    expected = list(batches.shuffled(0, 1))
    abandoned = batches.shuffled(0, 0)
    next(abandoned)
    assert_same(expected, list(batches.shuffled(0, 1)))
    with pytest.raises(AssertionError, match="another pass"):
        next(abandoned)


def test_signals_to_the_whole_group_leave_workers_alone(batches: Batches) -> None:
    before = _children()
    passing = batches.shuffled(0, 0)
    next(passing)
    for worker in _children() - before:
        os.kill(worker, signal.SIGINT)
        os.kill(worker, signal.SIGTERM)
    assert len(list(passing)) == batches.num_batches - 1
    assert len(list(batches.shuffled(0, 1))) == batches.num_batches


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_is_gone_is_named(tmp_path: Path, workers: int) -> None:
    inputs = map_inputs(tmp_path, make_inputs(_SPEC, 100))
    with serve(_SPEC, inputs, placement="stream", workers=workers) as batches:
        (tmp_path / "inputs.npy").unlink()
        with pytest.raises(WorkerError, match="No such file"):
            list(batches.shuffled(0, 0))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("damage", ["cut", "overwritten", "replaced"])
def test_a_file_that_is_changed_is_not_read_any_more(
    tmp_path: Path, workers: int, damage: str
) -> None:
    inputs = map_inputs(tmp_path, make_inputs(_SPEC, _COUNT))
    file = tmp_path / "inputs.npy"
    # A file system's clock may not tick until it is changed below.
    os.utime(file, (1, 1))
    with serve(_SPEC, inputs, placement="stream", workers=workers) as batches:
        batches._batches_per_chunk = 1
        passing = batches.shuffled(0, 0)
        next(passing)
        if damage == "cut":
            os.truncate(file, 200)
        elif damage == "overwritten":
            with open(file, "r+b") as opened:
                opened.seek(-100, os.SEEK_END)
                opened.write(bytes(100))
        else:
            (tmp_path / "new").write_bytes(file.read_bytes())
            (tmp_path / "new").replace(file)
        with pytest.raises(WorkerError, match="was changed while it was in use"):
            list(passing)


def test_nothing_is_drawn_from_the_models_generator(batches: Batches) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    list(batches.shuffled(0, 0))
    assert torch.equal(torch.get_rng_state(), state)


_PARENT = """
import os, signal, sys, time
import numpy as np, psutil
from tests.data.samples import make_spec, make_inputs, serve
from tui_trainer.errors import WorkerError

if sys.argv[2] == "killed unseen":
    # As if the parent had been gone before the workers' loops began: torch compares with the
    # parent that it found there.
    from torch.utils.data._utils import worker as torch_worker
    torch_worker.ManagerWatchdog.is_alive = lambda watch: True

inputs = np.load(sys.argv[1], mmap_mode="r")
batches = serve(make_spec((1, 6, 7)), inputs, placement="stream", workers=2)
batches._batches_per_chunk = 1
passing = batches.shuffled(0, 0)
next(passing)
workers = psutil.Process().children()
print(*(worker.pid for worker in workers), flush=True)
if sys.argv[2].startswith("killed"):
    time.sleep(100)
if sys.argv[2] == "bereft":
    for worker in workers:
        worker.kill()
    time.sleep(0.5)
    print("undisturbed")
    try:
        list(passing)
    except WorkerError as error:
        print(error.message)
    print(len(list(batches.shuffled(0, 0))))
"""


def _start_parent(folder: Path, end: str) -> tuple[subprocess.Popen[str], list[int]]:
    """A process that streams by two workers, and these; `end` says what becomes of it."""
    np.save(folder / "inputs.npy", make_inputs(_SPEC, _COUNT))
    command = [sys.executable, "-c", _PARENT, str(folder / "inputs.npy"), end]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    return parent, [int(pid) for pid in parent.stdout.readline().split()]


@pytest.mark.parametrize("end", ["killed", "killed unseen", "left open"])
def test_no_worker_survives_its_parent(tmp_path: Path, end: str) -> None:
    parent, workers = _start_parent(tmp_path, end)
    try:
        assert len(workers) == 2
        if end != "left open":
            parent.kill()
            assert parent.wait(60) == -signal.SIGKILL
        else:
            assert parent.wait(30) == 0
        _wait_for(lambda: all(_is_dead(worker) for worker in workers), 60)
    finally:
        parent.kill()
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        parent.communicate()


def test_a_worker_that_dies_is_named_where_its_data_are_waited_for(tmp_path: Path) -> None:
    # In a process of its own, because torch sets the handler that would raise anywhere only once.
    parent, workers = _start_parent(tmp_path, "bereft")
    said, _ = parent.communicate(timeout=60)
    undisturbed, message, num_batches = said.splitlines()
    assert parent.returncode == 0
    assert undisturbed == "undisturbed"
    assert message.startswith("The data could not be loaded: DataLoader worker (pid")
    assert any(str(worker) in message for worker in workers)
    assert num_batches == "250"


def _is_dead(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
@pytest.mark.parametrize("workers", [0, 2])
def test_copies_ahead_arrive_whole_on_a_gpu(tmp_path: Path, workers: int) -> None:
    inputs = map_inputs(tmp_path, make_inputs(_SPEC, _COUNT))
    device = torch.device("cuda", 0)
    resident = serve(_SPEC, inputs, device=device)
    expected = [batch.x.clone() for batch in resident.shuffled(0, 0)]
    with serve(_SPEC, inputs, device=device, placement="stream", workers=workers) as batches:
        batches._batches_per_chunk = 2
        for _ in range(3):
            # Work that is still under way when the next copy is due.
            arrived = []
            for batch in batches.shuffled(0, 0):
                torch.cuda._sleep(1_000_000)
                arrived.append(batch.x.clone())
            assert len(arrived) == len(expected)
            for x, x_expected in zip(arrived, expected, strict=True):
                assert torch.equal(x, x_expected)
