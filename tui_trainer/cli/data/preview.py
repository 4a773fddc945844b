"""`tuitrain data preview`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from tui_trainer.cli.data.arguments import DatasetArgument
from tui_trainer.cli.data.preview_options import (
    AugmentedOption,
    ClassOption,
    CountOption,
    GraphicsOption,
    PresetOption,
    SaveOption,
    SeedOption,
    SetOption,
    SplitOption,
)
from tui_trainer.cli.graphics import Screen, choose_screen
from tui_trainer.cli.options import DataDirOption, JsonOption
from tui_trainer.cli.output import print_json, print_line, say
from tui_trainer.cli.setting_options import SETTING_OPTIONS, with_options_of
from tui_trainer.core.catalog import DATASETS
from tui_trainer.core.config import AugmentConfig
from tui_trainer.core.config.resolve import DEFAULT_PRESET
from tui_trainer.core.jobs import PreviewJob
from tui_trainer.core.preview import NUM_BINS, Grid, count_bar_lines, plan_grid
from tui_trainer.core.specs import DatasetSpec
from tui_trainer.core.suggest import hint_for
from tui_trainer.errors import ConfigError, DatasetError, StorageError, UsageError
from tui_trainer.paths import choose_data_dir

_USUAL_COUNT = 20
_USUAL_ROWS, _LEAST_ROWS = 10, 3
# A title, an empty line over the bars, and the line of the prompt.
_OTHER_LINES = 3
# The head of a table, and the line that tells of columns left out.
_TABLE_LINES = 2
# A label and a line of words.
_LEAST_TEXT_LINES = 2
_MOST_VERSIONS = 7
# Of `as stored`, which stands over the first column of variations.
_HEAD_WIDTH = 9
_MOST_SHEET_COLUMNS = 12


@with_options_of("augment")
def preview(
    name: DatasetArgument,
    *,
    flags: dict[str, str],
    split: SplitOption = "train",
    count: CountOption = None,
    class_: ClassOption = None,
    seed: SeedOption = 0,
    augmented: AugmentedOption = False,
    preset: PresetOption = DEFAULT_PRESET,
    set_: SetOption = None,
    graphics: GraphicsOption = "auto",
    save: SaveOption = None,
    data_dir: DataDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look at samples of a prepared dataset.

    They are drawn with their labels, one of each class in turn, and with how many there are of
    each. Images are shown by kitty or sixel graphics where the terminal has them, else by half
    blocks; of a table rows are shown, of texts the first words.
    """
    from tui_trainer.store.dataset_lookup import find_prepared
    from tui_trainer.store.datasets import read_spec

    folder = choose_data_dir(data_dir)
    spec = read_spec(folder, find_prepared(folder, name, Path.cwd()))
    check_choice(spec, split, save)
    wants_varied = augmented or bool(flags) or bool(set_)
    augment = read_augment(spec, flags, set_ or [], preset) if wants_varied else None
    screen = None if as_json else choose_screen(graphics, os.environ)
    room = count_lines(spec, screen, is_varied=wants_varied, is_saved=save is not None)
    grid = lay_out(spec, screen, room, is_varied=wants_varied)
    job = PreviewJob(
        data_dir=str(folder),
        name=spec.name,
        split=split,
        count=count or choose_count(spec, screen, grid, room, is_varied=wants_varied),
        pictures="",
        label_class=-1 if class_ is None else find_class(spec, class_),
        seed=seed,
        in_turn=class_ is None,
        augment=augment,
        versions=max(1, min(grid.columns - 1, _MOST_VERSIONS)) if augment else 0,
    )
    value, pictures = _run(job)
    document = _tell(spec, split, value, save)
    if save is not None:
        _save(save, document, pictures)
    if screen is None:
        print_json(document)
        return
    from tui_trainer.cli.data.drawing import draw, fit_texts

    draw(document if count else fit_texts(document, screen, room), pictures, screen, grid)
    if save is not None:
        print_line(f"saved {save.absolute()}")


def _tell(
    spec: DatasetSpec, split: str, value: dict[str, Any], save: Path | None
) -> dict[str, Any]:
    """What the job found, and of what."""
    return {
        "dataset": spec.name,
        "split": split,
        "kind": spec.kind,
        "task": spec.task,
        "of": spec.splits[split].count,
        "features": list(spec.features),
        **value,
        "saved": str(save.absolute()) if save else None,
    }


def check_choice(spec: DatasetSpec, split: str, save: Path | None) -> None:
    """Refuse what the dataset has not, before anything is started.

    Raises:
        DatasetError, UsageError: it has no such split, or no images to save.
    """
    if split not in spec.splits:
        raise DatasetError(
            f"{spec.name} has no split {split!r}.", f"Choose one of: {', '.join(spec.splits)}."
        )
    if save is None:
        return
    if spec.kind != "image":
        raise UsageError(
            f"{spec.name} has no images that could be saved.", "Leave out --save, or take --json."
        )
    if save.suffix != ".png":
        raise UsageError(f"{save} does not end in .png.", "Name a file that does.")


