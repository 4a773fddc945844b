"""All of a user's own code of a run, through one gate; and the guide for users is true."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.models.test_user_model import make_spec
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.errors import ConfigError
from tui_trainer.models.build import UserCode
from tui_trainer.models.code_loader import CodeLoader

_GUIDE = Path(__file__).parents[2] / "docs" / "OWN_CODE.md"


@pytest.fixture
def spec() -> DatasetSpec:
    return make_spec()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the guide's own `net.py`."""
    (source,) = re.findall(r"```python\n(.*?)```", _GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "net.py").write_text(source)
    path, modules = sys.path[:], set(sys.modules)
    yield tmp_path
    sys.path[:] = path
    for name in sys.modules.keys() - modules:
        del sys.modules[name]


def make_loader(folder: Path, seed: int = 0) -> CodeLoader:
    return CodeLoader(folder, lambda *_: None, seed)


def test_the_guides_example_is_loaded_tried_and_noted(folder: Path, spec: DatasetSpec) -> None:
    loader: UserCode = make_loader(folder)
    model, warnings = loader.load_model("net.py:Net", spec)
    assert warnings == []
    loss = loader.load_loss("net.py:focal_loss", spec)
    assert loss is not None
    metrics = loader.load_metrics("net.py:top3,net.py:macro_recall", spec)
    logits_NK = model(torch.randn(6, *spec.shape))
    labels_N = torch.tensor([0, 1, 2, 3, 0, 1])
    assert loss(logits_NK, labels_N) > 0
    assert 0 <= metrics["top3"](logits_NK, labels_N) <= 1
    perfect_NK = torch.nn.functional.one_hot(labels_N, 4).float()
    assert metrics["macro_recall"](perfect_NK, labels_N) == 1
    names = ["net.py:Net", "net.py:focal_loss", "net.py:top3", "net.py:macro_recall"]
    assert list(loader.hashes) == names
    assert len(set(loader.hashes.values())) == 1


def test_the_guides_commands_name_what_its_example_holds() -> None:
    text = _GUIDE.read_text(encoding="utf-8")
    (source,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    named = set(re.findall(r"[ =,]net\.py:(\w+)", text))
    assert named == {"Net", "focal_loss", "top3", "macro_recall"}
    assert named == set(re.findall(r"^(?:class|def) (\w+)", source, re.MULTILINE))


def test_our_own_loss_is_not_theirs(folder: Path, spec: DatasetSpec) -> None:
    loader = make_loader(folder)
    assert loader.load_loss("cross-entropy", spec) is None
    assert loader.load_metrics("", spec) == {}
    assert loader.hashes == {}
    with pytest.raises(ConfigError, match="There is no loss 'cross-entrpy'") as caught:
        loader.load_loss("cross-entrpy", spec)
    assert "cross-entropy" in caught.value.hint


def test_what_is_drawn_at_import_follows_the_seed(folder: Path, spec: DatasetSpec) -> None:
    file = folder / "drawn.py"
    drawn = []
    for noise, seed in enumerate((5, 5, 6)):
        # A comment makes it another file to run.
        file.write_text(
            "import torch\nfrom torch import nn\nTABLE = torch.rand(3)\ndef make(num_classes):\n"
            "    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(num_classes))\n"
            f"    model.register_buffer('table', TABLE)\n    return model\n# {noise}"
        )
        torch.manual_seed(noise)
        model, _ = make_loader(folder, seed).load_model("drawn.py:make", spec)
        drawn.append(model.table)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_a_refusal_notes_nothing(folder: Path, spec: DatasetSpec) -> None:
    def gate(name: str, sha256: str, path: Path) -> None:
        raise ConfigError("No.", "Never.")

    loader = CodeLoader(folder, gate, 0)
    with pytest.raises(ConfigError, match=r"No\."):
        loader.load_model("net.py:Net", spec)
    assert loader.hashes == {}


def test_a_failure_in_training_is_explained(folder: Path, spec: DatasetSpec) -> None:
    loader = make_loader(folder)
    model, _ = loader.load_model("net.py:Net", spec)
    with pytest.raises(RuntimeError) as caught:
        model(torch.zeros(2, 7, 8, 8))
    explanation = loader.explain(caught.value)
    assert explanation is not None
    assert re.search(
        r"The model net\.py:Net fails in training: .*line \d+ of net\.py\.", explanation.message
    )
    assert loader.explain(RuntimeError("ours")) is None
