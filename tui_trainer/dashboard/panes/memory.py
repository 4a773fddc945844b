"""The charts of what a run uses: memory, load, heat and power of the accelerator and the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tui_trainer.core.axis import YKind
from tui_trainer.core.braille import sparkline
from tui_trainer.core.chart_spec import ChartSpec, Curve
from tui_trainer.core.events import DeviceResources, Resources
from tui_trainer.core.format import format_bytes
from tui_trainer.core.tables import Table
from tui_trainer.dashboard.options import ChartOptions, data_range
from tui_trainer.dashboard.panes.content import ChartContent
from tui_trainer.dashboard.panes.curves import planned_end, steps_range
from tui_trainer.dashboard.panes.readings import row_at
from tui_trainer.dashboard.rows import Field, field
from tui_trainer.dashboard.views import RunView

_LOAD_CELLS = 8
_LOAD_POINTS = 64
_NEAR_LIMIT = 0.5


@dataclass(frozen=True)
class Figure:
    """A column of a run's resources: how it is called, coloured and written."""

    column: str
    name: str
    role: str
    rank: int = 1


@dataclass(frozen=True)
class ResourceChart:
    """Figures that share a chart, the one that lies in front last."""

    title: str
    figures: tuple[Figure, ...]
    y_kind: YKind
    write: Callable[[float], str]
    cells: int


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %"


_DEVICE_MEMORY = ResourceChart(
    "gpu memory",
    (
        Figure("used_bytes", "whole device", "used", 3),
        Figure("peak_bytes", "peak", "peak", 2),
        Figure("process_used_bytes", "this process", "device_process", 4),
        Figure("reserved_bytes", "reserved", "reserved"),
        Figure("allocated_bytes", "allocated", "allocated"),
    ),
    "bytes",
    format_bytes,
    9,
)
_HOST_MEMORY = ResourceChart(
    "host memory",
    (Figure("process_bytes", "process", "process"),),
    "bytes",
    format_bytes,
    9,
)
_LOAD = ResourceChart(
    "load",
    (
        Figure("cpu_utilization", "processor", "load"),
        Figure("utilization", "gpu", "reserved"),
    ),
    "fraction",
    _percent,
    5,
)
_HEAT = ResourceChart(
    "temperature",
    (Figure("temperature_c", "gpu", "load"),),
    "number",
    lambda value: f"{value:.0f} °C",
    6,
)
_POWER = ResourceChart(
    "power", (Figure("power_w", "gpu", "lr"),), "number", lambda value: f"{value:.0f} W", 6
)
RESOURCE_CHARTS: Mapping[str, ResourceChart] = {
    "memory": _DEVICE_MEMORY,
    "host_memory": _HOST_MEMORY,
    "load": _LOAD,
    "temperature": _HEAT,
    "power": _POWER,
}


def resource_charts(view: RunView) -> tuple[str, ...]:
    """The charts that this run has figures for; `memory` is the accelerator's or the host's."""
    device = view.record.snapshot.resources
    has_device = device is not None and device.device is not None
    table = view.series.resources
    sensors = {"temperature": "temperature_c", "power": "power_w"}
    return (
        "memory",
        "load",
        *(("host_memory",) if has_device else ()),
        *(name for name, column in sensors.items() if np.isfinite(table[column]).any()),
    )


def resource_content(name: str, view: RunView, options: ChartOptions) -> ChartContent:
    """The figures at the cursor, or the newest, in words, and their history as curves."""
    resources = view.record.snapshot.resources
    if resources is None:
        title = "memory" if name == "memory" else RESOURCE_CHARTS[name].title
        spec = _spec(view, options, (), RESOURCE_CHARTS[name])
        return ChartContent((field((title, "strong")),), (), spec)
    device = resources.device
    chart = RESOURCE_CHARTS[name]
    if name == "memory" and device is None:
        chart = _HOST_MEMORY
    table = view.series.resources
    x = table.x(options.x_kind)
    row = row_at(x, np.inf if options.cursor is None else options.cursor)
    figures = [figure for figure in chart.figures if np.isfinite(table[figure.column]).any()]
    curves = [
        Curve(x, table[figure.column], figure.role, ranges=table.ranges(figure.column))
        for figure in figures
    ]
    if name == "memory" and device is not None and _is_near_limit(device):
        # A line far above everything else would only press the curves flat.
        curves.insert(0, Curve(x, table["total_bytes"], "limit"))
    legend = [
        _reading(chart, figure, table, row)
        for figure in reversed(figures)
        if figure.column != "peak_bytes"
    ]
    if name == "memory":
        legend.append(_load(table, row, resources.device))
    return ChartContent(
        left=(field((chart.title, "strong")),),
        right=_right_fields(name, resources),
        legend=tuple(legend),
        spec=replace(_spec(view, options, tuple(curves), chart), y_window=options.y_window(name)),
    )


def _is_near_limit(device: DeviceResources) -> bool:
    most = max(device.used_bytes or 0, device.peak_bytes)
    return most > _NEAR_LIMIT * (device.total_bytes or float("inf"))


def _reading(chart: ResourceChart, figure: Figure, table: Table, row: int | None) -> Field:
    value = float("nan") if row is None else float(table[figure.column][row])
    text = chart.write(value) if np.isfinite(value) else "–"
    name = (f"{figure.name} ", figure.role)
    return field(name, (f"{text:<{chart.cells}}", "value"), rank=figure.rank)


def _right_fields(name: str, resources: Resources) -> tuple[Field, ...]:
    device = resources.device
    if name == "memory" and device is not None:
        total = device.total_bytes
        of_total = (f" of {format_bytes(total)}", "quiet") if total else ("", "")
        return (field(("peak ", "peak"), (format_bytes(device.peak_bytes), "value"), of_total),)
    if name not in ("memory", "host_memory"):
        return ()
    host = (
        ("host ", "quiet"),
        (format_bytes(resources.host_used_bytes), "value"),
        (f" of {format_bytes(resources.host_total_bytes)}", "quiet"),
    )
    return (field(*host, rank=1),)


def _load(table: Table, row: int | None, device: DeviceResources | None) -> Field:
    """How busy the accelerator was, or the processor, up to a row, how hot, and what it took."""
    on_device = device is not None and device.utilization is not None
    column, name = ("utilization", "util") if on_device else ("cpu_utilization", "processor")
    if row is None:
        return field((f"{name} –", "load"), rank=3)
    history = table[column][: row + 1][-_LOAD_POINTS:]
    sensors = [(table["temperature_c"][row], "°C"), (table["power_w"][row], "W")]
    more = "".join(f" {value:.0f} {unit}" for value, unit in sensors if np.isfinite(value))
    load = float(table[column][row])
    return field(
        (f"{name} ", "load"),
        (f"{100 * load:>3.0f} % " if np.isfinite(load) else "  – % ", "value"),
        (sparkline(history, _LOAD_CELLS, bounds=(0.0, 1.0)), "load"),
        (more, "quiet"),
        rank=3,
    )


def _spec(
    view: RunView, options: ChartOptions, curves: tuple[Curve, ...], chart: ResourceChart
) -> ChartSpec:
    return ChartSpec(
        curves=curves,
        x_kind=options.x_kind,
        y_kind=chart.y_kind,
        x_end=planned_end(view, options),
        x_data=steps_range(view, options),
        is_live=view.record.state.is_live,
        include=(0.0,),
        empty="no figures yet" if view.is_whole else "reading the log",
        window=options.window(data_range(view.series.steps, options.x_kind)),
        cursor=options.cursor,
    )
