"""Whether this user may steer a run, or can only watch it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

from tui_trainer import paths
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.text_safety import sanitize


def why_read_only(record: RunRecord) -> str:
    """Why the run can only be watched, as the end of a sentence; empty where it can be steered."""
    if record.newer_version:
        return "was written by a newer tuitrain"
    run = Path(record.path)
    folder = run / paths.CONTROL if (run / paths.CONTROL).is_dir() else run
    try:
        owner = os.stat(run).st_uid
    except OSError:
        # It is being removed, or its disk does not answer: whoever asks it for something is told.
        return ""
    if os.access(folder, os.W_OK | os.X_OK):
        return ""
    return "cannot be written by you" if owner == os.geteuid() else f"belongs to {_name_of(owner)}"


def _name_of(uid: int) -> str:
    try:
        return sanitize(pwd.getpwuid(uid).pw_name, limit=32)
    except KeyError:
        return f"uid {uid}"
