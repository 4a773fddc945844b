"""Runs that are the same every day, for pictures of the dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from tests.builders import SESSION, environment, session_start
from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.config import RunConfig
from tui_trainer.core.event_lines import encode_line
from tui_trainer.core.sealed_json import numbers
from tui_trainer.store.config_sources import encode_config
from tui_trainer.store.lease import RecordLock, acquire_lease
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import RunFolder

NOW = 1_790_000_000.0
MIB, GIB = 1 << 20, 1 << 30
STEPS_PER_EPOCH, EPOCHS, BLOCK = 400, 5, 40
_STEP_S = 0.02


class ExampleLog:
    """Writes the log of a run that learns: its clock stands still but for what it is told."""

    def __init__(self, folder: RunFolder, started_t: float, seed: int, lr: float) -> None:
        self._file = open(folder.events, "ab")  # noqa: SIM115 - closed by `close`
        self._random = np.random.default_rng(seed)
        self._started_t, self._lr = started_t, lr
        self._seq, self._elapsed_s = 0, 0.0

    def close(self) -> None:
        self._file.close()

    def emit(self, event: events.Event, after_s: float = 0.0) -> None:
        self._seq += 1
        self._elapsed_s += after_s
        stamped = msgspec.structs.replace(
            event, seq=self._seq, t=self._started_t + self._elapsed_s, elapsed_s=self._elapsed_s
        )
        self._file.write(encode_line(stamped))
        self._file.flush()

    def train(self, first: int, last: int, *, device: bool) -> None:
        """Steps from `first` to `last`, with evaluations and checkpoints after each epoch."""
        for start in range(first, last + 1, BLOCK):
            count = min(BLOCK, last + 1 - start)
            self._block(start, count)
            self.emit(_resources(start, device=device))
            step = start + count - 1
            if step % STEPS_PER_EPOCH == 0:
                self._epoch(step, step // STEPS_PER_EPOCH)

    def _block(self, first: int, count: int) -> None:
        step = np.arange(first, first + count)
        noise = self._random.lognormal(sigma=0.35, size=count)
        loss = (2.0 * np.exp(-step * self._lr / 8) + 0.06 * np.exp(-step / 1500)) * noise + 1e-4
        columns = {
            "loss": loss,
            "lr": self._lr * (1 + np.cos(np.pi * step / 2000)) / 2,
            "grad_norm": 0.8 * noise * np.exp(-step / 3000),
            "accuracy": np.clip(1 - loss / 2.3, 0, 1),
        }
        told = {name: tuple(numbers(dict(enumerate(values.round(6).tolist()))).values())
                for name, values in columns.items()}  # fmt: skip
        self.emit(
            events.Steps(
                epoch=1 + (first - 1) // STEPS_PER_EPOCH, first=first, samples_per_s=6400.0, **told
            ),
            after_s=count * _STEP_S,
        )

    def _epoch(self, step: int, epoch: int) -> None:
        accuracy = round(0.992 - 0.03 * float(np.exp(-epoch)) + self._lr / 100, 4)
        loss = round(0.03 + 0.08 * float(np.exp(-epoch)), 4)
        train = {"loss": loss, "accuracy": accuracy}
        self.emit(events.EpochFinished(
            epoch=epoch, step=step, train=train, samples_per_s=6400.0, duration_s=8.0))  # fmt: skip
        self.emit(
            events.Evaluated(
                split="validation", step=step, epoch=epoch, count=6000, duration_s=0.4,
                metrics={"loss": loss, "accuracy": accuracy, "f1": round(accuracy - 0.002, 4)},
            ),
            after_s=0.4,
        )  # fmt: skip
        self.emit(events.CheckpointSaved(
            step=step, epoch=epoch, folder=f"step-{step:08}", manifest_sha256="", best=True,
            size_bytes=MIB, duration_s=0.01))  # fmt: skip


def _resources(step: int, *, device: bool) -> events.Resources:
    wave = 1 + 0.02 * (step // BLOCK % 5)
    accelerator = events.DeviceResources(
        allocated_bytes=int(1.2 * GIB * wave), reserved_bytes=int(2.9 * GIB),
        peak_bytes=int(3.1 * GIB), used_bytes=int(4.4 * GIB), total_bytes=int(139.8 * GIB),
        process_used_bytes=int(3.6 * GIB), utilization=0.9 + 0.01 * (step // BLOCK % 7),
        temperature_c=48.0 + step / 400, power_w=310.0,
    )  # fmt: skip
    return events.Resources(
        process_bytes=int(900 * MIB * wave), host_used_bytes=9 * GIB, host_total_bytes=32 * GIB,
        cpu_utilization=0.4 + 0.05 * (step // BLOCK % 3), device=accelerator if device else None,
    )  # fmt: skip


def _start(number: int, config: RunConfig, **changes: Any) -> events.RunStarted:
    return session_start(
        uuid=f"00000000-0000-4000-8000-{number:012}", dataset="mnist", model="convnet",
        epochs=EPOCHS, steps=EPOCHS * STEPS_PER_EPOCH, steps_per_epoch=STEPS_PER_EPOCH,
        batch_size=128, parameters=29_178, seed=config.training.seed, validation_count=6000,
        choices=("threads 2: one for each of 2 usable cores",), **changes,
    )  # fmt: skip


def _config(lr: float, seed: int) -> RunConfig:
    config = RunConfig()
    return msgspec.structs.replace(
        config,
        data=msgspec.structs.replace(config.data, dataset="mnist", batch_size=128),
        optimizer=msgspec.structs.replace(config.optimizer, lr=lr),
        training=msgspec.structs.replace(config.training, epochs=EPOCHS, seed=seed),
    )


def make_examples(registry: Registry) -> Iterator[RunFolder]:
    """Three runs, the last one live as long as the iterator is not closed."""
    lease: RecordLock | None = None
    for number, (name, lr, seed) in enumerate(
        (("baseline", 0.05, 1), ("baseline-2", 0.05, 2), ("warm", 0.1, 1)), start=1
    ):
        config = _config(lr, seed)
        made = environment(f"00000000-0000-4000-8000-{number:012}")
        command = ("tuitrain", "train", "mnist", "--lr", f"{lr}", "--name", name)
        made = msgspec.structs.replace(made, command=command, packages={"torch": "2.11.0"})
        folder = registry.create(made, encode_config(config), name)
        (folder.path / paths.WORKER_LOG).write_bytes(b"reading\r100 % of mnist\nready\n")
        log = ExampleLog(folder, NOW - 3600 * (4 - number), seed, lr)
        if number < 3:
            log.emit(_start(number, config, device="cpu", device_name="a processor"))
            log.train(1, EPOCHS * STEPS_PER_EPOCH, device=False)
            log.emit(events.Evaluated(split="test", step=2000, epoch=5, count=10_000,
                                      metrics={"loss": 0.03, "accuracy": 0.9913},
                                      duration_s=0.5))  # fmt: skip
            log.emit(events.Finished(step=2000, epoch=5))
        else:
            lease = acquire_lease(folder.path, SESSION)
            log.emit(_start(number, config, device="cuda:0", device_name="NVIDIA H200"))
            _train_with_trouble(log, config)
        log.close()
        yield folder
    if lease is not None:
        lease.release()


def _train_with_trouble(log: ExampleLog, config: RunConfig) -> None:
    log.train(1, 1000, device=True)
    start = msgspec.structs.asdict(_start(3, config, device="cuda:0", device_name="NVIDIA H200"))
    del start["v"], start["seq"], start["t"], start["elapsed_s"]
    log.emit(events.Resumed(from_step=800, **start), after_s=2.0)
    log.train(801, 1400, device=True)
    log.emit(events.ControlApplied(
        id="1", request="set", by="ann", step=1400, arguments={"lr": 0.05, "before": 0.1}
    ))  # fmt: skip
    log.emit(events.Diagnosed(
        code="D307", severity="warning", seen="the gradient norm rose 12× in 50 steps",
        advice="Lower the learning rate, or clip gradients with --clip.", step=1400,
    ))  # fmt: skip
