"""Peak memory of an MNIST run against that of a tight loop on the same data.

python -m benchmarks.memory
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.options import Options, make_parser, require_prepared, to_options
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
from benchmarks.statistics import Target, estimate_median, interleave

_STEPS = 938
_MORE_MB = Target(120.0, at_least=False)


def main() -> None:
    """Measure, save and print."""
    # A large parent's memory would count as its children's until they have replaced it.
    assert "torch" not in sys.modules
    parser = make_parser(__doc__ or "")
    parser.add_argument("--pairs", type=int, default=6, help="interleaved pairs")
    given = parser.parse_args()
    options = to_options(given)
    require_prepared(options, "mnist")
    load = load_note()
    with scratch_folder() as folder:
        commands = {
            "ours": partial(_train_ours, options, folder),
            "tight": partial(_train_tightly, options, folder),
        }
        outcomes = interleave(commands, 1 if given.quick else given.pairs)
    result = make_result(options, outcomes["ours"], outcomes["tight"], load)
    save(options.results, result.name, result)
    print(describe(result))


def _train_ours(options: Options, folder: Path) -> Outcome:
    command = [*tuitrain_command(), "train", "mnist", "--model", "mnist-example"]
    command += ["--epochs", "1", "--validation", "0", "--batch-size", "64", "--json"]
    command += ["--device", options.device, "--threads", str(options.threads)]
    environment = clean_environment(TUITRAIN_DATA=str(options.data_dir))
    return run(command, cwd=folder, environment=environment, samples_tree=True)


def _train_tightly(options: Options, folder: Path) -> Outcome:
    command = [sys.executable, "-m", "benchmarks.contestant", "tight loop"]
    command += ["--data-dir", str(options.data_dir), "--device", options.device]
    command += ["--threads", str(options.threads), "--steps", str(_STEPS)]
    return run(command, cwd=ROOT, environment=clean_environment(), samples_tree=True)


def make_result(options: Options, ours: list[Outcome], tight: list[Outcome], load: str) -> Result:
    """Peaks and what tuitrain takes more, pair by pair, in millions of bytes."""

    def row(what: str, values: Sequence[float], target: Target | None = None) -> Row:
        figure = estimate_median([value / 1e6 for value in values])
        return Row(what=what, figure=figure, unit="MB", target=target)

    tights = [one.peak_bytes for one in tight]
    workers = [one.peak_bytes for one in ours]
    trees = [one.tree_peak_bytes for one in ours]
    pairs = list(zip(workers, trees, tights, strict=True))
    rows = (
        row("tuitrain's worker", workers),
        row("tuitrain's worker and command together", trees),
        row("tight loop", tights),
        row("worker − tight loop", [worker - it for worker, _, it in pairs], _MORE_MB),
        row("worker and command − tight loop", [tree - it for _, tree, it in pairs], _MORE_MB),
    )
    return Result(
        name="memory",
        title="Peak memory",
        device=options.device,
        compared=(
            "Largest resident memory, as the system counts it, of one epoch of MNIST with "
            "mnist-example and batch 64: `tuitrain train`, its test at the end included, against "
            "the tight loop as a script, which keeps the images as floats and tests nothing. The "
            "two processes of tuitrain together are sampled every 20 ms; memory that they share "
            "is counted twice."
        ),
        rows=rows,
        notes=(load,),
        is_quick=options.quick,
    )


if __name__ == "__main__":
    main()
