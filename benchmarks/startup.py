"""Start-up: `tuitrain --help` and `tuitrain train digits` against bare programs of the same use.

python -m benchmarks.startup
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

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
from benchmarks.statistics import Target, estimate_median, interleave, paired_ratios

_AT_MOST = Target(1.3, at_least=False)

Measure = Callable[[], Outcome]


def main() -> None:
    """Measure, save and print."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--pairs", type=int, default=20, help="interleaved pairs of each")
    given = parser.parse_args()
    options = to_options(given)
    require_prepared(options, "digits")
    pairs = 3 if given.quick else given.pairs
    notes = [load_note()]
    with scratch_folder() as folder:
        commands = _make_commands(options, folder)
        # Once unmeasured: byte code is cached and the files are in memory, as on any later day.
        for command in commands.values():
            command()
        outcomes = interleave(commands, pairs)
    rows: list[Row] = []
    for ours, theirs in (
        ("tuitrain --help", "bare Typer program --help"),
        ("tuitrain train digits", "bare script, digits"),
    ):
        rows += _compare(ours, outcomes[ours], theirs, outcomes[theirs])
    bare_import = [outcome.wall_s for outcome in outcomes["python -c 'import torch'"]]
    row = Row(what="python -c 'import torch'", figure=estimate_median(bare_import), unit="s")
    notes.append(_accuracy_note(outcomes))
    result = make_result(options, [*rows, row], notes)
    save(options.results, result.name, result)
    print(describe(result))


def _make_commands(options: Options, folder: Path) -> dict[str, Measure]:
    environment = clean_environment(TUITRAIN_DATA=str(options.data_dir))
    start = partial(run, cwd=folder, environment=environment)
    train = [*tuitrain_command(), "train", "digits", "--device", options.device]
    train += ["--threads", str(options.threads)]
    plan = json.loads(start([*train, "--dry-run", "--json"]).stdout)["config"]
    benchmarks = ROOT / "benchmarks"
    bare = [sys.executable, str(benchmarks / "bare_digits.py"), str(options.data_dir / "digits")]
    bare.append(json.dumps(_same_settings(plan, options)))
    return {
        "tuitrain --help": partial(start, [*tuitrain_command(), "--help"]),
        "bare Typer program --help": partial(
            start, [sys.executable, str(benchmarks / "bare_typer.py"), "--help"]
        ),
        "tuitrain train digits": partial(start, [*train, "--json"]),
        "bare script, digits": partial(start, bare),
        "python -c 'import torch'": partial(start, [sys.executable, "-c", "import torch"]),
    }


def _same_settings(plan: dict[str, Any], options: Options) -> dict[str, Any]:
    """What the bare script needs to do what `tuitrain train digits` is about to do.

    Raises:
        SystemExit: tuitrain's defaults for the digits are no longer what the script does.
    """
    chosen = (plan["model"]["name"], plan["optimizer"]["name"], plan["schedule"]["name"])
    if chosen != ("convnet", "adamw", "one-cycle"):
        raise SystemExit(f"bare_digits.py does not train as tuitrain now does: {chosen}.")
    return {
        "validation": plan["data"]["validation"],
        "batch_size": plan["data"]["batch_size"],
        "epochs": plan["training"]["epochs"],
        "lr": plan["optimizer"]["lr"],
        "weight_decay": plan["optimizer"]["weight_decay"],
        "warmup": plan["schedule"]["warmup"],
        "threads": options.threads,
    }


def _compare(ours: str, our: list[Outcome], theirs: str, their: list[Outcome]) -> list[Row]:
    our_s, their_s = [one.wall_s for one in our], [one.wall_s for one in their]
    ratio = estimate_median(paired_ratios(our_s, their_s))
    return [
        Row(what=ours, figure=estimate_median(our_s), unit="s"),
        Row(what=theirs, figure=estimate_median(their_s), unit="s"),
        Row(what=f"{ours} / {theirs}", figure=ratio, unit="×", target=_AT_MOST),
    ]


def _accuracy_note(outcomes: dict[str, list[Outcome]]) -> str:
    ours = [
        json.loads(one.stdout)["last"]["test"]["accuracy"]
        for one in outcomes["tuitrain train digits"]
    ]
    bare = [json.loads(one.stdout)["accuracy"] for one in outcomes["bare script, digits"]]
    return (
        f"Mean test accuracy on the digits: tuitrain {statistics.fmean(ours):.2%}, bare script "
        f"{statistics.fmean(bare):.2%}."
    )


def make_result(options: Options, rows: list[Row], notes: list[str]) -> Result:
    """What was compared, and the rows."""
    return Result(
        name="startup",
        title="Start-up",
        device=options.device,
        compared=(
            "Whole commands, wall time from start to exit, one after the other in an order drawn "
            "anew for each round. The bare Typer program has two commands. The bare script imports "
            "torch, loads the same prepared arrays and trains the same network with the same "
            "batch size, epochs and schedule, a tenth held out and judged after each epoch, the "
            "test split judged at the end; it saves and logs nothing. "
            f"{options.threads} threads."
        ),
        rows=tuple(rows),
        notes=tuple(notes),
        is_quick=options.quick,
    )


if __name__ == "__main__":
    main()
