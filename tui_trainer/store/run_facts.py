"""What stands in a run's folder about how it was begun: its configuration and environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tui_trainer import paths
from tui_trainer.core.config import RunConfig
from tui_trainer.core.run_record import Environment
from tui_trainer.errors import StorageError
from tui_trainer.store.config_sources import read_config
from tui_trainer.store.plain_file import signature_of
from tui_trainer.store.run_folder import read_environment

_FILES = (paths.CONFIG, paths.ENVIRONMENT)


@dataclass(frozen=True)
class RunFacts:
    """The requested configuration and the environment, None where a file cannot be read.

    `problems` say why. `signature` tells whether the files are still the ones that were read.
    """

    config: RunConfig | None = None
    environment: Environment | None = None
    problems: tuple[str, ...] = ()
    signature: tuple[object, ...] = ()


def read_facts(run: Path, known: RunFacts | None = None) -> RunFacts:
    """The facts of the run in the folder `run`; `known` itself while its files are the same."""
    signature = tuple(signature_of(run / name) for name in _FILES)
    if known is not None and known.signature == signature:
        return known
    problems = []
    config, environment = None, None
    try:
        config = read_config(run)
    except StorageError as error:
        problems.append(error.message)
    try:
        environment = read_environment(run)
    except StorageError as error:
        problems.append(error.message)
    return RunFacts(config, environment, tuple(problems), signature)
