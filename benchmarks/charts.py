"""Drawing a chart: a million points, and ten thousand side by side with textual-plotext.

python -m benchmarks.charts
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections.abc import Callable, Sequence

import numpy as np
from textual.app import App, ComposeResult
from textual.widget import Widget
from textual_plotext import PlotextPlot

from benchmarks.made_runs import STEPS_PER_EPOCH, StepFigures, figures_of
from benchmarks.options import Options, make_parser, to_options
from benchmarks.report import describe
from benchmarks.results import Result, Row, load_note, save
from benchmarks.statistics import Target, estimate_median, interleave, paired_ratios
from tui_trainer.core.chart import draw_chart
from tui_trainer.core.chart_spec import ChartSpec, Curve, Mark
from tui_trainer.core.growing_table import CAPACITY, GrowingTable
from tui_trainer.core.smoothing import Smoother
from tui_trainer.core.tables import Table
from tui_trainer.dashboard.panes.content import ChartContent
from tui_trainer.dashboard.rows import field
from tui_trainer.dashboard.widgets.chart_pane import ChartPane

WIDTH, HEIGHT = 120, 30
_POINTS, _FEWER_POINTS = 1_000_000, 10_000
_REDRAWS = 5
_AT_MOST_MS = Target(3.0, at_least=False)
_TIMES_FASTER = Target(50.0, at_least=True)
_WEIGHT = 0.995


def main() -> None:
    """Measure, save and print."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--rounds", type=int, default=30, help="rounds of five redraws each")
    given = parser.parse_args()
    options = to_options(given)
    rounds = 6 if options.quick else given.rounds
    load = load_note()
    drawn = interleave(_draws(), rounds)
    widgets = asyncio.run(_compare_widgets(rounds))
    result = make_result(options, drawn, widgets, load)
    save(options.results, result.name, result)
    print(describe(result))


def _draws() -> dict[str, Callable[[], float]]:
    """A draw of each kind of a million points, as functions that say how long it took."""
    figures = figures_of(1, _POINTS)
    steps = np.arange(1, _POINTS + 1, dtype=np.float64)
    table = _make_table(steps, figures)
    specs = {
        "every point": ChartSpec((Curve(steps, figures.loss, "train"),), log=True),
        "the dashboard's loss chart": _make_loss_chart(table),
    }
    return {name: functools.partial(_time, _drawer(spec)) for name, spec in specs.items()}


def _drawer(spec: ChartSpec) -> Callable[[], object]:
    return lambda: draw_chart(spec, WIDTH, HEIGHT)


def _make_table(steps: np.ndarray[tuple[int], np.dtype[np.float64]], figures: StepFigures) -> Table:
    """What the dashboard keeps of so many steps: most of them merged."""
    table = GrowingTable(("loss",), CAPACITY)
    for start in range(0, len(steps), 1000):
        part = slice(start, start + 1000)
        at = steps[part]
        table.extend({"step": at, "elapsed_s": at, "t": at, "loss": figures.loss[part]})
    return table.view(STEPS_PER_EPOCH)


def _make_loss_chart(table: Table) -> ChartSpec:
    """The curve smoothed, the raw one behind it, and a mark for each epoch that is kept."""
    smoothed = Smoother(_WEIGHT).update(table["loss"], table.generation, table.rows)
    raw = Curve(table.step, table["loss"], "train_raw", ranges=table.ranges("loss"))
    last = int(table.step[-1])
    marks = tuple(Mark(float(step), "", "epoch") for step in range(469, last, STEPS_PER_EPOCH))
    return ChartSpec((raw, Curve(table.step, smoothed, "train")), marks, log=True)


def _time(draw: Callable[[], object]) -> float:
    """Milliseconds of one of a few draws."""
    since = time.perf_counter()
    for _ in range(_REDRAWS):
        draw()
    return 1e3 * (time.perf_counter() - since) / _REDRAWS


class _SideBySide(App[None]):
    """Our chart and textual-plotext's, each of the same size."""

    CSS = f"ChartPane, PlotextPlot {{ width: {WIDTH}; height: {HEIGHT}; }}"

    def compose(self) -> ComposeResult:
        yield ChartPane(id="ours")
        yield PlotextPlot(id="theirs")


async def _compare_widgets(rounds: int) -> dict[str, list[float]]:
    """Milliseconds of a redraw up to the terminal's lines, by the widgets as Textual asks them."""
    steps = np.arange(1, _FEWER_POINTS + 1, dtype=np.float64)
    loss = figures_of(1, _FEWER_POINTS).loss
    app = _SideBySide()
    async with app.run_test(size=(WIDTH, 2 * HEIGHT)) as pilot:
        ours, theirs = app.query_one(ChartPane), app.query_one(PlotextPlot)
        # Another picture each time: of one that stays our widget would keep the lines.
        contents = itertools.cycle(
            ChartContent((field(("loss", "strong")),), (), ChartSpec((Curve(steps, y, "train"),)))
            for y in (loss, loss[::-1])
        )
        theirs.plt.plot(steps.tolist(), loss.tolist())
        theirs.plt.title("loss")
        ours.show(next(contents))
        await pilot.pause()

        def redraw_ours() -> None:
            ours.show(next(contents))
            _render(ours)

        contestants = {
            "ours": functools.partial(_time, redraw_ours),
            "theirs": functools.partial(_time, functools.partial(_render, theirs)),
        }
        interleave(contestants, 1)
        return interleave(contestants, rounds)


def _render(widget: Widget) -> None:
    """All lines of a widget, none taken from what Textual kept."""
    widget.refresh()
    lines = widget.render_lines(widget.size.region)
    assert len(lines) == HEIGHT


def make_result(
    options: Options,
    drawn: dict[str, list[float]],
    widgets: dict[str, Sequence[float]] | dict[str, list[float]],
    load: str,
) -> Result:
    """What was compared, and the rows."""
    rows = [
        Row(
            what=f"a million points, {name}",
            figure=estimate_median(values),
            unit="ms",
            target=_AT_MOST_MS,
        )
        for name, values in drawn.items()
    ]
    ours, theirs = widgets["ours"], widgets["theirs"]
    rows += [
        Row(what="10 000 points, our widget", figure=estimate_median(ours), unit="ms"),
        Row(what="10 000 points, PlotextPlot", figure=estimate_median(theirs), unit="ms"),
        Row(
            what="PlotextPlot / our widget",
            figure=estimate_median(paired_ratios(theirs, ours)),
            unit="×",
            target=_TIMES_FASTER,
        ),
    ]
    return Result(
        name="charts",
        title="Drawing charts",
        device=options.device,
        compared=(
            f"A loss curve in {WIDTH} × {HEIGHT} characters. `Every point` draws a million "
            "numbers as they are; `the dashboard's loss chart` what the dashboard keeps of so "
            f"many steps, {CAPACITY:,} rows with their least and greatest, smoothed and raw, "
            "with all epochs marked. The widgets are on one Textual screen, asked in turn for "
            "all their lines anew, points on a linear axis in each, ours with other points each "
            "time; textual-plotext was given its points before, which is not in its time."
        ).replace(",000", " 000"),
        rows=tuple(rows),
        notes=(load,),
        is_quick=options.quick,
    )


if __name__ == "__main__":
    main()
