"""One optimizer step, without a look at its numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tui_trainer.core.randomness import mix_seed
from tui_trainer.core.specs import Task
from tui_trainer.data.batches import Batch
from tui_trainer.errors import DeviceError, NonFiniteError
from tui_trainer.evaluate.loss import Loss
from tui_trainer.evaluate.memory import free_cached_memory, is_out_of_memory, not_even_one
from tui_trainer.models.seeding import seed_everywhere
from tui_trainer.train.optimizers import apply_update, set_lr
from tui_trainer.train.precision import Precision


class StepFigures(NamedTuple):
    """Where a step leaves its figures: float32 scalars on the device.

    `correct` is how many of the `counted` samples were classified rightly, in training mode, or
    None where nothing is classified; `counted` None counts the whole batch.
    """

    loss: Tensor
    grad_norm: Tensor
    correct: Tensor | None = None
    counted: Tensor | None = None


class Stepper:
    """Forward, backward and update on one batch.

    Dropout and its like draw from the device's generator, which is seeded anew for every step
    from (seed, step): a resumed run draws what an uninterrupted one would have drawn. Code of the
    user's own may draw from any generator, and then all of them are.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss: Loss,
        precision: Precision,
        device: torch.device,
        *,
        seed: int,
        clip_norm: float = 0.0,
        task: Task = "classification",
        micro_batch: int = 0,
        guards_buffers: bool = False,
        halts: bool = False,
        has_own_code: bool = False,
    ) -> None:
        """`micro_batch` samples go through the model at a time; 0 is the whole batch.

        `guards_buffers`: a step that is not finite leaves no trace in buffers either, as in the
        statistics of batch norm. That costs copies at every step.

        `halts`: after a step that is not finite no other changes the weights, so that they are
        still those it went wrong with when the host learns of it.

        `has_own_code`: the model or the loss may draw from Python's, numpy's and the processor's
        generators as well.
        """
        self.model = model
        self.optimizer = optimizer
        self.micro_batch = micro_batch
        self._loss = loss
        self._precision = precision
        self._scaler = precision.scaler
        self._seed = seed
        self._clip_norm = clip_norm
        self._task = task
        self._guards_buffers = guards_buffers
        self._has_own_code = has_own_code
        # 0 until a step is not finite, NaN from then on.
        self._trouble = torch.zeros((), device=device) if halts else None
        self._generator = _default_generator(device)
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._is_counting = loss.ignore_index != _NEVER_A_LABEL

    @property
    def figure_names(self) -> tuple[str, ...]:
        """Which of the fields of `StepFigures` a step fills."""
        names = ["loss", "grad_norm"]
        if self._task != "regression":
            names.append("correct")
        if self._is_counting:
            names.append("counted")
        return tuple(names)

    def __call__(self, batch: Batch, *, step: int, lr: float, figures: StepFigures) -> None:
        """Train on a batch as the 1-based `step` with the learning rate `lr`; fill `figures`.

        Where the device has too little memory the micro-batch is halved, for good; the batch
        whose gradients make the step stays the same.

        Raises:
            DeviceError: not even one sample at a time fits, or the batch cannot be tried again.
            NonFiniteError: autograd looks for NaN, and found one.
        """
        set_lr(self.optimizer, lr)
        buffers = self._copy_buffers() if self._guards_buffers else {}
        loss, correct = self.differentiate(batch, step=step)
        figures.loss.copy_(loss)
        if correct is not None:
            assert figures.correct is not None
            figures.correct.copy_(correct)
        if figures.counted is not None:
            is_counted_B = batch.main_labels_B != self._loss.ignore_index
            figures.counted.copy_(torch.count_nonzero(is_counted_B))
        total = self._update(figures)
        if buffers:
            self._put_back_buffers(buffers, total)

    def differentiate(
        self, batch: Batch, *, step: int, backward: Callable[[Tensor], Any] = Tensor.backward
    ) -> tuple[Tensor, Tensor | None]:
        """Leave the gradients of the batch's mean loss in the parameters, as `step` does.

        The loss and how many samples were right come back; None where nothing is classified.
        `backward` is given each part's loss, scaled where the precision asks for it.

        Raises:
            DeviceError: see `__call__`.
            NonFiniteError: autograd looks for NaN, and found one.
        """
        while True:
            seed = mix_seed(self._seed, step, _DROPOUT)
            self._generator.manual_seed(seed)
            if self._has_own_code:
                seed_everywhere(seed)
            # What `zero_grad` does, without the profiler's hooks of its every call.
            for parameter in self._parameters:
                parameter.grad = None
            version = batch.x._version
            try:
                return self._differentiate(batch, backward)
            except RuntimeError as error:
                if is_anomaly(error):
                    raise not_finite(step) from error
                if not is_out_of_memory(error):
                    raise
            if batch.x._version != version:
                raise DeviceError(
                    "Memory ran out, and the batch cannot be tried again in parts: the model "
                    "changes its input in place.",
                    "Choose a smaller --batch-size, or have the model change a copy.",
                )
            # Here the failed pass's tensors are free again: the error that held them is gone.
            self._halve_micro_batch(len(batch.labels_B))

    def _differentiate(
        self, batch: Batch, backward: Callable[[Tensor], Any]
    ) -> tuple[Tensor, Tensor | None]:
        """Gradients of the batch's mean loss; the loss and how many samples were right."""
        batches = split_batch(batch, self.micro_batch)
        if len(batches) == 1:
            return self._differentiate_part(batch, None, None, backward)
        weight = self._loss.weigh(batch.labels_B)
        mixed_weight = None
        if batch.mixed_labels_B is not None:
            mixed_weight = self._loss.weigh(batch.mixed_labels_B)
        parts = [self._differentiate_part(part, weight, mixed_weight, backward) for part in batches]
        corrects = [correct for _, correct in parts if correct is not None]
        correct = torch.stack(corrects).sum() if corrects else None
        return torch.stack([loss for loss, _ in parts]).sum(), correct

    def _differentiate_part(
        self,
        batch: Batch,
        weight: Tensor | float | None,
        mixed_weight: Tensor | float | None,
        backward: Callable[[Tensor], Any],
    ) -> tuple[Tensor, Tensor | None]:
        with self._precision.autocast():
            logits_BK = self.model(batch.x)
        if self._precision.autocast_dtype is not None:
            logits_BK = logits_BK.float()
        loss = self._loss_of(logits_BK, batch.labels_B, weight)
        if batch.mixed_labels_B is not None:
            mixed = self._loss_of(logits_BK, batch.mixed_labels_B, mixed_weight)
            loss = batch.share * loss + (1.0 - batch.share) * mixed
        backward(loss if self._scaler is None else self._scaler.scale(loss))
        return loss.detach(), self._count_correct(logits_BK.detach(), batch.main_labels_B)

    def _loss_of(
        self, logits_BK: Tensor, labels_B: Tensor, weight: Tensor | float | None
    ) -> Tensor:
        if weight is None:
            return self._loss(logits_BK, labels_B)
        return self._loss.of_part(logits_BK, labels_B, weight)

    def _update(self, figures: StepFigures) -> Tensor:
        """Note the gradient's norm and change the weights, unless it or the loss is not finite.

        What comes back, the sum of loss and norm, is finite where the weights were changed.
        """
        if self._scaler is not None:
            self._scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients)).float()
        torch.linalg.vector_norm(norms, out=figures.grad_norm)
        if self._clip_norm > 0:
            nn.utils.clip_grads_with_norm_(self._parameters, self._clip_norm, figures.grad_norm)
        # 1 where the sum is not finite, else 0: the update is masked by it on the device, so a
        # NaN never reaches the weights and the host need not wait for the device to know.
        total = figures.loss + figures.grad_norm
        trouble = total - total
        if self._trouble is not None:
            if self._scaler is None:
                trouble = self._trouble.add_(trouble)
            else:
                # fp16 finds its loss scale by gradients that are not finite: those end no run.
                trouble += self._trouble.add_(figures.loss - figures.loss)
        apply_update(self.optimizer, trouble.nan_to_num(nan=1.0))
        if self._scaler is not None:
            self._scaler.update()
        return total

    def _copy_buffers(self) -> dict[str, Tensor]:
        return {name: buffer.clone() for name, buffer in self.model.named_buffers()}

    def _put_back_buffers(self, before: dict[str, Tensor], total: Tensor) -> None:
        """Give buffers their values from before where `total` is not finite."""
        is_good = total.isfinite()
        for name, buffer in self.model.named_buffers():
            if name in before:
                buffer.copy_(torch.where(is_good, buffer, before[name]))

    def _count_correct(self, logits_BK: Tensor, labels_B: Tensor) -> Tensor | None:
        if self._task == "regression":
            return None
        if self._task == "multilabel":
            return torch.count_nonzero(((logits_BK > 0) == (labels_B > 0.5)).all(1))
        is_correct_B = logits_BK.argmax(1) == labels_B
        if self._is_counting:
            is_correct_B &= labels_B != self._loss.ignore_index
        return torch.count_nonzero(is_correct_B)

    def _halve_micro_batch(self, size: int) -> None:
        size = min(size, self.micro_batch or size)
        if size == 1:
            raise not_even_one()
        self.micro_batch = (size + 1) // 2
        free_cached_memory()


