"""The models that tuitrain knows by name."""

from __future__ import annotations

import msgspec

from tui_trainer.core.specs import Kind


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A model, and the kinds and shapes of data it takes."""

    name: str
    title: str
    kinds: tuple[Kind, ...]
    min_side: int = 1
    channels: int | None = None
    side: int | None = None


_IMAGES: tuple[Kind, ...] = ("image",)
_TABLES: tuple[Kind, ...] = ("table",)
_TOKENS: tuple[Kind, ...] = ("tokens",)

MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry(
            name="convnet",
            title="three convolutions with batch norm; the default for small images",
            kinds=_IMAGES,
            min_side=8,
        ),
        ModelEntry(
            name="convnet-small",
            title="the same idea at a third of the work; for a good result in seconds",
            kinds=_IMAGES,
            min_side=19,
        ),
        ModelEntry(
            name="mlp",
            title="two hidden layers of 256, for images and tables",
            kinds=("image", "table"),
        ),
        ModelEntry(
            name="mnist-example",
            title="the network of the classic PyTorch MNIST article: two 5×5 convolutions, dropout",
            kinds=_IMAGES,
            channels=1,
            side=28,
        ),
        ModelEntry(
            name="resnet-small",
            title="a residual network of 20 layers for small images (He et al. 2016)",
            kinds=_IMAGES,
            min_side=8,
        ),
        ModelEntry(
            name="tabular-mlp",
            title="three hidden layers of 128 with layer norm and dropout; the default for tables",
            kinds=_TABLES,
        ),
        ModelEntry(
            name="text-bag",
            title="the mean of the words' vectors and a linear layer",
            kinds=_TOKENS,
        ),
        ModelEntry(
            name="text-cnn",
            title="convolutions over 3, 4 and 5 words, the largest response of each (Kim 2014)",
            kinds=_TOKENS,
        ),
        ModelEntry(
            name="text-gru",
            title="a gated recurrent network that reads both ways",
            kinds=_TOKENS,
        ),
    )
}
