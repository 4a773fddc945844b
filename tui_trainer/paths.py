"""Names of files and folders: the run folder's parts, and where runs and datasets live."""

from __future__ import annotations

import os
from pathlib import Path

RUNS_VARIABLE = "TUITRAIN_RUNS"
DATA_VARIABLE = "TUITRAIN_DATA"
STATE_VARIABLE = "TUITRAIN_STATE"

CONFIG = "config.toml"
ENVIRONMENT = "environment.json"
EVENTS = "events.jsonl"
SUMMARY = "summary.json"
ANNOTATIONS = "annotations.json"
SPLIT = "split.json"
HELD_OUT = "held-out.bin"
VOCABULARY = "vocabulary.json"
CHECKPOINTS = "checkpoints"
EVALUATIONS = "evaluations"
EXPORTS = "exports"
NON_FINITE = "non-finite"
TENSORBOARD = "tensorboard"
CONTROL = "control"
WORKER_LOG = "worker.log"
WORKER_LEASE = "worker.lease"
TREE_LOCK = "tree.lock"
LAUNCH_LOCK = "launch.lock"
JOB_FOLDER = "job"

JOB = "job.json"
JOB_PROGRESS = "progress.jsonl"
JOB_RESULT = "result.json"

INDEX = ".index.sqlite"
LAST_NUMBER = ".last-number"

DATASET_MANIFEST = "dataset.json"
UNFINISHED_DATASET = ".unfinished-"
ORIGINALS = ".originals"
PROJECT_CONFIG = "tuitrain.toml"
TRUSTED_CODE = "trusted-code.json"


def choose_runs_dir(option: Path | None) -> Path:
    """The registry folder: the option, else `TUITRAIN_RUNS`, else `./runs`. Absolute."""
    return Path(option or os.environ.get(RUNS_VARIABLE) or "runs").expanduser().absolute()


def choose_data_dir(option: Path | None) -> Path:
    """Where datasets live: the option, else `TUITRAIN_DATA`, else the user's cache. Absolute."""
    chosen = option or os.environ.get(DATA_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("tuitrain", appauthor=False)) / "data"


def choose_state_dir() -> Path:
    """What this machine remembers apart from runs: `TUITRAIN_STATE`, else the user's. Absolute."""
    chosen = os.environ.get(STATE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_state_dir("tuitrain", appauthor=False))
