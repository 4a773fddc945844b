"""`tuitrain data get` and `import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tui_trainer.cli.data.arguments import ReferenceArgument, TrustDatasetOption
from tui_trainer.cli.options import DataDirOption, JsonOption
from tui_trainer.cli.output import print_json, print_line
from tui_trainer.cli.prepared_names import find_source
from tui_trainer.cli.setting_options import SETTING_OPTIONS, with_options_of
from tui_trainer.core.catalog import find_dataset
from tui_trainer.core.config import PreparationConfig
from tui_trainer.core.dataset_reference import code_parts, is_own, settle_reference
from tui_trainer.core.format import format_bytes, format_duration
from tui_trainer.core.job_reports import describe_preparation, warn_of_preparation
from tui_trainer.errors import DatasetError, UsageError
from tui_trainer.paths import choose_data_dir

_SHOWN_SKIPPED = 3
_STOPPING = "stopping: what was read is kept; go on with the same command"


@with_options_of("preparation")
def get(
    reference: ReferenceArgument,
    *,
    flags: dict[str, str],
    again: Annotated[
        bool, typer.Option("--again", help="Prepare it anew, even if it is here and unchanged.")
    ] = False,
    trust_code: TrustDatasetOption = False,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prepare a dataset: download or read it once.

    Any training opens at once what is prepared. What is here and unchanged is left as it is.
    Ctrl-C keeps what was read; the same command goes on from there.
    """
    _prepare(reference, flags, data_dir, as_json, again=again, trust_code=trust_code)


@with_options_of("preparation")
def import_dataset(
    name: Annotated[str, typer.Argument(help="A dataset of the catalogue.", metavar="DATASET")],
    source: Annotated[
        Path,
        typer.Argument(help="Folder or archive that holds its official files.", metavar="PATH"),
    ],
    *,
    flags: dict[str, str],
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Prepare a dataset of the catalogue from files you have.

    They are its official ones, packed or not. Your own data need no import: name them as
    folder:PATH, csv:PATH and so on.
    """
    if is_own(name):
        raise UsageError(
            f"{name} is no dataset of the catalogue.",
            f"Your own data need no import. Prepare them with: tuitrain data get {name}.",
        )
    find_dataset(name)
    _prepare(name, flags, data_dir, as_json, originals=str(source.expanduser().absolute()))


def _prepare(
    reference: str,
    flags: dict[str, str],
    data_dir: Path | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    from tui_trainer.cli.progress import watch_job
    from tui_trainer.core.jobs import PrepareJob
    from tui_trainer.launch.spawn import run_job

    folder = choose_data_dir(data_dir)
    settled, preparation = _read_names(folder, reference, flags)
    job = PrepareJob(
        data_dir=str(folder),
        reference=settled,
        preparation=preparation,
        folder=str(Path.cwd()),
        # Code that only a manifest names was not named by the person.
        named_code=tuple(code_parts(settled)) if is_own(reference) else (),
        **wanted,
    )
    with watch_job() as watcher:
        value = run_job(
            job,
            watcher.say,
            report=watcher.report,
            on_interrupt=lambda: watcher.close(_STOPPING),
        )
    value |= _set_aside(folder, value["dataset"])
    if as_json:
        print_json(value)
    else:
        _print(value)


def _read_names(
    folder: Path, reference: str, flags: dict[str, str]
) -> tuple[str, PreparationConfig]:
    """What to prepare and how; the name of a prepared dataset stands for what it was made from."""
    source = find_source(folder, reference, flags)
    if source is not None:
        return source.reference, source.preparation
    return settle_reference(reference, Path.cwd()), read_preparation(flags)


def read_preparation(flags: dict[str, str]) -> PreparationConfig:
    """How to prepare, by the options given, as `train` with the same options would.

    Settings of `tuitrain.toml` and of the environment count where no option was given.

    Raises:
        ConfigError: a setting is wrong.
    """
    from tui_trainer.core.config.resolve import Setting, resolve
    from tui_trainer.store.config_sources import environment_settings, project_settings

    settings = [*project_settings(Path.cwd()), *environment_settings()]
    for option, value in flags.items():
        origin = f"--{option.replace('_', '-')}"
        settings.append(Setting(SETTING_OPTIONS[option], value, origin, from_text=True))
    # Of the other parts nothing is asked: what would not do for a training may do here.
    own = [setting for setting in settings if setting.key.startswith("preparation.")]
    return resolve(own).config.preparation


def _set_aside(folder: Path, name: str) -> dict[str, Any]:
    """The samples that could not be read, the first few of them, and where all are listed."""
    from tui_trainer.store.dataset_lookup import SKIPPED_LIST, read_skipped
    from tui_trainer.store.datasets import read_spec

    spec = read_spec(folder, name)
    if not spec.skipped_count:
        return {"skipped_first": [], "skipped_list": None}
    try:
        skipped = read_skipped(folder, spec)
    except DatasetError:
        # Removed or replaced a moment ago by another process.
        skipped = []
    first = [{"name": one.name, "reason": one.reason} for one in skipped[:_SHOWN_SKIPPED]]
    return {"skipped_first": first, "skipped_list": str(folder / name / SKIPPED_LIST)}


def _print(value: dict[str, Any]) -> None:
    for line in (describe_preparation(value), *warn_of_preparation(value)):
        print_line(line)
    for one in value["skipped_first"]:
        print_line(f"  {one['name']}: {one['reason']}")
    if value["skipped"] > len(value["skipped_first"]):
        print_line(f"  … all of them in {value['skipped_list']}")
    took = f"{format_bytes(value['bytes'])}, {format_duration(value['duration_s'])}"
    print_line(f"{value['path']}  {took}")
