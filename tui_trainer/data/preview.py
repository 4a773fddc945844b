"""A few samples of a prepared dataset to look at: images as small pictures, others as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tui_trainer.core.config.augment import AugmentConfig
from tui_trainer.core.preview import NUM_BINS
from tui_trainer.core.randomness import mix_seed
from tui_trainer.core.specs import UNKNOWN_TOKEN, DatasetSpec
from tui_trainer.core.text_safety import sanitize
from tui_trainer.data.prepare.texts.tokenizer import VOCABULARY_FILE, load_tokenizer
from tui_trainer.data.prepared import Inputs, Labels, load_file, load_split
from tui_trainer.data.split import Indices
from tui_trainer.data.texts import Texts

_PREVIEW = 0x70726576
_MOST_SIDE = 512
_MOST_TOKENS = 400
_MOST_LABEL = 120
_CHUNK_BYTES = 64 << 20

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Choice:
    """Which samples are looked at.

    Attributes:
        label_class: Of this class alone, or which have this label among others; −1 is any.
        seed: What they are drawn from; None takes the first ones.
        in_turn: One of each class after the other, as far as they go.
    """

    split: str
    count: int
    label_class: int = -1
    seed: int | None = None
    in_turn: bool = False


@dataclass(frozen=True)
class Preview:
    """Samples and what is told of them.

    Attributes:
        numbers_B: Which samples of the split they are.
        histogram: Classes or intervals of the first target, and how many samples are of each.
    """

    numbers_B: Indices
    inputs: Inputs | Texts
    labels_B: Labels
    histogram: list[dict[str, Any]]


def choose_samples(data_dir: Path, spec: DatasetSpec, choice: Choice) -> Preview:
    """The samples that a choice names, their inputs not read yet.

    Raises:
        DatasetError: the dataset has no such split, or is damaged.
    """
    inputs, labels = load_split(data_dir, spec.name, choice.split)
    numbers_B = pick_numbers(spec, labels, choice)
    histogram = _count(spec, choice.split, labels)
    return Preview(numbers_B, inputs, np.asarray(labels[numbers_B]), histogram)


def pick_numbers(spec: DatasetSpec, labels: Labels, choice: Choice) -> Indices:
    """The numbers of the samples of a choice, in the order in which they are shown."""
    count = choice.count
    if spec.task == "classification" and choice.label_class < 0 and choice.in_turn:
        return _pick_in_turn(labels, choice)
    numbers = np.arange(len(labels))
    if choice.label_class >= 0:
        is_of = labels[:, choice.label_class] if labels.ndim == 2 else labels == choice.label_class
        numbers = np.flatnonzero(is_of)
    if choice.seed is None:
        return numbers[:count]
    return np.sort(_draw(choice.seed, 0).choice(numbers, min(count, len(numbers)), replace=False))


def _pick_in_turn(labels_N: Labels, choice: Choice) -> Indices:
    """The first or a drawn one of each class, then the second of each, and so on."""
    order = np.argsort(labels_N, kind="stable")
    found, starts = np.unique(labels_N[order], return_index=True)
    members = np.split(order, starts[1:])
    if choice.seed is not None:
        members = [
            _draw(choice.seed, int(label)).permutation(part)
            for label, part in zip(found, members, strict=True)
        ]
    if len(members) > choice.count and choice.seed is not None:
        kept = _draw(choice.seed, -1).choice(len(members), choice.count, replace=False)
        members = [members[n] for n in np.sort(kept)]
    picked: list[int] = []
    depth = 0
    while len(picked) < choice.count and any(depth < len(part) for part in members):
        picked += [int(part[depth]) for part in members if depth < len(part)]
        depth += 1
    return np.array(picked[: choice.count], np.int64)


def _draw(seed: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=mix_seed(_PREVIEW, seed, purpose)))


def describe_label(spec: DatasetSpec, label: Any) -> Any:
    """A label as people and JSON have it: a class, a list of them, or the targets by name."""
    if spec.task == "classification":
        return _clean(spec.classes[int(label)])
    if spec.task == "multilabel":
        pairs = zip(spec.classes, label, strict=True)
        return [_clean(name) for name, is_there in pairs if is_there]
    names = [_clean(name) for name in spec.targets]
    return dict(zip(names, map(float, label), strict=True))


def _clean(text: str) -> str:
    return sanitize(text, limit=_MOST_LABEL)


def _count(spec: DatasetSpec, split: str, labels: Labels) -> list[dict[str, Any]]:
    if spec.task != "regression":
        counts = spec.splits[split].class_counts
        pairs = zip(spec.classes, counts, strict=True)
        return [{"label": _clean(name), "count": count} for name, count in pairs]
    counts_K, edges = np.histogram(labels[:, 0], bins=NUM_BINS)
    return [
        {"label": f"{low:.4g} … {high:.4g}", "low": low, "high": high, "count": count}
        for low, high, count in zip(
            edges[:-1].tolist(), edges[1:].tolist(), counts_K.tolist(), strict=True
        )
    ]


def shrink_images(preview: Preview) -> Pictures:
    """The images as uint8 B×H×W×3, no side longer than 512 pixels."""
    assert not isinstance(preview.inputs, Texts)
    return np.stack([_shrink(preview.inputs[number]) for number in preview.numbers_B])


def vary_images(
    preview: Preview, spec: DatasetSpec, augment: AugmentConfig, seed: int, versions: int
) -> tuple[Pictures, list[float]]:
    """Each image as stored and as in the first epochs of training, uint8 B×(1+V)×H×W×3.

    The second list tells for each version how much of an image is its own, where mixup or cutmix
    blend it with the one before it, the first one with the last.

    Raises:
        ConfigError: the samples cannot be augmented so.
    """
    import torch

    from tui_trainer.data.augment import Augmenter, check_augment
    from tui_trainer.data.mix import Mixer

    check_augment(augment, spec)
    assert not isinstance(preview.inputs, Texts)
    change = Augmenter(augment, spec.shape, seed)
    step = max(1, _CHUNK_BYTES // int(np.prod(spec.shape)))
    tiles = [shrink_images(preview)]
    shares = []
    for epoch in range(1, versions + 1):
        parts: list[Pictures] = []
        for start in range(0, len(preview.numbers_B), step):
            numbers = preview.numbers_B[start : start + step]
            images_BCHW = torch.from_numpy(np.ascontiguousarray(preview.inputs[numbers]))
            changed_BCHW = change(images_BCHW, torch.from_numpy(numbers), epoch)
            parts += [_shrink(image) for image in changed_BCHW.numpy()]
        version, share = np.stack(parts), 1.0
        if augment.mixup or augment.cutmix:
            x_BCHW = torch.from_numpy(version).permute(0, 3, 1, 2).float()
            labels_B = torch.arange(len(version))
            batch = Mixer(augment, seed, epoch, 1)(0, x_BCHW, labels_B)
            version = batch.x.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
            share = batch.share
        tiles.append(version)
        shares.append(share)
    return np.stack(tiles, axis=1), shares


def _shrink(image_CHW: npt.NDArray[np.uint8]) -> Pictures:
    """One image as uint8 H×W×3, reduced where it is large."""
    image_HWC = np.ascontiguousarray(image_CHW.transpose(1, 2, 0))
    if image_HWC.shape[2] < 3:
        image_HWC = np.repeat(image_HWC[..., :1], 3, axis=2)
    image_HWC = np.ascontiguousarray(image_HWC[..., :3])
    longest = max(image_HWC.shape[:2])
    if longest <= _MOST_SIDE:
        return image_HWC
    from PIL import Image

    image = Image.fromarray(image_HWC)
    scale = _MOST_SIDE / longest
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def read_rows(preview: Preview) -> list[list[float]]:
    """The rows of a table."""
    assert not isinstance(preview.inputs, Texts)
    rows: list[list[float]] = preview.inputs[preview.numbers_B].tolist()
    return rows


def read_words(
    data_dir: Path, spec: DatasetSpec, preview: Preview
) -> list[tuple[int, list[str | None]]]:
    """Of each text its length in tokens and its first ones as words, None for unknown ones.

    Raises:
        DatasetError: the vocabulary is not as it was written.
    """
    assert isinstance(preview.inputs, Texts)
    words = _words_of(data_dir, spec)
    texts = []
    for number in preview.numbers_B:
        tokens = preview.inputs.join(np.array([number]))
        texts.append((len(tokens), [_word(words, int(n)) for n in tokens[:_MOST_TOKENS]]))
    return texts


def _word(words: Sequence[str], token: int) -> str | None:
    if token == UNKNOWN_TOKEN:
        return None
    return _clean(words[token]) if token < len(words) else f"#{token}"


def _words_of(data_dir: Path, spec: DatasetSpec) -> Sequence[str]:
    """Words by their tokens; none where the dataset came without its vocabulary."""
    if VOCABULARY_FILE not in spec.files:
        return ()
    return load_tokenizer(load_file(data_dir, spec, VOCABULARY_FILE)).words
