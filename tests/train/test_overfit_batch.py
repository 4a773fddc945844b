"""What is trained on and judged by: one batch, a loss and metrics of one's own, ignored labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.tasks import make_stepper, make_task, take_step
from tests.train.runs import Runs, epochs, evaluations, live_steps, read_log
from tui_trainer.checkpoints.layout import folder_name
from tui_trainer.checkpoints.read import read_checkpoint
from tui_trainer.core import events
from tui_trainer.data.batches import Batch
from tui_trainer.errors import TuitrainError
from tui_trainer.store.run_folder import RunFolder
from tui_trainer.train.setup import Task
from tui_trainer.train.step import Stepper

_IGNORED = 3


def _watch_batches(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """Copies of the batches that steps are given."""
    real, batches = Stepper.__call__, []

    def call(self: Stepper, batch: Batch, *, step: int, **given: Any) -> Any:
        batches.append(batch._replace(x=batch.x.clone()))
        return real(self, batch, step=step, **given)

    monkeypatch.setattr(Stepper, "__call__", call)
    return batches


def test_one_batch_is_learnt_by_heart(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = _watch_batches(monkeypatch)
    folder = runs.finish(
        model__name="convnet",
        training__epochs=4,
        training__overfit_batch=True,
        augment__translate=3,
        augment__mixup=1.0,
    )
    losses = [row[0] for row in live_steps(folder).values()]
    assert len(losses) == len(batches) == 40
    assert losses[-1] < 0.01 * losses[0]
    task = make_task(runs.data_dir, model__name="convnet")
    first, second, *_ = task.train.shuffled(0, 0)
    assert torch.equal(batches[0].x, first.x)
    assert not torch.equal(first.x, second.x)
    for batch in batches:
        assert torch.equal(batch.x, batches[0].x)
        assert torch.equal(batch.labels_B, batches[0].labels_B)
        assert batch.mixed_labels_B is None


def test_the_batch_stays_the_same_where_the_model_changes_its_input(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = _watch_batches(monkeypatch)
    real = nn.Flatten.forward
    monkeypatch.setattr(nn.Flatten, "forward", lambda self, x: real(self, x.mul_(0.5)))
    runs.finish(model__name="mlp", training__epochs=1, training__overfit_batch=True)
    assert all(torch.equal(batch.x, batches[0].x) for batch in batches)


def test_without_it_batches_differ(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = _watch_batches(monkeypatch)
    runs.finish(model__name="mlp", training__epochs=1)
    assert not torch.equal(batches[0].x, batches[1].x)


_OWN = """
import torch
import torch.nn.functional as F


def margin(logits, labels):
    return F.multi_margin_loss(logits, labels)


def share_of_first(logits, labels):
    return (logits.argmax(1) == 0).float().mean()


def largest(logits, labels):
    return float(logits.max())


