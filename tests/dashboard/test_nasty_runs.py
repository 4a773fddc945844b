"""Runs whose files hold what they should not: watched as far as they make sense, others whole."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pytest

from tests.builders import environment, evaluated, log_bytes, same, session_start, steps
from tests.dashboard.conftest import MakeRun, shows
from tests.dashboard.hostile import texts
from tests.dashboard.nasty_runs import append_nasty, nasty_annotations, nasty_line
from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.event_lines import decode_line
from tui_trainer.core.run_state import LogFold, RunSnapshot, RunState
from tui_trainer.core.sealed_json import Damage, encode_sealed, seal
from tui_trainer.dashboard.app import DashboardApp
from tui_trainer.dashboard.detail import DetailReader
from tui_trainer.dashboard.once import render_frame
from tui_trainer.dashboard.panes.configuration import configuration_rows
from tui_trainer.dashboard.tails import RunList, RunTail
from tui_trainer.dashboard.terminal import Appearance
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_facts import read_facts

BACKWARDS = {"batch_size": -(10**9), "epochs": 3}
"""Of such a run the speed, which fades by the time that samples take, is no number."""


@pytest.mark.parametrize("seed", range(40))
def test_whatever_stands_in_a_log_it_is_read_to_its_end(
    registry: Registry, make_run: MakeRun, seed: int
) -> None:
    choose = random.Random(seed)
    run = make_run()
    run.emit(session_start())
    append_nasty(run.folder.events, choose, 40)
    (run.folder.path / paths.ANNOTATIONS).write_bytes(nasty_annotations(choose))
    tail = RunTail(run.folder)
    view = tail.read()
    while tail.is_behind:
        view = tail.read() or view
    assert view is not None and view.is_whole
    runs = RunList(registry)
    (record,) = runs.read()
    assert same(record.snapshot, view.record.snapshot)
    runs.read_losses([record])


def test_lines_of_every_kind_are_nasty() -> None:
    decoded = [decode_line(nasty_line(random.Random(seed))) for seed in range(2000)]
    assert {type(one) for one in decoded} == {*events.KINDS.values(), Damage}


def test_a_number_of_more_than_64_bits_is_damage() -> None:
    line = encode_sealed(steps(first=7)).removesuffix(b"\n")
    content = line[: line.rindex(b',"crc"')] + b"}"
    assert isinstance(decode_line(seal(content)), events.Steps)
    for large in (b"9223372036854775808", b"1" * 400):
        odd = content.replace(b'"first":7', b'"first":' + large)
        assert isinstance(decode_line(seal(odd)), Damage)


def test_an_event_of_numbers_that_are_none_is_counted_and_the_others_count(
    registry: Registry, make_run: MakeRun
) -> None:
    odd, good = make_run("odd"), make_run("good")
    log = log_bytes([session_start(**BACKWARDS), steps(samples_per_s=1.0), evaluated(step=9)])
    odd.folder.events.write_bytes(log)
    good.train()
    records = {record.annotations.name: record for record in RunList(registry).read()}
    assert (records["odd"].damaged, records["good"].snapshot.step) == (1, 25)
    assert "validation" in records["odd"].snapshot.last
    view = RunTail(odd.folder).read()
    assert view is not None and view.record.damaged == 1


def test_a_part_that_is_read_again_is_whole_but_for_what_cannot_be_folded(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    run.emit(session_start(), steps(1, 3), steps(4, 3), steps(7, 3))
    tail = RunTail(run.folder)
    tail.read()
    detail = DetailReader(run.folder.events, tail._index, (1, 9))
    real = detail._series.apply

    def apply(event: events.Event) -> None:
        if isinstance(event, events.Steps) and event.first == 4:
            raise OverflowError
        real(event)

    monkeypatch.setattr(detail._series, "apply", apply)
    detail.read()
    assert detail.is_whole and detail.view().step.tolist() == [1, 2, 3, 7, 8, 9]


def test_a_summary_is_believed_no_longer_than_until_the_log_was_read(make_run: MakeRun) -> None:
    run = make_run()
    run.train()
    lie = LogFold(snapshot=RunSnapshot(phase="finished", step=9, seq=1, sessions=1), offset=1 << 62)
    (run.folder.path / paths.SUMMARY).write_bytes(encode_sealed(lie))
    view = RunTail(run.folder).read()
    assert view is not None and view.is_whole
    assert (view.record.snapshot.step, view.record.state) == (25, RunState.INTERRUPTED)


def test_metrics_and_splits_without_number_take_bounded_memory(make_run: MakeRun) -> None:
    run = make_run()
    run.emit(session_start())
    for part in range(4):
        metrics = {"accuracy": 0.5} | {f"m{part}_{number}": 0.5 for number in range(1000)}
        run.emit(evaluated(step=part, metrics=metrics), evaluated(split=f"{part}a"))
        run.emit(*(evaluated(split=f"{part}{number}") for number in range(20)))
    view = RunTail(run.folder).read()
    assert view is not None
    tables = view.series.evaluated
    assert len(tables) <= 8 and max(len(table.metrics) for table in tables.values()) <= 256
    assert tables["validation"]["accuracy"].tolist() == [0.5] * 4
    assert len(view.record.snapshot.last) <= 8


def test_of_packages_without_number_some_are_listed_and_the_rest_counted(
    make_run: MakeRun,
) -> None:
    run = make_run()
    run.train()
    packages = {f"package{number}": "1.0" for number in range(2100)}
    content = msgspec.json.encode(msgspec.structs.replace(environment(), packages=packages))
    (run.folder.path / paths.ENVIRONMENT).write_bytes(content)
    view = RunTail(run.folder).read()
    assert view is not None
    lines = texts(configuration_rows(view.record, read_facts(run.folder.path), 80))
    assert sum("package" in line and "1.0" in line for line in lines) == 2000
    assert any("and 100 more" in line for line in lines)


def make_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


@pytest.mark.parametrize("name", [paths.WORKER_LEASE, paths.LAUNCH_LOCK, paths.EVENTS])
async def test_a_run_that_cannot_be_read_can_be_looked_at_and_left(
    registry: Registry, make_run: MakeRun, name: str
) -> None:
    for run in (make_run("good"), odd := make_run("odd")):
        run.train()
    make_folder(odd.folder.path / name)
    async with DashboardApp(registry).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "run1 good", "run2", "? unknown")
        await pilot.press("g", "enter")
        await shows(pilot, "egular file")
        await pilot.press("q", "j", "enter")
        await shows(pilot, "run1", "83 %")
    async with DashboardApp(registry, [odd.folder]).run_test(size=(100, 30)) as pilot:
        await shows(pilot, "run2", "egular file")
        await pilot.press("q")
        await shows(pilot, "run1 good")


@pytest.mark.parametrize("seed", range(6))
def test_one_frame_of_nasty_runs_has_nothing_that_a_terminal_would_obey(
    registry: Registry, make_run: MakeRun, seed: int
) -> None:
    choose = random.Random(seed)
    for _ in range(2):
        run = make_run()
        run.train()
        append_nasty(run.folder.events, choose, 30)
        (run.folder.path / paths.ANNOTATIONS).write_bytes(nasty_annotations(choose))
        run.folder.worker_log.write_bytes(choose.randbytes(2000) + log_bytes([session_start()]))
    for references in ([], ["run1"], ["run1", "run2"]):
        frame = render_frame(
            registry, references, size=(100, 30), appearance=Appearance(), has_colors=False
        )
        assert frame.replace("\n", "").isprintable() and "cannot be drawn" not in frame
        assert len(frame.splitlines()) <= 30
