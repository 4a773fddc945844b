"""What of a job is the user's own code, and whether it may run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tui_trainer import paths
from tui_trainer.core.jobs import EvaluateJob, ExportJob, TrainJob
from tui_trainer.models.code_loader import CodeLoader
from tui_trainer.store.run_folder import read_environment
from tui_trainer.store.trust import TrustStore, make_gate


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