def fragile(logits, labels):
    if len(labels) == 30:
        raise ValueError("thirty is too many")
    return 0.5
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A file with a loss and metrics."""
    file = tmp_path / "own.py"
    file.write_text(_OWN)
    return str(file)


def _judged(runs: Runs, folder: RunFolder, step: int, **settings: Any) -> tuple[Tensor, Tensor]:
    """Logits of the validation split by the checkpoint of a step, and its labels."""
    task = make_task(runs.data_dir, **settings)
    checkpoint = read_checkpoint(folder.checkpoints / folder_name(step))
    task.model.load_state_dict(checkpoint.judged)
    assert task.validation is not None
    (batch,) = task.validation.in_order()
    with torch.inference_mode():
        return task.model.eval()(batch.x), batch.labels_B


def test_own_metrics_stand_beside_ours(runs: Runs, own: str) -> None:
    metrics = f"{own}:share_of_first,{own}:largest"
    folder = runs.finish(model__name="mlp", training__metrics=metrics)
    for split in ("validation", "test"):
        for figures in evaluations(folder, split).values():
            assert list(figures) == ["loss", "accuracy", "share_of_first", "largest"]
    logits_NK, _ = _judged(runs, folder, 20, model__name="mlp")
    figures = evaluations(folder, "validation")[20]
    assert figures["share_of_first"] == pytest.approx((logits_NK.argmax(1) == 0).float().mean())
    assert figures["largest"] == pytest.approx(logits_NK.max().item())
    start = read_log(folder)[0]
    assert isinstance(start, events.RunStarted)
    assert any(name.startswith(own) for name in start.code)


def test_an_own_loss_is_trained_with_and_judged_by(runs: Runs, own: str) -> None:
    settings = {"model__name": "mlp", "data__batch_size": 8, "optimizer__accumulate": 4}
    folder = runs.finish(loss__name=f"{own}:margin", **settings)
    task = make_task(runs.data_dir, **settings)
    first = next(task.train.shuffled(0, 0))
    expected = F.multi_margin_loss(task.model(first.x), first.labels_B).item()
    assert live_steps(folder)[1][0] == pytest.approx(expected, rel=1e-5)
    logits_NK, labels_N = _judged(runs, folder, 20, **settings)
    expected = F.multi_margin_loss(logits_NK, labels_N).item()
    assert evaluations(folder, "validation")[20]["loss"] == pytest.approx(expected, rel=1e-5)
    assert epochs(folder)[-1]["loss"] < 0.5 * epochs(folder)[0]["loss"]


def test_a_metric_that_fails_later_is_named(runs: Runs, own: str) -> None:
    folder, config = runs.create(model__name="mlp", training__metrics=f"{own}:fragile")
    with pytest.raises(TuitrainError, match="thirty is too many, line"):
        runs.train(folder, config)
    failed = read_log(folder)[-1]
    assert isinstance(failed, events.Failed)
    assert "own.py:fragile" in failed.message
    assert failed.code == "config"


def test_a_loss_that_fails_later_is_named(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "late.py"
    file.write_text(
        "import torch.nn.functional as F\n\ncalls = []\n\n"
        "def late(logits, labels):\n    calls.append(1)\n    assert len(calls) < 5, 'worn out'\n"
        "    return F.cross_entropy(logits, labels)\n"
    )
    folder, config = runs.create(model__name="mlp", loss__name=f"{file}:late")
    with pytest.raises(TuitrainError, match=r"late.py:late fails in training: .*worn out, line 7"):
        runs.train(folder, config)


def _always_ignored(task: Task) -> None:
    """Have the model say the ignored class of everything."""
    head = [module for module in task.model.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        assert head.bias is not None
        head.bias[_IGNORED] = 1e3


def test_an_ignored_label_counts_nowhere_in_a_step(runs: Runs) -> None:
    task = make_task(runs.data_dir, model__name="mlp", loss__ignore_index=_IGNORED)
    batch = next(task.train.shuffled(0, 0))
    kept_B = batch.labels_B != _IGNORED
    assert 0 < kept_B.sum() < len(kept_B)
    logits_BK = task.model(batch.x).detach()
    figures = take_step(make_stepper(task), batch, step=1, lr=0.01)
    expected = F.cross_entropy(logits_BK[kept_B], batch.labels_B[kept_B])
    assert figures.loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert figures.counted == kept_B.sum()
    right = (logits_BK.argmax(1) == batch.labels_B)[kept_B].sum()
    assert figures.correct == right
    _always_ignored(task)
    figures = take_step(make_stepper(task), batch, step=2, lr=0.01)
    assert figures.correct == 0


def test_an_ignored_label_counts_nowhere_in_a_run(runs: Runs) -> None:
    settings = {"model__name": "mlp", "loss__ignore_index": _IGNORED}
    folder = runs.finish(**settings)
    logits_NK, labels_N = _judged(runs, folder, 20, **settings)
    kept_N = labels_N != _IGNORED
    assert 0 < kept_N.sum() < len(kept_N)
    figures = evaluations(folder, "validation")[20]
    expected = F.cross_entropy(logits_NK[kept_N], labels_N[kept_N]).item()
    assert figures["loss"] == pytest.approx(expected, abs=1e-6)
    right_N = logits_NK.argmax(1) == labels_N
    assert figures["accuracy"] == pytest.approx(right_N[kept_N].float().mean().item())
    # Every sample left is learnt by then; were the ignored ones counted, a tenth would be wrong.
    rows = [row for step, row in live_steps(folder).items() if step > 15]
    assert np.mean([row[3] for row in rows]) > 0.97


def test_a_batch_of_ignored_labels_alone_does_no_harm(runs: Runs) -> None:
    folder = runs.finish(
        model__name="mlp", loss__ignore_index=_IGNORED, data__batch_size=1, training__epochs=1
    )
    losses = [row[0] for row in live_steps(folder).values()]
    assert sum(loss == 0.0 for loss in losses) >= 29
    (tested,) = evaluations(folder, "test").values()
    assert tested["accuracy"] > 0.5
