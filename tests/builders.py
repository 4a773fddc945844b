"""Events, logs and runs made for tests, and Hypothesis strategies for them."""

from __future__ import annotations

import math
import os
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from tui_trainer.core import events
from tui_trainer.core.event_lines import encode_line
from tui_trainer.core.run_record import Environment
from tui_trainer.core.sealed_json import Number, encode_sealed, number
from tui_trainer.store.event_writer import EventLogWriter

SESSION = "11111111-1111-4111-8111-111111111111"
OTHER_SESSION = "22222222-2222-4222-8222-222222222222"


def session_start(**changes: Any) -> events.RunStarted:
    return events.RunStarted(**{**_START, **changes})


def resumed(from_step: int, **changes: Any) -> events.Resumed:
    values = {**_START, "session": OTHER_SESSION, **changes}
    return events.Resumed(from_step=from_step, **values)


_START: dict[str, Any] = {
    "session": SESSION,
    "uuid": "33333333-3333-4333-8333-333333333333",
    "dataset": "digits",
    "model": "convnet",
    "device": "cpu",
    "device_name": "a processor",
    "epochs": 3,
    "steps": 30,
    "steps_per_epoch": 10,
    "batch_size": 64,
    "seed": 0,
    "threads": 1,
    "parameters": 1000,
    "train_count": 640,
    "validation_count": 100,
    "test_count": 200,
}


def steps(first: int = 1, count: int = 2, **changes: Any) -> events.Steps:
    values: dict[str, Any] = {
        "epoch": 1,
        "first": first,
        "loss": tuple(1.0 / (first + index) for index in range(count)),
        "lr": (0.01,) * count,
        "grad_norm": (1.5,) * count,
        "accuracy": (0.5,) * count,
        "samples_per_s": 640.0,
    }
    return events.Steps(**{**values, **changes})


def evaluated(split: str = "validation", step: int = 10, **changes: Any) -> events.Evaluated:
    values: dict[str, Any] = {
        "epoch": 1,
        "count": 100,
        "metrics": {"loss": 0.5, "accuracy": 0.8},
        "duration_s": 2.0,
    }
    return events.Evaluated(split=split, step=step, **{**values, **changes})


def control_applied(request: str, step: int = 5) -> events.ControlApplied:
    return events.ControlApplied(id="a", request=request, by="someone", step=step)


def failed(step: int = 5) -> events.Failed:
    return events.Failed(step=step, code="error", type="ValueError", message="it broke")


def numbered(sequence: Iterable[events.Event]) -> list[events.Event]:
    """The events under consecutive sequence numbers and times."""
    return [
        replace(event, seq=seq, t=1_700_000_000.0 + seq, elapsed_s=float(seq))
        for seq, event in enumerate(sequence, start=1)
    ]


def log_bytes(sequence: Iterable[events.Event]) -> bytes:
    return b"".join(map(encode_line, numbered(sequence)))


def write_log(path: Path, sequence: Iterable[events.Event]) -> None:
    writer = EventLogWriter(path)
    for event in sequence:
        writer.append(event)
    writer.close()


def environment(uuid: str = "33333333-3333-4333-8333-333333333333") -> Environment:
    return Environment(
        uuid=uuid,
        run="",
        created_t=1_700_000_000.0,
        command=("tuitrain", "train"),
        folder="/somewhere",
        host="host",
        user="someone",
        system="Linux",
        python="3.11",
        packages={},
        cores=1,
        host_memory_bytes=1,
    )


def same(one: msgspec.Struct, other: msgspec.Struct) -> bool:
    """Equality in which NaN equals itself."""
    return encode_sealed(one) == encode_sealed(other)


def fork(child: Callable[[], object]) -> int:
    """Run `child` in a fork of this process; its exit status, negative for a signal."""
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            child()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


_LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    float: st.floats(0, 1e12),
    int: st.integers(0, 1 << 53),
    bool: st.booleans(),
    str: st.text(max_size=8),
    type(None): st.none(),
    Number: st.floats().map(number),
}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type as it stands in an event."""
    if kind in _LEAVES:
        return _LEAVES[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return values_of(int) if arguments[0] is int else st.floats(0, 1e10)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values_of, arguments))
    if origin is tuple and arguments[-1] is not Ellipsis:
        return st.tuples(*map(values_of, arguments))
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=4).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=8), values_of(arguments[1]), max_size=3)
    hints = get_type_hints(kind, include_extras=True)
    fields = {name: values_of(hints[name]) for name in kind.__struct_fields__ if name != "v"}
    return st.builds(kind, **fields)


any_event: st.SearchStrategy[events.Event] = st.one_of(*map(values_of, events.KINDS.values()))
any_history: st.SearchStrategy[list[events.Event]] = st.lists(any_event, max_size=10)


def nan_steps() -> events.Steps:
    """A block whose last loss is not a number, as the log holds it."""
    return steps(loss=(0.5, number(math.nan)))
