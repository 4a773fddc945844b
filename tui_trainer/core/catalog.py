"""What can be trained on and what can be trained, by name, known without torch."""

from __future__ import annotations

import msgspec

from tui_trainer.core.code_names import is_code_name
from tui_trainer.core.specs import KIND_NOUNS, DatasetSpec, Kind
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import DatasetError, ModelError


class DatasetEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset that tuitrain knows how to prepare; `shape` is that of a sample, as in its spec.

    Attributes:
        default_model: what is trained on it where no model is named.
        importable: it can be prepared from files that the user has.
        is_installed: it is prepared from what comes with tuitrain, without a download.
    """

    name: str
    title: str
    kind: Kind
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    train_count: int
    test_count: int
    origin: str
    default_model: str
    importable: bool = False
    is_installed: bool = False
    vocabulary: int = 0

    def describes(self, spec: DatasetSpec) -> bool:
        """Whether `spec` is of this dataset, as far as the catalogue knows it."""
        known = (self.name, self.kind, self.shape, self.classes, self.vocabulary)
        return known == (spec.name, spec.kind, spec.shape, spec.classes, spec.vocabulary)


class ModelEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A model, and the kinds and shapes of data it takes."""

    name: str
    title: str
    kinds: tuple[Kind, ...]
    min_side: int = 1
    channels: int | None = None
    side: int | None = None


_TEN_DIGITS = tuple("0123456789")
_IMAGES: tuple[Kind, ...] = ("image",)
_TABLES: tuple[Kind, ...] = ("table",)
_TOKENS: tuple[Kind, ...] = ("tokens",)

DATASETS: dict[str, DatasetEntry] = {
    entry.name: entry
    for entry in (
        DatasetEntry(
            name="digits",
            title="1,797 handwritten digits of 8×8 pixels (UCI, shipped with scikit-learn)",
            kind="image",
            shape=(1, 8, 8),
            classes=_TEN_DIGITS,
            train_count=1438,
            test_count=359,
            origin="scikit-learn",
            default_model="convnet",
            is_installed=True,
        ),
        DatasetEntry(
            name="mnist",
            title="70,000 handwritten digits of 28×28 pixels (LeCun, Cortes, Burges)",
            kind="image",
            shape=(1, 28, 28),
            classes=_TEN_DIGITS,
            train_count=60_000,
            test_count=10_000,
            origin="download or import",
            default_model="convnet",
            importable=True,
        ),
        DatasetEntry(
            name="wine",
            title="178 wines of three growers by 13 measures (UCI, shipped with scikit-learn)",
            kind="table",
            shape=(13,),
            classes=("class_0", "class_1", "class_2"),
            train_count=142,
            test_count=36,
            origin="scikit-learn",
            default_model="tabular-mlp",
            is_installed=True,
        ),
        DatasetEntry(
            name="breast-cancer",
            title="569 tumours by 30 measures, Wisconsin (UCI, shipped with scikit-learn)",
            kind="table",
            shape=(30,),
            classes=("malignant", "benign"),
            train_count=456,
            test_count=113,
            origin="scikit-learn",
            default_model="tabular-mlp",
            is_installed=True,
        ),
    )
}

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

TORCHVISION = "torchvision:"


def find_dataset(name: str) -> DatasetEntry:
    """The catalogue's entry.

    Raises:
        DatasetError: there is none of that name.
    """
    if name not in DATASETS:
        raise DatasetError(f"There is no dataset {name!r}.", hint_for(name, DATASETS))
    return DATASETS[name]


def is_model_name(name: str) -> bool:
    """Whether a model may go by this name: ours, one of torchvision's, or a user's own code.

    Of the latter two only the form is known here; the worker finds out whether they exist.
    """
    return name in MODELS or name.startswith(TORCHVISION) or is_code_name(name)


def find_model(name: str) -> ModelEntry:
    """What is known of a model: much of ours, little of torchvision's, nothing of a user's own.

    Raises:
        ModelError: there is none of that name.
    """
    if name in MODELS:
        return MODELS[name]
    if name.startswith(TORCHVISION):
        return ModelEntry(name=name, title="a model of torchvision", kinds=_IMAGES)
    if is_code_name(name):
        return ModelEntry(name=name, title="a model of your own", kinds=tuple(KIND_NOUNS))
    raise ModelError(f"There is no model {name!r}.", hint_for(name, MODELS))


def misfit(model: ModelEntry, dataset: DatasetEntry | DatasetSpec) -> str | None:
    """Why `model` cannot take the samples of `dataset`, or None where it can."""
    if dataset.kind not in model.kinds:
        nouns = " or ".join(KIND_NOUNS[kind] for kind in model.kinds)
        return f"{model.name} takes {nouns}, {dataset.name} has {KIND_NOUNS[dataset.kind]}"
    if dataset.kind != "image":
        return None
    channels, height, width = dataset.shape
    if model.side is not None and (height, width) != (model.side, model.side):
        return f"{model.name} takes images of {model.side}×{model.side}, not {height}×{width}"
    if model.channels is not None and channels != model.channels:
        return f"{model.name} takes images of {model.channels} channel(s), not {channels}"
    if min(height, width) < model.min_side:
        return f"{model.name} takes images of {model.min_side}×{model.min_side} at least"
    return None
