"""Which samples a run trains on and holds out, for ever."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.prepared import save_prepared
from tests.tasks import prepare_stripes, stripes
from tui_trainer import paths
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config import DataConfig
from tui_trainer.core.dataset_versions import hash_data
from tui_trainer.core.sealed_json import seal, unseal
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.data.parts import (
    Part,
    Parts,
    choose_parts,
    count_shared,
    read_held_out,
    save_parts,
)
from tui_trainer.data.prepared import load_split
from tui_trainer.errors import DatasetError

_TENTH, _NONE = DataConfig(validation=0.1), DataConfig(validation=0)


def labels_of(data_dir: Path, spec: DatasetSpec) -> np.ndarray:
    return load_split(data_dir, spec.name, "train")[1]


def test_a_share_is_held_out_of_training(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    parts = choose_parts(spec, labels_of(tmp_path, spec), DataConfig(validation=0.25), 1)
    assert parts.validation is not None and parts.validation.split == "train"
    together = np.concatenate([parts.train.indices_N, parts.validation.indices_N])
    assert sorted(together) == list(range(320))
    assert len(parts.validation.indices_N) == 80
    assert parts.find("test").indices_N.tolist() == list(range(80))


def test_an_official_validation_split_is_taken_whole(tmp_path: Path) -> None:
    entry = DATASETS["mnist"]
    arrays = {
        name: stripes(entry, count, seed)
        for seed, (name, count) in enumerate({"train": 40, "test": 20, "validation": 30}.items())
    }
    spec = save_prepared(tmp_path, entry, arrays)
    parts = choose_parts(spec, labels_of(tmp_path, spec), _TENTH, 1)
    assert parts.validation is not None and parts.validation.split == "validation"
    assert (len(parts.train.indices_N), len(parts.validation.indices_N)) == (40, 30)
    assert not len(parts.held_out_N)
    assert choose_parts(spec, labels_of(tmp_path, spec), _NONE, 1).validation is None


@pytest.mark.parametrize("validation", [0, 0.1])
@pytest.mark.parametrize("share", [0.004, 0.25, 0.5])
def test_a_subset_is_trained_on(tmp_path: Path, validation: float, share: float) -> None:
    spec = prepare_stripes(tmp_path)
    labels = labels_of(tmp_path, spec)
    whole, parts, again = (
        choose_parts(spec, labels, DataConfig(validation=validation, subset=subset), 1)
        for subset in (1.0, share, share)
    )
    chosen_N = parts.train.indices_N
    assert set(chosen_N) <= set(whole.train.indices_N)
    assert np.array_equal(chosen_N, again.train.indices_N)
    counts = np.bincount(labels[chosen_N], minlength=10)
    expected = np.maximum(1, share * np.bincount(labels[whole.train.indices_N]))
    assert (np.abs(counts - expected) <= 0.5).all()
    # What is validated and tested on is the same, so that runs can be compared.
    assert np.array_equal(parts.held_out_N, whole.held_out_N)
    assert len(parts.test.indices_N) == len(whole.test.indices_N)
    config = DataConfig(validation=validation, subset=share)
    other = choose_parts(spec, labels, config, 2).train.indices_N
    assert not np.array_equal(other, chosen_N)


def test_nothing_held_out_is_told(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    parts = choose_parts(spec, labels_of(tmp_path, spec), _NONE, 1)
    with pytest.raises(DatasetError, match="held nothing out"):
        parts.find("validation")
    with pytest.raises(DatasetError, match="leaves nothing to validate on"):
        choose_parts(spec, labels_of(tmp_path, spec), DataConfig(validation=1e-6), 1)


def test_what_was_held_out_is_held_out_for_ever(tmp_path: Path) -> None:
    """Whatever the seed or the way of drawing may be by then."""
    spec = prepare_stripes(tmp_path)
    labels = labels_of(tmp_path, spec)
    parts = choose_parts(spec, labels, _TENTH, 1)
    save_parts(tmp_path, parts, hash_data(spec))
    held_out_N = read_held_out(tmp_path, hash_data(spec))
    assert held_out_N is not None and np.array_equal(held_out_N, parts.held_out_N)
    again = choose_parts(spec, labels, _TENTH, 2, held_out_N)
    assert np.array_equal(again.train.indices_N, parts.train.indices_N)
    assert not np.array_equal(choose_parts(spec, labels, _TENTH, 2).held_out_N, parts.held_out_N)


def test_of_other_data_or_an_older_run_nothing_is_recalled(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    assert read_held_out(tmp_path, hash_data(spec)) is None
    save_parts(
        tmp_path,
        choose_parts(spec, labels_of(tmp_path, spec), _TENTH, 1),
        hash_data(spec),
    )
    assert read_held_out(tmp_path, "other") is None


@pytest.mark.parametrize("name", [paths.SPLIT, paths.HELD_OUT])
@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 40, b"[" * 10_000])
def test_a_damaged_split_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    spec = prepare_stripes(tmp_path)
    save_parts(
        tmp_path,
        choose_parts(spec, labels_of(tmp_path, spec), _TENTH, 1),
        hash_data(spec),
    )
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match="damaged"):
        read_held_out(tmp_path, hash_data(spec))


def test_equal_samples_on_both_sides_are_counted(tmp_path: Path) -> None:
    entry = DATASETS["mnist"]
    images, labels = stripes(entry, 40, 1)
    images[7] = images[3]
    images[8] = images[4]
    spec = save_prepared(
        tmp_path, entry, {"train": (images, labels), "test": stripes(entry, 20, 2)}
    )
    parts = choose_parts(spec, labels, _TENTH, 1, np.array([0, 3, 4, 8]))
    assert count_shared(tmp_path, spec, parts) == 1
    bare = msgspec.structs.replace(spec.splits["train"], digests=None)
    spec = msgspec.structs.replace(spec, splits=spec.splits | {"train": bare})
    assert count_shared(tmp_path, spec, parts) == 0


@pytest.mark.parametrize(
    "held_out",
    [[-1, 3], [3, 320], [3, 3], [5, 4], list(range(320)), [2**62]],
    ids=["negative", "beyond", "twice", "out of order", "all", "far beyond"],
)
def test_what_are_no_samples_cannot_be_held_out(tmp_path: Path, held_out: list[int]) -> None:
    """A run's folder may come from anybody."""
    spec = prepare_stripes(tmp_path)
    hostile = Parts(
        Part("train", np.arange(320)),
        Part("train", np.array(held_out, np.int64)),
        Part("test", np.arange(80)),
    )
    save_parts(tmp_path, hostile, hash_data(spec))
    held_out_N = read_held_out(tmp_path, hash_data(spec))
    with pytest.raises(DatasetError, match="are no samples of mnist"):
        choose_parts(spec, labels_of(tmp_path, spec), _TENTH, 1, held_out_N)


def test_one_of_the_two_files_alone_is_no_split(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    save_parts(
        tmp_path,
        choose_parts(spec, labels_of(tmp_path, spec), _TENTH, 1),
        hash_data(spec),
    )
    (tmp_path / paths.HELD_OUT).unlink()
    with pytest.raises(DatasetError, match="damaged"):
        read_held_out(tmp_path, hash_data(spec))


def test_a_file_that_holds_no_whole_numbers_is_told(tmp_path: Path) -> None:
    spec = prepare_stripes(tmp_path)
    save_parts(
        tmp_path,
        choose_parts(spec, labels_of(tmp_path, spec), _TENTH, 1),
        hash_data(spec),
    )
    stored = msgspec.json.decode(unseal((tmp_path / paths.SPLIT).read_bytes()))
    stored["held_out_sha256"] = hashlib.sha256(b"odd").hexdigest()
    (tmp_path / paths.SPLIT).write_bytes(seal(msgspec.json.encode(stored)))
    (tmp_path / paths.HELD_OUT).write_bytes(b"odd")
    with pytest.raises(DatasetError, match="damaged"):
        read_held_out(tmp_path, hash_data(spec))
