"""What of a job is the user's own code, and whether it may run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tui_trainer import paths
from tui_trainer.core.jobs import EvaluateJob, ExportJob, PrepareJob, TrainJob
from tui_trainer.models.code_loader import CodeLoader
from tui_trainer.store.run_folder import read_environment
from tui_trainer.store.trust import TrustStore, make_gate


def load_samples(job: PrepareJob, name: str, *, say: Callable[[str], object]) -> Mapping[str, Any]:
    """The samples of a user's own class by split, if it may run on this machine.

    Raises:
        DatasetError, ConfigError: it is missing, fails or may not run.
    """
    store = TrustStore(paths.choose_state_dir())
    gate = make_gate(job.named_code, store, trust_all=job.trust_code, say=say)
    return CodeLoader(Path(job.folder), gate, job.preparation.seed).load_samples(name)


def load_code_of(
    job: TrainJob | EvaluateJob | ExportJob, *, say: Callable[[str], object]
) -> CodeLoader:
    """What loads the code that the job's configuration names, if that may run on this machine.

    Modules are looked for in the folder that the run was started in.
    """
    named = job.named_code if isinstance(job, TrainJob) else ()
    store = TrustStore(paths.choose_state_dir())
    gate = make_gate(named, store, trust_all=job.trust_code, say=say)
    folder = Path(read_environment(Path(job.run_path)).folder)
    return CodeLoader(folder, gate, job.config.training.seed)
