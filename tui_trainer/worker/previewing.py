"""The job that chooses samples of a dataset to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tui_trainer.core.config import AugmentConfig
from tui_trainer.core.jobs import JobResult, PreviewJob, success
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.preview import (
    Choice,
    Preview,
    choose_samples,
    describe_label,
    read_rows,
    read_words,
    shrink_images,
    vary_images,
)
from tui_trainer.store.datasets import read_spec


def preview(job: PreviewJob) -> JobResult:
    """Choose samples and tell what they are; images become pictures in a file."""
    data_dir = Path(job.data_dir)
    spec = read_spec(data_dir, job.name)
    choice = Choice(job.split, job.count, job.label_class, job.seed, job.in_turn)
    chosen = choose_samples(data_dir, spec, choice)
    samples: list[dict[str, Any]] = [
        {"number": number, "label": describe_label(spec, label)}
        for number, label in zip(chosen.numbers_B.tolist(), chosen.labels_B, strict=True)
    ]
    value: dict[str, Any] = {"samples": samples, "histogram": chosen.histogram, "shares": []}
    if spec.kind == "table":
        for sample, row in zip(samples, read_rows(chosen), strict=True):
            sample["values"] = row
    elif spec.kind == "tokens":
        for sample, (length, words) in zip(
            samples, read_words(data_dir, spec, chosen), strict=True
        ):
            sample |= {"length": length, "words": words}
    elif samples:
        value["shares"] = _write_pictures(job, spec, chosen)
    return success(value)


def _write_pictures(job: PreviewJob, spec: DatasetSpec, chosen: Preview) -> list[float]:
    """Write the pictures, N×H×W×3 or with changed versions N×V×H×W×3; the share each one keeps."""
    shares: list[float] = []
    if job.augment is None:
        pictures = shrink_images(chosen)
    else:
        augment: AugmentConfig = job.augment
        pictures, shares = vary_images(chosen, spec, augment, job.seed or 0, job.versions)
    np.save(job.pictures, pictures, allow_pickle=False)
    return shares
