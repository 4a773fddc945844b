"""The report of all results, as Markdown: `python -m benchmarks.report`."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.options import default_results
from benchmarks.results import Machine, Result, Row, load_machines, load_results
from benchmarks.statistics import Target

RESULTS = Path(__file__).with_name("RESULTS.md")

_ORDER = [
    "steps",
    "time_to_99",
    "startup",
    "log_cost",
    "memory",
    "safety",
    "data",
    "dashboard",
    "charts",
    "watched",
    "long_run",
]
_HEAD = """# Results

Made by `python -m benchmarks.all`; README.md in this folder says how each figure is taken and what
is fair about it. A figure is a median with its 95 % interval (another probability is named where
there were too few repeats). Ratios hold for the machine named; absolute figures only there.
"""


def main() -> None:
    """Write the report of the results in a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=default_results(), help="folder of results")
    parser.add_argument("--output", type=Path, help="file (default: RESULTS.md beside this module)")
    given = parser.parse_args()
    results, machines = load_results(given.results), load_machines(given.results)
    if not results:
        raise SystemExit(f"There are no results in {given.results}: run a benchmark first.")
    is_quick = any(result.is_quick for result in results)
    # Figures of a quick run do not belong among the project's files.
    output = given.output or (given.results / RESULTS.name if is_quick else RESULTS)
    output.write_text(render(results, machines), encoding="utf-8")
    print(f"wrote {output}")


def render(results: Sequence[Result], machines: dict[str, Machine]) -> str:
    """The whole report, a part for each device."""
    parts = [_HEAD]
    verdicts = Counter(row.verdict for result in results for row in result.rows if row.target)
    parts.append(
        f"Of {verdicts.total()} targets {verdicts['pass']} reached, {verdicts['MISS']} missed, "
        f"{verdicts['void']} not decided because the control failed.\n"
    )
    for device in sorted({result.device for result in results}):
        parts.append(f"## On {'a GPU' if device == 'cuda' else 'the processor'}\n")
        if device in machines:
            facts = machines[device].facts.items()
            parts.append("\n".join(f"- {name}: {value}" for name, value in facts) + "\n")
        of_device = [result for result in results if result.device == device]
        of_device.sort(key=lambda result: _ORDER.index(result.name))
        parts += [describe(result) for result in of_device]
    return "\n".join(parts)


def describe(result: Result) -> str:
    """One benchmark: what was compared, its figures in a table, its notes."""
    quick = "**A quick run: too few repeats to quote.**\n\n" if result.is_quick else ""
    lines = [f"### {result.title}\n", quick + result.compared + "\n"]
    lines += ["| | median | interval | target | |", "|---|---|---|---|---|"]
    lines += [_table_line(row) for row in result.rows]
    lines.append("")
    lines += [f"- {note}" for note in result.notes]
    return "\n".join(lines) + "\n"


def _table_line(row: Row) -> str:
    figure = row.figure
    interval = f"{_short(figure.low)} … {_short(figure.high)}"
    if figure.count == 1:
        interval = "one value"
    elif figure.coverage < 0.95:
        interval += f" ({figure.coverage:.1%})"
    interval += f", n = {figure.count}" if figure.count > 1 else ""
    cells = [row.what, f"{_short(figure.median)} {row.unit}".strip(), interval]
    cells += [_in_words(row.target), row.verdict]
    return "| " + " | ".join(cells) + " |"


def _in_words(target: Target | None) -> str:
    if target is None:
        return ""
    return f"{'≥' if target.at_least else '≤'} {target.bound:g}"


def _short(value: float) -> str:
    """Three decimals for ratios, none for large numbers."""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3f}"


if __name__ == "__main__":
    main()
