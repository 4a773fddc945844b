"""`tuitrain train`, `resume` and `attach`."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from tui_trainer.cli.options import (
    SETTING_OPTIONS,
    DashboardOption,
    DataDirOption,
    DetachOption,
    JsonOption,
    RunArgument,
    RunsOption,
    TrustCodeOption,
    with_setting_options,
)
from tui_trainer.cli.output import print_json, print_line, say
from tui_trainer.core.config import RunConfig
from tui_trainer.core.config.resolve import DEFAULT_PRESET, Resolved, Setting, resolve
from tui_trainer.core.exactness import Exactness
from tui_trainer.errors import ConfigError
from tui_trainer.paths import choose_data_dir, choose_runs_dir

if TYPE_CHECKING:
    from tui_trainer.core.jobs import TrainJob
    from tui_trainer.core.run_state import RunSnapshot
    from tui_trainer.store.run_folder import RunFolder


@with_setting_options
def train(
    dataset: Annotated[
        str | None, typer.Argument(help="The dataset (default: digits).", show_default=False)
    ] = None,
    *,
    flags: dict[str, str],
    preset: Annotated[
        str, typer.Option("--preset", help="Recipe of the dataset and the model.", metavar="NAME")
    ] = DEFAULT_PRESET,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="TOML file of settings.", metavar="FILE", show_default=False),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting; may be repeated.", metavar="PART.FIELD=VALUE"),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", help="A name for the run.", metavar="NAME", show_default=False)
    ] = "",
    dashboard: DashboardOption = False,
    detach: DetachOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the configuration and stop.")
    ] = False,
    no_capture: Annotated[
        bool, typer.Option("--no-capture", help="Keep no git commit and diff with the run.")
    ] = False,
    trust_code: TrustCodeOption = False,
    runs: RunsOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model and show it live.

    The training runs in a process of its own: it goes on when this terminal is closed. Ctrl-C
    stops it with a checkpoint, a second Ctrl-C ends it at once.
    """
    settings, unread = _gather(dataset, flags, config, set_ or [])
    resolved = resolve(settings, preset=preset, unread=unread)
    if name:
        from tui_trainer.core.run_name import check_name

        check_name(name)
    if dry_run:
        _print_plan(resolved, choose_data_dir(data_dir), as_json=as_json)
        return
    from tui_trainer.cli.training import Manner, begin

    manner = Manner(detach=detach, dashboard=dashboard, as_json=as_json)
    folder, job = _create_run(
        choose_runs_dir(runs), choose_data_dir(data_dir), resolved, name, with_code=not no_capture
    )
    begin(folder, msgspec.structs.replace(job, trust_code=trust_code), manner)


def _create_run(
    runs_dir: Path, data_dir: Path, resolved: Resolved, name: str, *, with_code: bool
) -> tuple[RunFolder, TrainJob]:
    """A run folder, once its dataset is here, and the job that trains it."""
    import sys

    from tui_trainer.cli.training import ensure_prepared
    from tui_trainer.core.config.places import named_code, settle_paths
    from tui_trainer.core.jobs import TrainJob
    from tui_trainer.store.config_sources import encode_config
    from tui_trainer.store.environment import capture_environment
    from tui_trainer.store.registry import Registry

    ensure_prepared(data_dir, resolved.config.data.dataset)
    environment = capture_environment(["tuitrain", *sys.argv[1:]], with_code=with_code)
    config = settle_paths(resolved.config, Path.cwd())
    folder = Registry(runs_dir).create(environment, encode_config(config), name)
    job = TrainJob(
        run_path=str(folder.path),
        data_dir=str(data_dir),
        config=config,
        session=uuid.uuid4().hex,
        named_code=named_code(config, resolved.origins),
        # A folder made a moment ago is nobody else's, whether locks work there or not.
        force=True,
    )
    return folder, job


def _gather(
    dataset: str | None, flags: dict[str, str], config: Path | None, assignments: list[str]
) -> tuple[list[Setting], list[ConfigError]]:
    """Settings from every source, weakest first, and what could not be read as one."""
    from tui_trainer.store.config_sources import (
        environment_settings,
        parse_assignment,
        project_settings,
        read_settings,
    )

    settings = project_settings(Path.cwd())
    settings += environment_settings()
    settings += read_settings(config) if config is not None else []
    unread = []
    for text in assignments:
        try:
            settings.append(parse_assignment(text))
        except ConfigError as error:
            unread.append(error)
    for option, value in flags.items():
        origin = f"--{option.replace('_', '-')}"
        settings.append(Setting(SETTING_OPTIONS[option], value, origin, from_text=True))
    if dataset is not None:
        settings.append(Setting("data.dataset", dataset, "the command line", from_text=True))
    return settings, unread


