"""The chart of memory: the accelerator's where there is one, else the host's."""

from __future__ import annotations

from tui_trainer.core.braille import sparkline
from tui_trainer.core.chart import ChartSpec, Curve
from tui_trainer.core.events import DeviceResources, Resources
from tui_trainer.core.format import format_bytes
from tui_trainer.dashboard.panes.curves import ChartContent
from tui_trainer.dashboard.rows import Field, field
from tui_trainer.dashboard.views import RunView

_LOAD_CELLS = 8
_LOAD_POINTS = 64
_NEAR_LIMIT = 0.5
_NO_CURVES = ChartSpec(curves=(), empty="no figures yet")


def memory_content(view: RunView) -> ChartContent:
    """The newest figures in words and their history as curves, over training time."""
    resources = view.record.snapshot.resources
    if resources is None:
        return ChartContent((field(("memory", "strong")),), (), _NO_CURVES)
    if resources.device is not None:
        return _device_content(view, resources.device)
    return _host_content(view, resources)


def _device_content(view: RunView, device: DeviceResources) -> ChartContent:
    columns = view.series.resources
    names = ["peak_bytes", "reserved_bytes", "allocated_bytes"]
    if device.used_bytes is not None:
        names.insert(0, "used_bytes")
    roles = [name.removesuffix("_bytes") for name in names]
    curves = [
        Curve(columns.elapsed_s, columns[name], role)
        for name, role in zip(names, roles, strict=True)
    ]
    total = device.total_bytes
    if total and max(device.used_bytes or 0, device.peak_bytes) > _NEAR_LIMIT * total:
        # A line far above everything else would only press the curves flat.
        curves.insert(0, Curve(columns.elapsed_s, columns["total_bytes"], "limit"))
    of_total = (f" of {format_bytes(total)}", "quiet") if total else ("", "")
    return ChartContent(
        left=(field(("gpu memory", "strong")),),
        right=(field(("peak ", "quiet"), (format_bytes(device.peak_bytes), "value"), of_total),),
        legend=(*_device_legend(device), *_device_load(view, device)),
        spec=_spec(view, curves),
    )


def _device_legend(device: DeviceResources) -> list[Field]:
    legend = [
        _size("reserved", device.reserved_bytes, "reserved"),
        _size("allocated", device.allocated_bytes, "allocated"),
    ]
    if device.used_bytes is not None:
        legend.append(_size("whole device", device.used_bytes, "used", rank=2))
    return legend


def _device_load(view: RunView, device: DeviceResources) -> list[Field]:
    fields = []
    if device.utilization is not None:
        fields.append(_load("util", view, "utilization", device.utilization))
    if device.temperature_c is not None:
        fields.append(field((f"{device.temperature_c:.0f} °C", "quiet"), rank=4))
    if device.power_w is not None:
        fields.append(field((f"{device.power_w:.0f} W", "quiet"), rank=5))
    return fields


def _host_content(view: RunView, resources: Resources) -> ChartContent:
    columns = view.series.resources
    host = (
        ("host ", "quiet"),
        (format_bytes(resources.host_used_bytes), "value"),
        (f" of {format_bytes(resources.host_total_bytes)}", "quiet"),
    )
    return ChartContent(
        left=(field(("memory", "strong")),),
        right=(field(*host, rank=1),),
        legend=(
            _size("process", resources.process_bytes, "process"),
            _load("processor", view, "cpu_utilization", resources.cpu_utilization),
        ),
        spec=_spec(view, [Curve(columns.elapsed_s, columns["process_bytes"], "process")]),
    )


def _spec(view: RunView, curves: list[Curve]) -> ChartSpec:
    return ChartSpec(
        curves=tuple(curves),
        x_kind="time",
        y_kind="bytes",
        is_live=view.record.state.is_live,
        include=(0.0,),
        empty="no figures yet" if view.is_whole else "reading the log",
    )


def _size(name: str, value: float, role: str, rank: int = 1) -> Field:
    return field((f"{name} ", role), (f"{format_bytes(value):<9}", "value"), rank=rank)


def _load(name: str, view: RunView, column: str, value: float) -> Field:
    recent = view.series.resources[column][-_LOAD_POINTS:]
    history = sparkline(recent, _LOAD_CELLS, bounds=(0.0, 1.0))
    return field(
        (f"{name} ", "load"), (f"{100 * value:>3.0f} % ", "value"), (history, "load"), rank=3
    )
