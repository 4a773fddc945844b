"""Steps per second of tuitrain, of a tight loop and of frameworks: the same network and data.

python -m benchmarks.steps
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contestant import BATCH_SIZE, ENTRIES
from benchmarks.mnist_files import lay_out
from benchmarks.options import Options, make_parser, require_prepared, to_options
from benchmarks.pacer import Contestant
from benchmarks.processes import scratch_folder
from benchmarks.report import describe
from benchmarks.results import Result, Row, load_note, save
from benchmarks.statistics import (
    Target,
    estimate_median,
    interleave,
    is_level,
    paired_ratios,
)

_WARM_UP_STEPS = 100
_OURS, _TIGHT, _CONTROL = "tuitrain", "tight loop", "tight loop again"
_TARGETS = {_TIGHT: 0.98, "DataLoader loop": 1.9, "Lightning": 2.5}
_DECISIVE = {_OURS, _CONTROL, *_TARGETS}

Rates = dict[str, list[float]]


def main() -> None:
    """Measure, save and print."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--launches", type=int, default=3, help="fresh processes for everyone")
    parser.add_argument(
        "--more-launches", type=int, default=9, help="further ones for what has a target"
    )
    parser.add_argument("--segments", type=int, default=8, help="segments of each, per launch")
    parser.add_argument("--segment-s", type=float, default=0.4, help="about this long")
    parser.add_argument("--only", nargs="*", choices=list(ENTRIES), help="fewer contestants")
    given = parser.parse_args()
    if given.quick:
        given.launches, given.more_launches, given.segments, given.segment_s = 1, 0, 6, 0.5
    options = to_options(given)
    require_prepared(options, "mnist")
    names = given.only or list(ENTRIES)
    load = load_note()
    rates: Rates = {name: [] for name in names}
    facts: dict[str, Any] = {}
    for launch in range(given.launches + given.more_launches):
        here = names if launch < given.launches else [n for n in names if n in _DECISIVE]
        with scratch_folder() as folder:
            measured, facts = _measure_launch(options, given, here, folder, seed=launch)
        for name, values in measured.items():
            rates[name] += values
    result = make_result(rates, facts, options, given, load)
    save(options.results, result.name, result)
    print(describe(result))


def _measure_launch(
    options: Options, given: argparse.Namespace, names: Sequence[str], folder: Path, *, seed: int
) -> tuple[Rates, dict[str, Any]]:
    """Steps per second of each contestant's segments, and what tuitrain's run folder held."""
    arguments = ["--data-dir", str(options.data_dir), "--runs", str(folder / "runs")]
    arguments += ["--mnist-root", str(lay_out(options.data_dir, folder / "root"))]
    arguments += ["--device", options.device, "--threads", str(options.threads)]
    started: list[Contestant] = []
    facts: dict[str, Any] = {}
    try:
        segments = {}
        for name in names:
            contestant = Contestant(name, arguments, folder / "contestant.log")
            started.append(contestant)
            contestant.seconds_for(_WARM_UP_STEPS)
            rate = _WARM_UP_STEPS / contestant.seconds_for(_WARM_UP_STEPS)
            steps = math.ceil(rate * given.segment_s / 10) * 10
            segments[name] = partial(_measure_rate, contestant, steps)
        rates = interleave(segments, given.segments, seed=seed)
        for contestant in started:
            said = contestant.end()
            facts = said or facts
    finally:
        for contestant in started:
            contestant.kill()
    return rates, facts


def _measure_rate(contestant: Contestant, steps: int) -> float:
    return steps / contestant.seconds_for(steps)


def make_result(
    rates: Mapping[str, Sequence[float]],
    facts: Mapping[str, Any],
    options: Options,
    given: argparse.Namespace,
    load: str,
) -> Result:
    """Medians, ratios round by round, and what there is to say of them."""
    rows = [
        Row(
            what=f"{name}, with everything on" if name == _OURS else name,
            figure=estimate_median(values).scaled(BATCH_SIZE),
            unit="images/s",
        )
        for name, values in rates.items()
    ]
    control = _control_row(rates)
    notes = [load, _control_note(control)]
    if _OURS in rates:
        is_void = control is None or not is_level(control.figure)
        rows += _ratio_rows(rates, is_void=is_void)
        notes += _launch_notes(rates, given.segments)
        notes.append("The last run folder of tuitrain held " + _list_facts(facts) + ".")
    return Result(
        name="steps",
        title="Step throughput",
        device=options.device,
        compared=(
            f"Network mnist-example, the 60 000 images of MNIST, batch {BATCH_SIZE}, single "
            f"precision, SGD (0.01, momentum 0.5), {options.threads} threads. Each contestant is a "
            f"process; they take turns, one training while the others stand still, in segments of "
            f"about {given.segment_s:g} s ({given.launches} launches × {given.segments} segments, "
            f"and {given.more_launches} further launches of what has a target). A ratio is of two "
            "segments of one round. All have the C library keep freed memory, as tuitrain does."
        ),
        rows=(*rows, *([control] if control else [])),
        notes=tuple(notes),
        is_quick=options.quick,
    )


def _ratio_rows(rates: Mapping[str, Sequence[float]], *, is_void: bool) -> list[Row]:
    rows = []
    for name in rates:
        if name not in (_OURS, _CONTROL):
            # Those without a target were there in the first rounds only.
            figure = estimate_median(paired_ratios(rates[_OURS][: len(rates[name])], rates[name]))
            bound = _TARGETS.get(name)
            target = Target(bound, at_least=True) if bound else None
            what = f"tuitrain / {name}"
            rows.append(Row(what=what, figure=figure, unit="×", target=target, is_void=is_void))
    return rows


def _launch_notes(rates: Mapping[str, Sequence[float]], segments: int) -> list[str]:
    """The main ratio launch by launch: the segments of one launch are alike, those of two not."""
    if _TIGHT not in rates:
        return []
    ratios = paired_ratios(rates[_OURS], rates[_TIGHT])
    launches = [ratios[first : first + segments] for first in range(0, len(ratios), segments)]
    medians = ", ".join(f"{estimate_median(launch).median:.3f}" for launch in launches)
    return [f"tuitrain / {_TIGHT}, launch by launch: {medians}."]


def _control_row(rates: Mapping[str, Sequence[float]]) -> Row | None:
    """The tight loop against its own copy, if both were measured."""
    if _TIGHT not in rates or _CONTROL not in rates:
        return None
    figure = estimate_median(paired_ratios(rates[_CONTROL], rates[_TIGHT]))
    return Row(what=f"A/A control: {_CONTROL} / {_TIGHT}", figure=figure, unit="×")


def _control_note(control: Row | None) -> str:
    if control is None:
        return "Without the control nothing is decided."
    if is_level(control.figure):
        return "The control is within 1 % of 1."
    return "The control is more than 1 % from 1: these ratios are not to be trusted."


def _list_facts(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items())


if __name__ == "__main__":
    main()