def find_class(spec: DatasetSpec, name: str) -> int:
    """The number of a class.

    Raises:
        DatasetError: there is none of that name.
    """
    if not spec.classes:
        raise DatasetError(
            f"{spec.name} has no classes: its labels are numbers.", "Leave out --class."
        )
    if name not in spec.classes:
        raise DatasetError(f"{spec.name} has no class {name!r}.", hint_for(name, spec.classes))
    return spec.classes.index(name)


def read_augment(
    spec: DatasetSpec, flags: dict[str, str], assignments: list[str], preset: str
) -> AugmentConfig:
    """The augmentation that `train` with the same options would use.

    Raises:
        ConfigError: a setting is wrong, or none varies anything.
    """
    from tui_trainer.core.config.resolve import Setting, resolve
    from tui_trainer.store.config_sources import (
        environment_settings,
        parse_assignment,
        project_settings,
    )

    settings = [*project_settings(Path.cwd()), *environment_settings()]
    settings += [parse_assignment(text) for text in assignments]
    for option, value in flags.items():
        origin = f"--{option.replace('_', '-')}"
        settings.append(Setting(SETTING_OPTIONS[option], value, origin, from_text=True))
    own = [setting for setting in settings if setting.key.startswith("augment.")]
    strange = [s.key for s in map(parse_assignment, assignments) if s not in own]
    if strange:
        raise ConfigError(
            f"{strange[0]} has no part in how images are varied.",
            "Name a setting of augment, as --set augment.flip=0.5.",
        )
    reference = spec.source.reference if spec.source else spec.name
    if reference in DATASETS:
        # Its presets may bring an augmentation.
        own.insert(0, Setting("data.dataset", reference, "the command line", from_text=True))
    augment = resolve(own, preset=preset).config.augment
    if augment == AugmentConfig():
        raise ConfigError(
            f"Nothing varies the images of {spec.name}.",
            "Say what does, as --flip 0.5 or --translate 2.",
        )
    return augment


def count_lines(
    spec: DatasetSpec, screen: Screen | None, *, is_varied: bool, is_saved: bool
) -> int:
    """Lines that the terminal has for samples, beside a title, the bars and a prompt."""
    if screen is None:
        return 0
    bars = count_bar_lines(len(spec.classes) or NUM_BINS, screen.columns, screen.lines)
    return screen.lines - bars - _OTHER_LINES - is_varied - is_saved


def lay_out(spec: DatasetSpec, screen: Screen | None, room: int, *, is_varied: bool) -> Grid:
    """How images are set side by side in so many lines; of other samples none are."""
    if spec.kind != "image" or screen is None:
        return Grid(_USUAL_ROWS if spec.kind == "image" else 1, 1, 1)
    group = len(spec.classes) if spec.task == "classification" and not is_varied else 0
    return plan_grid(
        screen.columns,
        (spec.shape[1], spec.shape[2]),
        screen.cell,
        lines=room,
        group=group,
        pixels_of_cell=screen.pixels_of_cell,
        is_coarse=screen.means not in ("kitty", "sixel"),
        least_tile=_HEAD_WIDTH if is_varied else 1,
    )


def choose_count(
    spec: DatasetSpec, screen: Screen | None, grid: Grid, room: int, *, is_varied: bool
) -> int:
    """As many samples as fit into so many lines."""
    if screen is None:
        return _USUAL_COUNT if spec.kind == "image" else _USUAL_ROWS
    if spec.kind == "image":
        rows = grid.rows_for(room)
        return rows if is_varied else rows * grid.columns
    least = _TABLE_LINES if spec.kind == "table" else 0
    lines_each = 1 if spec.kind == "table" else _LEAST_TEXT_LINES
    return min(_USUAL_ROWS, max(_LEAST_ROWS, (room - least) // lines_each))


def _run(job: PreviewJob) -> tuple[dict[str, Any], Any]:
    """What the job tells, and its pictures, None where the samples are no images."""
    import msgspec

    from tui_trainer.launch.spawn import run_job

    with tempfile.TemporaryDirectory(prefix="tuitrain-") as scratch:
        file = Path(scratch) / "pictures.npy"
        value = run_job(msgspec.structs.replace(job, pictures=str(file)), say)
        if not file.exists():
            return value, None
        import numpy as np

        return value, np.load(file, allow_pickle=False)


def _save(file: Path, document: dict[str, Any], pictures: Any) -> None:
    from tui_trainer.cli.data.drawing import tile_labels, title_of
    from tui_trainer.cli.pictures import save_sheet

    if pictures is None:
        raise DatasetError("There is no such sample.", "Choose another class or split.")
    labels = tile_labels(document, pictures)
    tiles = pictures.reshape(-1, *pictures.shape[-3:])
    classes = len({str(sample["label"]) for sample in document["samples"]})
    columns = pictures.shape[1] if pictures.ndim == 5 else classes
    if not 3 <= columns <= _MOST_SHEET_COLUMNS:
        columns = min(_MOST_SHEET_COLUMNS, max(columns, _USUAL_ROWS))
    try:
        save_sheet(file, title_of(document), list(tiles), labels, columns)
    except OSError as error:
        raise StorageError(
            f"{file} cannot be written: {error.strerror or error}.", "Name another file."
        ) from error
