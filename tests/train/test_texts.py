"""Texts from the documents of the project, from a file of lines to a run and its export."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.tasks import own_code
from tests.train.runs import Runs, assert_same_run, evaluations, live_steps
from tui_trainer.core.config.preparation import PreparationConfig
from tui_trainer.core.dataset_reference import prepared_name
from tui_trainer.data.prepare import prepare_dataset
from tui_trainer.data.prepare.texts.tokenizer import VOCABULARY_FILE, load_tokenizer
from tui_trainer.data.prepared import load_split
from tui_trainer.data.texts import Texts
from tui_trainer.evaluate.load import load_judged
from tui_trainer.evaluate.metrics import judge
from tui_trainer.export.onnx import export_onnx

_ROOT = Path(__file__).parents[2]
_DOCUMENTS = ("docs/DASHBOARD.md", "docs/TRAINING.md", "docs/REFERENCE.md", "ARCHITECTURE.md")
_SENTENCES = 150
_END = re.compile(r"(?<=[.:;])\s+|\n\n|\n(?=- |\|)")


def _write_sentences(file: Path) -> Path:
    """As much of each document as of the others, a sentence a line, labelled by the document."""
    with file.open("w") as opened:
        for document in _DOCUMENTS:
            sentences = _END.split((_ROOT / document).read_text())
            long = [sentence for sentence in sentences if len(sentence.split()) >= 5]
            assert len(long) >= _SENTENCES
            for sentence in long[:_SENTENCES]:
                row = {"text": sentence, "label": Path(document).stem.lower()}
                opened.write(json.dumps(row) + "\n")
    return file


@pytest.fixture
def sentences(runs: Runs, tmp_path: Path) -> str:
    """The reference of a prepared dataset of sentences."""
    reference = f"text:{_write_sentences(tmp_path / 'sentences.jsonl')}"
    spec = prepare_dataset(runs.data_dir, reference)
    assert spec.classes == ("architecture", "dashboard", "reference", "training")
    assert spec.kind == "tokens"
    assert spec.splits["train"].count > 200
    return reference


@pytest.mark.parametrize(
    "model", ["text-bag", "text-cnn", pytest.param("text-gru", marks=pytest.mark.slow)]
)
def test_where_a_sentence_stands_is_learnt(
    runs: Runs, tmp_path: Path, sentences: str, model: str
) -> None:
    run, config = runs.create(
        data__dataset=sentences, model__name=model, training__epochs=8, optimizer__lr=0.005
    )
    runs.train(run, config)
    ((step, test),) = evaluations(run, "test").items()
    # By chance it would be a quarter.
    assert test["accuracy"] > 0.4

    judged = load_judged(
        run.checkpoints,
        "best",
        best_step=step,
        config=config,
        data_dir=runs.data_dir,
        device=torch.device("cpu"),
        code=own_code(tmp_path, config),
    )
    with judged.batches("test") as batches:
        judgement = judge(judged.model, batches.in_order(), judged.criteria)
    assert judgement.accuracy == pytest.approx(test["accuracy"])

    value = export_onnx(
        judged.model,
        judged.spec,
        judged.stored_inputs("test", 512),
        tmp_path / "model.onnx",
        facts={},
        say=lambda text: None,
    )
    assert value["input"] == {"name": "tokens", "dtype": "int64", "shape": ["batch", "length"]}
    assert value["parity"]["top1_agreement"] == 1.0
    # A text by its words alone, as it is encoded years later.
    folder = runs.data_dir / prepared_name(sentences, PreparationConfig())
    tokenizer = load_tokenizer((folder / VOCABULARY_FILE).read_bytes())
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for text in ("word", "a key of the dashboard", "the learning rate of a step " * 30):
        tokens_1L = tokenizer.encode(text)[None].astype(np.int64)
        (logits_1K,) = session.run(None, {"tokens": tokens_1L})
        with torch.inference_mode():
            expected_1K = judged.model(torch.from_numpy(tokens_1L)).numpy()
        assert np.allclose(logits_1K, expected_1K, atol=1e-4)


@pytest.mark.parametrize("placement", ["device", "stream"])
def test_a_run_on_texts_is_resumed_to_the_bit_within_an_epoch(
    runs: Runs, sentences: str, placement: str
) -> None:
    settings = {
        "data__dataset": sentences,
        "model__name": "text-cnn",
        "training__epochs": 2,
        "data__placement": placement,
    }
    whole = runs.finish(**settings)
    folder, config = runs.create(**settings)
    runs.train(folder, config, stop_at=13)
    runs.train(folder, config, resume=True)
    steps = max(live_steps(whole))
    assert steps > 13
    assert_same_run(whole, folder, steps)


def test_sentences_are_stored_as_long_as_they_are(runs: Runs, sentences: str) -> None:
    spec = prepare_dataset(runs.data_dir, sentences)
    inputs, labels = load_split(runs.data_dir, spec.name, "train")
    assert isinstance(inputs, Texts)
    assert len(inputs) == len(labels) == spec.splits["train"].count
    assert len(set(inputs.lengths_N.tolist())) > 10
    assert spec.shape[0] >= inputs.lengths_N.max()