def _print_plan(resolved: Resolved, data_dir: Path, *, as_json: bool) -> None:
    from tui_trainer.core.catalog import DATASETS
    from tui_trainer.store.datasets import is_prepared

    config = resolved.config
    entry = DATASETS[config.data.dataset]
    held_out = round(entry.train_count * config.data.validation)
    train_count = entry.train_count - held_out
    batch_size = config.data.batch_size * config.optimizer.accumulate
    steps = -(-train_count // batch_size) * config.training.epochs
    values = msgspec.to_builtins(config)
    if as_json:
        print_json(
            {
                "preset": resolved.preset,
                "config": values,
                "origins": resolved.origins,
                "dataset_prepared": is_prepared(data_dir, entry.name),
                "about": {
                    "train_count": train_count,
                    "validation_count": held_out,
                    "test_count": entry.test_count,
                    "steps": steps,
                },
            }
        )
        return
    width = max(map(len, resolved.origins))
    for key, origin in resolved.origins.items():
        part, field = key.split(".", 1)
        value = msgspec.json.encode(values[part][field]).decode()
        print_line(f"{key:<{width}}  {value:<15}  {origin}")
    say(
        f"about {train_count} samples to train on, {held_out} for validation, "
        f"{entry.test_count} for the test, {steps} steps; nothing was started"
    )


def resume(
    reference: RunArgument,
    epochs: Annotated[
        str | None,
        typer.Option("--epochs", help="New total of epochs.", metavar="N", show_default=False),
    ] = None,
    accept: Annotated[
        Exactness,
        typer.Option(
            "--accept",
            help="The least exact way of going on that will do, where something has changed.",
        ),
    ] = Exactness.EXACT,
    force: Annotated[
        bool, typer.Option("--force", help="Resume even where locks do not work.")
    ] = False,
    trust_code: TrustCodeOption = False,
    dashboard: DashboardOption = False,
    detach: DetachOption = False,
    runs: RunsOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on from a run's last checkpoint, as if it had never been interrupted.

    Where that cannot be, because the data, the settings, the code, a version or the machine has
    changed, it says what and asks for --accept.
    """
    from tui_trainer.cli.training import Manner, begin, ensure_prepared
    from tui_trainer.core.config.fields import check_value
    from tui_trainer.core.jobs import TrainJob
    from tui_trainer.core.next_steps import check_resumable
    from tui_trainer.store.registry import Registry

    manner = Manner(detach=detach, dashboard=dashboard, as_json=as_json)
    if epochs is not None:
        check_value("training.epochs", epochs, "--epochs")
    folder, record = Registry(choose_runs_dir(runs)).read(reference)
    config = _config_to_resume(folder.path, record.snapshot, epochs)
    check_resumable(record, config.training, force=force)
    folder_of_data = choose_data_dir(data_dir)
    ensure_prepared(folder_of_data, config.data.dataset)
    job = TrainJob(
        run_path=str(folder.path),
        data_dir=str(folder_of_data),
        config=config,
        session=uuid.uuid4().hex,
        resume=True,
        force=force,
        accept=accept,
        trust_code=trust_code,
    )
    begin(folder, job, manner)


def _config_to_resume(run: Path, snapshot: RunSnapshot, epochs: str | None) -> RunConfig:
    """The run's configuration, with the threads and the total of its last session."""
    from tui_trainer.store.config_sources import read_config

    config = read_config(run)
    total = int(epochs) if epochs is not None else snapshot.epochs or config.training.epochs
    threads = snapshot.threads or config.hardware.threads
    return msgspec.structs.replace(
        config,
        training=msgspec.structs.replace(config.training, epochs=total),
        hardware=msgspec.structs.replace(config.hardware, threads=threads),
    )


def attach(reference: RunArgument, runs: RunsOption = None, as_json: JsonOption = False) -> None:
    """Follow a run started elsewhere.

    Ctrl-C only detaches: the run goes on.
    """
    from tui_trainer.cli.follow import follow
    from tui_trainer.cli.live import make_display
    from tui_trainer.cli.training import show_ending
    from tui_trainer.store.registry import Registry

    folder, record = Registry(choose_runs_dir(runs)).read(reference)
    if record.state.is_live:
        try:
            record = follow(folder, make_display, lambda record: not record.state.is_live)
        except KeyboardInterrupt:
            say(f"detached; {folder.run} goes on")
            return
    show_ending(record, as_json=as_json)
