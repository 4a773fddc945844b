"""The events of a run; `event_lines` has their form in the log."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec

from tui_trainer.core.metric_direction import direction_of
from tui_trainer.core.sealed_json import Integer, Number

SCHEMA_VERSION = 1

if TYPE_CHECKING:
    # Writers may give any sequence that the log can write.
    Numbers = Sequence[Number]
else:
    # What readers get.
    Numbers = tuple[Number, ...]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=False):
    """What every event carries; the writer fills in these four."""

    v: Integer = SCHEMA_VERSION
    seq: Integer = 0
    t: Annotated[float, msgspec.Meta(ge=0, lt=1e11)] = 0.0
    elapsed_s: float = 0.0


# JSON holds no infinity.
WORST_LOSS = sys.float_info.max


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """The best value so far of the metric that selects checkpoints, and its step.

    `loss` is the loss that came with it: on a small validation split many steps reach the same
    accuracy, and the surest of them generalises best.
    """

    metric: str
    value: float
    step: Integer
    loss: float = WORST_LOSS

    @classmethod
    def choose(
        cls, best: Best | None, metrics: Mapping[str, float], step: int, metric: str = "accuracy"
    ) -> Best | None:
        """The better of `best` and the validation `metrics` at `step`; the earlier on a tie.

        The better `metric` is better, which is the higher one unless it measures errors; of equal
        ones, the one with the lower loss.
        """
        value, loss = metrics.get(metric), metrics.get("loss", WORST_LOSS)
        if value is None or not math.isfinite(value):
            return best
        sign = -1 if direction_of(metric) < 0 else 1
        if best is not None and not (sign * value, -loss) > (sign * best.value, -best.loss):
            return best
        finite_loss = loss if math.isfinite(loss) else WORST_LOSS
        return cls(metric=metric, value=value, step=step, loss=finite_loss)


class SessionStart(Event, frozen=True, kw_only=True):
    """What a session of training begins with: what was asked, resolved to what will be done.

    `metric` is the figure of a validation that chooses the best checkpoint.
    """

    session: str
    uuid: str
    dataset: str
    model: str
    device: str
    device_name: str
    epochs: Integer
    steps: Integer
    steps_per_epoch: Integer
    batch_size: Integer
    seed: Integer
    threads: Integer
    parameters: Integer
    train_count: Integer
    validation_count: Integer
    test_count: Integer
    choices: tuple[str, ...] = ()
    code: dict[str, str] = {}
    config_sha256: str = ""
    environment_sha256: str = ""
    data_sha256: str = ""
    pid: Integer = 0
    metric: str = "accuracy"


class RunStarted(SessionStart, frozen=True, kw_only=True, tag="run_started"):
    """The first session begins at step 0."""


class Resumed(SessionStart, frozen=True, kw_only=True, tag="resumed"):
    """A session goes on after `from_step`; later points leave the live curve.

    `exactness` is `exact`, `sample-exact` or `approximate`, `differences` why it is no better.
    `left_out` are spans of steps, first and last, that are not trained: those that led to numbers
    that were not finite.
    """

    from_step: Integer
    best: Best | None = None
    exactness: str = "exact"
    differences: tuple[str, ...] = ()
    left_out: tuple[tuple[Integer, Integer], ...] = ()


class Steps(Event, frozen=True, kw_only=True, tag="steps"):
    """A block of consecutive optimizer steps, in columns of equal length.

    `first` is the 1-based number of the first completed step. `accuracy` is the share of the
    step's batch that was classified rightly, in training mode; empty where nothing is classified.
    """

    epoch: Integer
    first: Integer
    loss: Numbers
    lr: Numbers
    grad_norm: Numbers
    accuracy: Numbers
    samples_per_s: Number


class EpochFinished(Event, frozen=True, kw_only=True, tag="epoch_finished"):
    """An epoch is complete; `train` holds its mean loss, and accuracy where there is one."""

    epoch: Integer
    step: Integer
    train: dict[str, Number]
    samples_per_s: Number
    duration_s: float


class Evaluated(Event, frozen=True, kw_only=True, tag="evaluated"):
    """A split was judged with the weights of `step`.

    `by_request`: because someone asked, within an epoch; it chooses no checkpoint.
    """

    split: str
    step: Integer
    epoch: Integer
    count: Integer
    metrics: dict[str, Number]
    duration_s: float
    by_request: bool = False

    @property
    def chooses(self) -> bool:
        """Whether it is one that chooses the best checkpoint."""
        return self.split == "validation" and not self.by_request


class CheckpointSaved(Event, frozen=True, kw_only=True, tag="checkpoint_saved"):
    """A checkpoint was published, durable before this event was written.

    `duration_s` is how long writing it took, `stall_s` how long training stood still for it.
    """

    step: Integer
    epoch: Integer
    folder: str
    manifest_sha256: str
    best: bool
    size_bytes: Integer
    duration_s: float
    stall_s: float = 0.0


class CheckpointFailed(Event, frozen=True, kw_only=True, tag="checkpoint_failed"):
    """A checkpoint could not be written; training goes on, and saving is tried again.

    `newest_step` is the step of the newest checkpoint, 0 without one.
    """

    step: Integer
    newest_step: Integer
    reason: str


class DeviceResources(msgspec.Struct, frozen=True, kw_only=True):
    """An accelerator's memory and load; None where the driver does not say.

    PyTorch has `allocated_bytes` in tensors and `reserved_bytes` in all; the process takes
    `process_used_bytes`, the driver's own share included, and everyone `used_bytes`.
    """

    allocated_bytes: Integer
    reserved_bytes: Integer
    peak_bytes: Integer
    used_bytes: Integer | None = None
    total_bytes: Integer | None = None
    process_used_bytes: Integer | None = None
    utilization: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None


class Resources(Event, frozen=True, kw_only=True, tag="resources"):
    """Memory and load of the process, the host and the device."""

    process_bytes: Integer
    host_used_bytes: Integer
    host_total_bytes: Integer
    cpu_utilization: float
    device: DeviceResources | None = None


class Diagnosed(Event, frozen=True, kw_only=True, tag="diagnosed"):
    """A known mistake was seen in the run."""

    code: str
    severity: str
    seen: str
    advice: str
    step: Integer = 0


class ControlApplied(Event, frozen=True, kw_only=True, tag="control_applied"):
    """A request was obeyed, taking effect after `step`."""

    id: str
    request: str
    by: str
    step: Integer
    arguments: dict[str, float | str] = {}


class ControlRefused(Event, frozen=True, kw_only=True, tag="control_refused"):
    """A request was not obeyed, and why."""

    id: str
    request: str
    by: str
    step: Integer
    reason: str


class Message(Event, frozen=True, kw_only=True, tag="message"):
    """A line for a person."""

    text: str
    level: str = "info"


class Finished(Event, frozen=True, kw_only=True, tag="finished"):
    """Every epoch was trained."""

    step: Integer
    epoch: Integer
    reason: str = "all epochs trained"


class Stopped(Event, frozen=True, kw_only=True, tag="stopped"):
    """Training ended early because someone asked; it can be resumed."""

    step: Integer
    epoch: Integer
    by: str


class Failed(Event, frozen=True, kw_only=True, tag="failed"):
    """Training ended on an error."""

    step: Integer
    code: str
    type: str
    message: str
    hint: str = ""
    traceback: str = ""


KINDS: Mapping[str, type[Event]] = {
    str(kind.__struct_config__.tag): kind
    for kind in (
        RunStarted, Resumed, Steps, EpochFinished, Evaluated, CheckpointSaved, CheckpointFailed,
        Resources, Diagnosed, ControlApplied, ControlRefused, Message, Finished, Stopped, Failed,
    )
}  # fmt: skip


def kind_of(event: Event) -> str:
    """The event's `kind` as it stands in the log."""
    return str(event.__struct_config__.tag)
