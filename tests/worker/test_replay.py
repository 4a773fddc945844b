"""What the processor says of a step at which a kernel of a GPU stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import torch
from torch import Tensor, nn

from tests.tasks import configure, own_code, prepare_stripes
from tests.train.runs import Runs
from tui_trainer.core.config import RunConfig
from tui_trainer.errors import ReportedError
from tui_trainer.models import zoo
from tui_trainer.train.hardware import check_debugging
from tui_trainer.train.setup import Task, set_up
from tui_trainer.train.step import Stepper
from tui_trainer.worker.replay import explain_assert, is_device_assert

# Its words, as PyTorch gives them.
_ASSERT = RuntimeError(
    "CUDA error: device-side assert triggered\nSearch for `cudaErrorAssert' in the documentation."
)


class _Embedding(nn.Module):
    """Looks up a place that there is not, in training."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place
        self.table = nn.Embedding(10, 784)
        self.head = nn.Linear(784, 10)

    def forward(self, x: Tensor) -> Tensor:
        place = self.place if self.training else 0
        return self.head(x.flatten(1) + self.table(torch.tensor(place)))


def _prepare(data: Path) -> Callable[[RunConfig], Task]:
    def prepare(config: RunConfig) -> Task:
        return set_up(config, data, threads=1, choices=[], code=own_code(data, config))

    return prepare


def _explain(data: Path, config: RunConfig, error: Exception | None = None) -> Any:
    """What is said of an assert in a step, or of another error."""
    if error is None:
        stepper = object.__new__(Stepper)
        with pytest.raises(AttributeError) as caught:
            stepper.differentiate(cast(Any, None), step=4)
        error = caught.value
    return explain_assert(error, config, _prepare(data), None, 4, own_code(data, config))


def _debugging(**settings: Any) -> RunConfig:
    config = configure(model__name="mlp", **settings)
    hardware = msgspec.structs.replace(config.hardware, device="cuda", debug_cuda=True)
    return msgspec.structs.replace(config, hardware=hardware)


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (12, "ends in: IndexError: index out of range in self"),
        (1, "is trained on without an error"),
    ],
)
def test_the_step_is_repeated_on_the_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: int, told: str
) -> None:
    monkeypatch.setitem(zoo.BUILDERS, "mlp", lambda spec: _Embedding(place))
    prepare_stripes(tmp_path)
    error = _explain(tmp_path, _debugging())
    assert error.message == (
        "The GPU stopped at a check in one of its kernels at step 4; on the processor the same "
        f"batch {told}."
    )


def test_an_assert_outside_of_a_step_is_not_blamed_on_one(tmp_path: Path) -> None:
    prepare_stripes(tmp_path)
    error = _explain(tmp_path, _debugging(), RuntimeError("device-side assert"))
    assert "not in a step" in error.message


def test_a_step_that_cannot_be_repeated_leaves_the_explanation(tmp_path: Path) -> None:
    error = _explain(tmp_path, _debugging())
    assert "could not be tried: DatasetError" in error.message


def test_without_debugging_it_is_advised(tmp_path: Path) -> None:
    error = _explain(tmp_path, configure(model__name="mlp"))
    assert "a label or an index" in error.message
    assert "--debug-cuda" in error.hint


def test_a_run_that_stopped_so_says_it(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Stepper, *_: Any) -> None:
        raise _ASSERT

    monkeypatch.setattr(Stepper, "_differentiate", stop)
    folder, config = runs.create(model__name="mlp")
    with pytest.raises(ReportedError, match="a check in one of its kernels"):
        runs.train(folder, config)


def test_debugging_wants_a_gpu(runs: Runs) -> None:
    folder, config = runs.create(model__name="mlp", hardware__debug_cuda=True)
    with pytest.raises(Exception, match="is for an NVIDIA GPU, but the device is cpu"):
        runs.train(folder, config)
    check_debugging(config.hardware, torch.device("cuda"))


def test_other_errors_are_no_asserts() -> None:
    assert is_device_assert(_ASSERT)
    assert not is_device_assert(RuntimeError("CUDA out of memory"))
