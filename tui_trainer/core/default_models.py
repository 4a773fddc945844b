"""What is trained on data of which only their kind and form are known."""

from __future__ import annotations

from tui_trainer.core.dataset_entry import DatasetEntry
from tui_trainer.core.specs import DatasetSpec, Kind

# Below this our networks see more than torchvision's, which halve an image five times.
_LARGE_SIDE = 64
_LEAST_SIDE = 8
_BY_KIND: dict[Kind, str] = {"image": "convnet", "table": "tabular-mlp", "tokens": "text-cnn"}


def default_model_of(described: DatasetEntry | DatasetSpec | None, kind: Kind | None) -> str:
    """The model for a dataset where none is named: by what is known of it, else by its kind.

    Of data whose kind is not known either, tables are the likeliest.
    """
    if isinstance(described, DatasetEntry):
        return described.default_model
    if described is not None and described.kind == "image":
        side = min(described.shape[1:])
        if side >= _LARGE_SIDE:
            return "torchvision:resnet18"
        return "convnet" if side >= _LEAST_SIDE else "mlp"
    return _BY_KIND[kind or "table"]
