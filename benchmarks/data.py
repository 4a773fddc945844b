"""Preparing data once and reading them ever after, against reading them anew each time.

python -m benchmarks.data
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.mnist_files import lay_out
from benchmarks.options import Options, make_parser, require_prepared, to_options
from benchmarks.photo_files import write_photos
from benchmarks.processes import (
    ROOT,
    Outcome,
    clean_environment,
    run,
    scratch_folder,
    tuitrain_command,
)
from benchmarks.report import describe
from benchmarks.results import Result, Row, load_note, save
from benchmarks.statistics import Target, estimate_median, interleave, paired_ratios

_PHOTOS, _QUICK_PHOTOS = 50_000, 2_000
_RIVAL_WORKERS = (0, 1, 2)

_MNIST_S = Target(1.5, at_least=False)
_DECODING = Target(1.8, at_least=True)
_EPOCH = Target(10.0, at_least=True)
_OPENING_MS = Target(50.0, at_least=False)
_PEAK_MB = Target(600.0, at_least=False)

Measures = dict[str, list[Outcome]]


@dataclass(frozen=True)
class Places:
    """Where this benchmark reads and writes."""

    scratch: Path
    idx: Path
    photos: Path

    @property
    def fresh(self) -> Path:
        """A data folder that each preparation begins without."""
        return self.scratch / "fresh"

    @property
    def kept(self) -> Path:
        """A data folder in which the photos are prepared."""
        return self.scratch / "kept"


def main() -> None:
    """Measure, save and print."""
    # A large parent's memory would count as its children's until they have replaced it.
    assert "torch" not in sys.modules
    parser = make_parser(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=6, help="interleaved rounds of each")
    given = parser.parse_args()
    options = to_options(given)
    require_prepared(options, "mnist")
    rounds, count = (1, _QUICK_PHOTOS) if given.quick else (given.rounds, _PHOTOS)
    with scratch_folder() as scratch:
        idx = lay_out(options.data_dir, scratch) / "MNIST" / "raw"
        places = Places(scratch, idx, scratch / "photos")
        write_photos(places.photos, count)
        load = load_note()
        # Once unmeasured: what is read is in memory then, for everyone.
        _read_plainly(places)
        prepared = _prepare_photos(places, places.kept)
        name = str(json.loads(prepared.stdout)["dataset"])
        preparing = interleave(_preparations(places), rounds)
        passes = interleave(_passes(options, places, name), rounds)
    result = make_result(options, count, preparing, passes, load)
    save(options.results, result.name, result)
    print(describe(result))


def _preparations(places: Places) -> dict[str, Callable[[], Outcome]]:
    return {
        "mnist": partial(_import_mnist, places),
        "photos": partial(_prepare_photos, places, places.fresh),
        "loop": partial(_read_plainly, places),
    }


def _passes(options: Options, places: Places, name: str) -> dict[str, Callable[[], Outcome]]:
    command = [sys.executable, "-m", "benchmarks.epochs"]
    threads = {"OMP_NUM_THREADS": str(options.threads)}
    start = partial(run, cwd=ROOT, environment={**clean_environment(), **threads})
    folder = [*command, "folder", str(places.photos)]
    return {
        "prepared": partial(start, [*command, "prepared", str(places.kept), name]),
        **{f"{n} workers": partial(start, [*folder, str(n)]) for n in _RIVAL_WORKERS},
    }


def _import_mnist(places: Places) -> Outcome:
    return _tuitrain(places.fresh, places, "data", "import", "mnist", str(places.idx))


def _prepare_photos(places: Places, data_dir: Path) -> Outcome:
    return _tuitrain(data_dir, places, "data", "get", f"folder:{places.photos}")


def _tuitrain(data_dir: Path, places: Places, *arguments: str) -> Outcome:
    """A command on a data folder that is empty."""
    shutil.rmtree(data_dir, ignore_errors=True)
    environment = clean_environment(TUITRAIN_DATA=str(data_dir))
    command = [*tuitrain_command(), *arguments, "--json"]
    return run(command, cwd=places.scratch, environment=environment, samples_tree=True)


def _read_plainly(places: Places) -> Outcome:
    command = [sys.executable, str(ROOT / "benchmarks" / "photo_files.py"), str(places.photos)]
    return run(command, cwd=places.scratch, environment=clean_environment())


def make_result(
    options: Options, count: int, preparing: Measures, passes: Measures, load: str
) -> Result:
    """Times, rates and peaks, and what was compared."""

    def row(what: str, values: Sequence[float], unit: str, target: Target | None = None) -> Row:
        return Row(what=what, figure=estimate_median(values), unit=unit, target=target)

    mnist_s, photos_s, loop_s = (
        [one.wall_s for one in preparing[name]] for name in ("mnist", "photos", "loop")
    )
    peaks_MB = [one.tree_peak_bytes / 1e6 for one in preparing["photos"]]
    rates = {name: _read_figures(outcomes, "samples_per_s") for name, outcomes in passes.items()}
    ours = rates.pop("prepared")
    best = [max(round_) for round_ in zip(*rates.values(), strict=True)]
    opening_ms = [1e3 * value for value in _read_figures(passes["prepared"], "open_s")]
    rows = (
        row("tuitrain data import mnist, from IDX files", mnist_s, "s", _MNIST_S),
        row(f"tuitrain data get folder:, {count:,} JPEG files", photos_s, "s"),
        row("a loop over them with Pillow", loop_s, "s"),
        row("rate of the first / of the loop", paired_ratios(loop_s, photos_s), "×", _DECODING),
        row("memory of all processes meanwhile", peaks_MB, "MB", _PEAK_MB),
        row("opening the prepared photos", opening_ms, "ms", _OPENING_MS),
        row("samples a second of a later epoch, tuitrain", ours, "/s"),
        row("…, ImageFolder and DataLoader", best, "/s"),
        row("rate of the first / of the second", paired_ratios(ours, best), "×", _EPOCH),
    )
    return Result(
        name="data",
        title="Data",
        device=options.device,
        compared=(
            "Whole commands, from start to exit, into an empty data folder; the files they read "
            "are in memory. The loop opens one photo after the other with Pillow, converts it to "
            "RGB and makes an array of it, keeping nothing. A later epoch is the second pass over "
            "shuffled, normalised batches of 128 without any training: the prepared dataset, "
            "or torchvision's ImageFolder through a DataLoader with as many workers of "
            f"{', '.join(map(str, _RIVAL_WORKERS))} as are fastest in that round. Memory that "
            "processes share is counted for each."
        ),
        rows=rows,
        notes=(load,),
        is_quick=options.quick,
    )


def _read_figures(outcomes: list[Outcome], key: str) -> list[float]:
    return [float(json.loads(one.stdout)[key]) for one in outcomes]


if __name__ == "__main__":
    main()