def not_finite(step: int) -> NonFiniteError:
    """That a step was not finite, and was not applied."""
    return NonFiniteError(
        f"Loss or gradient was not finite at step {step}; that update was not applied.",
        "Start again with a smaller --lr, or resume with training.non_finite set to skip "
        "or rollback in the run's config.toml.",
        step=step,
    )


def is_anomaly(error: RuntimeError) -> bool:
    """Whether autograd found a NaN, as it looks for where it was told to."""
    return re.search(r"Function '.*' returned nan values", str(error)) is not None


_DROPOUT = 0x64726F70
_NEVER_A_LABEL = -100


def split_batch(batch: Batch, micro_batch: int) -> list[Batch]:
    """The batch in as few parts of at most `micro_batch` samples as there can be; 0 is one part.

    Their sizes are as equal as they can be: a remainder of one sample has no statistics, and
    batch norm refuses it.
    """
    size = len(batch.labels_B)
    if not 0 < micro_batch < size:
        return [batch]
    num_parts = -(-size // micro_batch)
    mixed_B = batch.mixed_labels_B
    columns = zip(
        batch.x.tensor_split(num_parts),
        batch.labels_B.tensor_split(num_parts),
        [None] * num_parts if mixed_B is None else mixed_B.tensor_split(num_parts),
        strict=True,
    )
    return [Batch(x, labels_B, mixed, batch.share) for x, labels_B, mixed in columns]


def _default_generator(device: torch.device) -> torch.Generator:
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator
