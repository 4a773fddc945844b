"""`tuitrain train`, `resume` and `attach`."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from tui_trainer.cli.options import (
    DashboardOption,
    DataDirOption,
    DetachOption,
    JsonOption,
    RunArgument,
    RunsOption,
    TrustCodeOption,
)
from tui_trainer.cli.output import print_json, print_line, say
from tui_trainer.cli.prepared_names import find_source
from tui_trainer.cli.setting_options import SETTING_OPTIONS, with_setting_options
from tui_trainer.core.config.resolve import DEFAULT_PRESET, Resolved, Setting, resolve
from tui_trainer.core.exactness import Exactness
from tui_trainer.errors import ConfigError
from tui_trainer.paths import choose_data_dir, choose_runs_dir
from tui_trainer.store.datasets import find_spec

DatasetArgument = Annotated[
    str | None, typer.Argument(help="The dataset (default: digits).", show_default=False)
]
PresetOption = Annotated[
    str, typer.Option("--preset", help="Recipe of the dataset and the model.", metavar="NAME")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file of settings.", metavar="FILE", show_default=False),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Any setting; may be repeated.", metavar="PART.FIELD=VALUE"),
]
NameOption = Annotated[
    str, typer.Option("--name", help="A name for the run.", metavar="NAME", show_default=False)
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the configuration and stop.")]
NoCaptureOption = Annotated[
    bool, typer.Option("--no-capture", help="Keep no git commit and diff with the run.")
]


@with_setting_options
def train(
    dataset: DatasetArgument = None,
    *,
    flags: dict[str, str],
    preset: PresetOption = DEFAULT_PRESET,
    config: ConfigOption = None,
    set_: SetOption = None,
    name: NameOption = "",
    dashboard: DashboardOption = False,
    detach: DetachOption = False,
    dry_run: DryRunOption = False,
    no_capture: NoCaptureOption = False,
    trust_code: TrustCodeOption = False,
    runs: RunsOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a model and show it live.

    The training runs in a process of its own: it goes on when this terminal is closed. Ctrl-C
    stops it with a checkpoint, a second Ctrl-C ends it at once.
    """
    data_folder = choose_data_dir(data_dir)
    named = _read_dataset(dataset, data_folder, flags)
    settings, unread = _gather(named, flags, config, set_ or [])
    decide = functools.partial(
        resolve,
        settings,
        preset=preset,
        unread=unread,
        find_spec=functools.partial(find_spec, data_folder),
    )
    if name:
        from tui_trainer.core.run_name import check_name

        check_name(name)
    if dry_run:
        _print_plan(decide(), data_folder, as_json=as_json)
        return
    from tui_trainer.cli.progress import watch_job
    from tui_trainer.cli.training import Manner, begin
    from tui_trainer.launch.starting import Waiting, create_run, resolve_prepared

    with watch_job() as watcher:
        waiting = Waiting(watcher.say, report=watcher.report)
        resolved = resolve_prepared(data_folder, decide, waiting, trust_code=trust_code)
    manner = Manner(detach=detach, dashboard=dashboard, as_json=as_json)
    folder, job = create_run(
        choose_runs_dir(runs),
        data_folder,
        resolved,
        name,
        ["tuitrain", *sys.argv[1:]],
        Waiting(say),
        with_code=not no_capture,
        trust_code=trust_code,
    )
    begin(folder, job, manner)


def _read_dataset(dataset: str | None, data_dir: Path, flags: dict[str, str]) -> list[Setting]:
    """The settings that naming a dataset makes: how it was prepared, too, if that has a name."""
    origin = "the command line"
    if dataset is None:
        return []
    source = find_source(data_dir, dataset, flags)
    if source is None:
        return [Setting("data.dataset", dataset, origin, from_text=True)]
    preparation = msgspec.structs.asdict(source.preparation)
    prepared = [Setting(f"preparation.{key}", value, dataset) for key, value in preparation.items()]
    return [*prepared, Setting("data.dataset", source.reference, origin)]


def _gather(
    dataset: list[Setting], flags: dict[str, str], config: Path | None, assignments: list[str]
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
    return settings + dataset, unread


def _print_plan(resolved: Resolved, data_dir: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    from tui_trainer.core.plan import make_plan

    config = resolved.config
    spec = find_spec(data_dir, config.data.dataset, config.preparation)
    plan = make_plan(config, spec)
    values = msgspec.to_builtins(config)
    if as_json:
        print_json(
            {
                "preset": resolved.preset,
                "config": values,
                "origins": resolved.origins,
                "dataset_prepared": spec is not None,
                "about": asdict(plan) if plan is not None else None,
            }
        )
        return
    width = max(map(len, resolved.origins))
    for key, origin in resolved.origins.items():
        part, field = key.split(".", 1)
        value = msgspec.json.encode(values[part][field]).decode()
        print_line(f"{key:<{width}}  {value:<15}  {origin}")
    told = plan or f"{config.data.dataset} is not prepared yet: its samples are not counted"
    say(f"{told}; nothing was started")


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
    from tui_trainer.cli.training import Manner, begin
    from tui_trainer.core.config.fields import check_value
    from tui_trainer.launch.starting import Waiting, make_resume_job
    from tui_trainer.store.registry import Registry

    manner = Manner(detach=detach, dashboard=dashboard, as_json=as_json)
    if epochs is not None:
        check_value("training.epochs", epochs, "--epochs")
    folder, record = Registry(choose_runs_dir(runs)).read(reference)
    job = make_resume_job(
        folder,
        record,
        choose_data_dir(data_dir),
        Waiting(say),
        epochs=None if epochs is None else int(epochs),
        accept=accept,
        force=force,
        trust_code=trust_code,
    )
    begin(folder, job, manner)


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
