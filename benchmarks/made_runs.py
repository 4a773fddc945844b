"""Runs that nobody trained: folders as a real run leaves them, of any length, for watchers to read.

Each figure of a step is a function of the step, so that what was read back can be checked.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.config.resolve import Setting, resolve
from tui_trainer.core.run_state import LogFold, apply
from tui_trainer.core.sealed_json import encode_sealed
from tui_trainer.store.atomic import replace_file
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.environment import capture_environment
from tui_trainer.store.event_writer import EventLogWriter
from tui_trainer.store.lease import acquire_lease
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder

STEPS_PER_EPOCH = 469
BLOCK_STEPS = 30
STEPS_PER_S = 300
_BATCH = 128
_LONGEST_RUN_STEPS = 30_000_000
_NOISE = np.random.default_rng(0).normal(size=8191)
_GIB = 1 << 30
_DEVICE = events.DeviceResources(
    allocated_bytes=_GIB,
    reserved_bytes=2 * _GIB,
    peak_bytes=3 * _GIB,
    used_bytes=4 * _GIB,
    total_bytes=140 * _GIB,
    process_used_bytes=3 * _GIB,
    utilization=0.9,
    temperature_c=50.0,
    power_w=300.0,
)
_SESSION = "11111111-1111-4111-8111-111111111111"


@dataclasses.dataclass(frozen=True)
class StepFigures:
    """What a step logs, in columns."""

    loss: NDArray[np.float64]
    lr: NDArray[np.float64]
    grad_norm: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def figures_of(first: int, count: int) -> StepFigures:
    """The figures of `count` steps from `first` on; in as many digits as a real log has."""
    steps = np.arange(first, first + count)
    noise = _NOISE[steps % len(_NOISE)]
    loss = (0.02 + 2.3 * np.exp(-steps / 5000.0)) * np.exp(0.3 * noise)
    return StepFigures(
        loss=np.round(loss, 8),
        lr=np.round(0.05 * (1.0 - 0.999 * steps / _LONGEST_RUN_STEPS), 8),
        grad_norm=np.round(1.5 * np.exp(0.4 * noise), 7),
        accuracy=np.round(np.clip(1.0 - loss / 3.0, 0.0, 1.0) * _BATCH) / _BATCH,
    )


class MadeRun:
    """A run's folder and its writer; with a lease it looks alive for as long as it is open."""

    def __init__(
        self, registry: Registry, steps: int, *, is_live: bool, on_gpu: bool = False
    ) -> None:
        """`steps` are planned."""
        settings = [Setting("data.dataset", "mnist", "benchmark")]
        config = encode_config(resolve(settings).config)
        environment = capture_environment(["tuitrain", "train", "mnist"], with_code=False)
        self.folder: RunFolder = registry.create(environment, config)
        self.step = 0
        self._began_t = time.time() - steps / STEPS_PER_S
        self._log = EventLogWriter(self.folder.events)
        self._fold = LogFold()
        self._on_gpu = on_gpu
        self._resources_due_s = 0.0
        self._lease = acquire_lease(self.folder.path, _SESSION) if is_live else None
        self._emit(_start(environment.uuid, steps, on_gpu=on_gpu))
        self._write_summary()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def train(self, until_step: int) -> None:
        """Log all that a run logs up to this step."""
        while self.step < until_step:
            in_epoch = self.step % STEPS_PER_EPOCH
            count = min(BLOCK_STEPS, STEPS_PER_EPOCH - in_epoch, until_step - self.step)
            self._emit(_block(self.step + 1, count))
            self.step += count
            if self.step / STEPS_PER_S >= self._resources_due_s:
                self._resources_due_s += 1.0
                self._emit(_resources(self.step, on_gpu=self._on_gpu))
            if self.step % STEPS_PER_EPOCH == 0:
                for event in _epoch_end(self.step):
                    self._emit(event)
        self._write_summary()

    def say(self, text: str) -> None:
        """Log a line for a person."""
        self._emit(events.Message(text=text), is_now=True)

    def finish(self) -> None:
        """Log that all was trained."""
        self._emit(events.Finished(step=self.step, epoch=self.step // STEPS_PER_EPOCH))
        self._write_summary()

    def close(self) -> None:
        """Let go of log and lease."""
        self._log.close()
        if self._lease is not None:
            self._lease.release()

    def _emit(self, event: events.Event, *, is_now: bool = False) -> None:
        elapsed_s = self.step / STEPS_PER_S
        t = time.time() if is_now else self._began_t + elapsed_s
        event = self._log.append(replace(event, t=t, elapsed_s=elapsed_s))
        snapshot = apply(self._fold.snapshot, event)
        self._fold = replace(self._fold, snapshot=snapshot, offset=self._log.size)

    def _write_summary(self) -> None:
        replace_file(self.folder.path / paths.SUMMARY, encode_sealed(self._fold), durable=False)


def make_registry(folder: Path, runs: int, steps: int) -> Registry:
    """A registry of finished runs of so many steps each."""
    registry = Registry(folder)
    for _ in range(runs):
        with MadeRun(registry, steps, is_live=False) as run:
            run.train(steps)
            run.finish()
    return registry


def _start(uuid: str, steps: int, *, on_gpu: bool) -> events.RunStarted:
    return events.RunStarted(
        session=_SESSION,
        uuid=uuid,
        dataset="mnist",
        model="convnet",
        device="cuda:0" if on_gpu else "cpu",
        device_name="an accelerator" if on_gpu else "a processor",
        epochs=-(-steps // STEPS_PER_EPOCH),
        steps=steps,
        steps_per_epoch=STEPS_PER_EPOCH,
        batch_size=_BATCH,
        seed=0,
        threads=2,
        parameters=100_000,
        train_count=STEPS_PER_EPOCH * _BATCH,
        validation_count=6000,
        test_count=10_000,
    )


def _block(first: int, count: int) -> events.Steps:
    figures = figures_of(first, count)
    return events.Steps(
        epoch=(first - 1) // STEPS_PER_EPOCH + 1,
        first=first,
        loss=tuple(figures.loss.tolist()),
        lr=tuple(figures.lr.tolist()),
        grad_norm=tuple(figures.grad_norm.tolist()),
        accuracy=tuple(figures.accuracy.tolist()),
        samples_per_s=round(STEPS_PER_S * _BATCH * (1 + 0.02 * float(_NOISE[first % 8191])), 1),
    )


def _epoch_end(step: int) -> Iterator[events.Event]:
    epoch = step // STEPS_PER_EPOCH
    noise = abs(float(_NOISE[epoch % len(_NOISE)]))
    accuracy = 0.99 - 0.01 * noise
    yield events.EpochFinished(
        epoch=epoch,
        step=step,
        train={"loss": 0.02 + 0.001 * noise, "accuracy": accuracy},
        samples_per_s=float(STEPS_PER_S * _BATCH),
        duration_s=STEPS_PER_EPOCH / STEPS_PER_S,
    )
    yield events.Evaluated(
        split="validation",
        step=step,
        epoch=epoch,
        count=6000,
        metrics={"loss": 0.03 + 0.002 * noise, "accuracy": accuracy},
        duration_s=0.2,
    )
    yield events.CheckpointSaved(
        step=step,
        epoch=epoch,
        folder=f"step-{step:08d}",
        manifest_sha256="0" * 64,
        best=False,
        size_bytes=1_200_000,
        duration_s=0.05,
    )


def _resources(step: int, *, on_gpu: bool) -> events.Resources:
    noise = float(_NOISE[step % len(_NOISE)])
    return events.Resources(
        process_bytes=_GIB + int(noise * (1 << 20)),
        host_used_bytes=5 * _GIB,
        host_total_bytes=16 * _GIB,
        cpu_utilization=0.5,
        device=_DEVICE if on_gpu else None,
    )
