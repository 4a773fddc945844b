"""Reading all that is known of a run from its folder."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tests.builders import OTHER_SESSION, SESSION
from tests.conftest import Hold, MakeRun
from tui_trainer import paths
from tui_trainer.core import events
from tui_trainer.core.event_lines import encode_line
from tui_trainer.core.run_record import Annotations
from tui_trainer.core.run_state import LogFold, RunSnapshot, apply
from tui_trainer.core.sealed_json import encode_sealed
from tui_trainer.errors import StorageError
from tui_trainer.store import run_folder
from tui_trainer.store.event_log import EventLogReader
from tui_trainer.store.hashing import hash_file
from tui_trainer.store.run_folder import (
    changed_since_start,
    fold_batch,
    has_damaged_annotations,
    read_annotations,
    read_environment,
    read_fold,
    read_run,
    read_summary,
)

_HISTORY = builders.numbered(
    [builders.session_start(), builders.nan_steps(), builders.evaluated(), builders.steps(3)]
)


def _fold_of(history: list[events.Event]) -> LogFold:
    return LogFold(
        snapshot=functools.reduce(apply, history, RunSnapshot()),
        offset=sum(len(encode_line(event)) for event in history),
    )


def _write(run: Path, history: list[events.Event], summary: bytes | None) -> None:
    (run / paths.EVENTS).write_bytes(b"".join(map(encode_line, history)))
    if summary is None:
        (run / paths.SUMMARY).unlink(missing_ok=True)
    else:
        (run / paths.SUMMARY).write_bytes(summary)


def _from_scratch(run: Path) -> LogFold:
    reader = EventLogReader(run / paths.EVENTS)
    return fold_batch(LogFold(), reader.read(), reader.offset)


@given(builders.any_history, st.data())
def test_a_fold_from_any_summary_is_the_fold_from_scratch(
    tmp_path_factory: pytest.TempPathFactory, history: list[events.Event], data: st.DataObject
) -> None:
    run = tmp_path_factory.getbasetemp()
    history = builders.numbered(history)
    reach = data.draw(st.integers(0, len(history)))
    _write(run, history, encode_sealed(_fold_of(history[:reach])))
    assert builders.same(read_fold(run), _from_scratch(run))
    assert builders.same(read_fold(run), _fold_of(history))


@given(builders.any_history, builders.any_history, st.data())
def test_a_summary_of_another_log_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[events.Event],
    other: list[events.Event],
    data: st.DataObject,
) -> None:
    run = tmp_path_factory.getbasetemp()
    history, fold = builders.numbered(history), _fold_of(builders.numbered(other))
    ends = [_fold_of(history[:n]).offset for n in range(len(history) + 1)]
    # The worst of foreign summaries: its offset is that of a line's end in this log.
    offset = data.draw(st.sampled_from(ends) | st.integers(0, ends[-1] + 9))
    later = msgspec.structs.replace(fold.snapshot, last_t=1.0)
    foreign = msgspec.structs.replace(fold, offset=offset, snapshot=later)
    _write(run, history, encode_sealed(foreign))
    assert builders.same(read_fold(run), _from_scratch(run))


def test_the_summary_saves_reading_what_it_covers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path, _HISTORY, encode_sealed(_fold_of(_HISTORY[:3])))
    applied = []

    def note(snapshot: RunSnapshot, event: events.Event) -> RunSnapshot:
        applied.append(event.seq)
        return apply(snapshot, event)

    monkeypatch.setattr(run_folder, "apply", note)
    read_fold(tmp_path)
    assert applied == [4]


def test_figures_that_are_no_numbers_survive_the_summary(tmp_path: Path) -> None:
    fold = _fold_of(_HISTORY[:2])
    _write(tmp_path, _HISTORY[:2], encode_sealed(fold))
    loss = read_summary(tmp_path).snapshot.loss
    assert loss is not None
    assert math.isnan(loss)


def test_a_flipped_bit_in_the_summary_changes_nothing(tmp_path: Path) -> None:
    summary = encode_sealed(_fold_of(_HISTORY[:3]))
    _write(tmp_path, _HISTORY, None)
    expected = read_fold(tmp_path)
    for bit in range(0, 8 * len(summary), 5):
        flipped = bytearray(summary)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / paths.SUMMARY).write_bytes(flipped)
        assert builders.same(read_fold(tmp_path), expected), bit


@pytest.mark.parametrize(
    "summary",
    [
        b"",
        b"{}",
        b"null",
        b"\xff\xfe",
        pytest.param(b'{"x":' + b"[" * 100_000, id="deep"),
        encode_sealed(LogFold(snapshot=RunSnapshot(step=99, phase="finished"))),
        encode_sealed(LogFold(snapshot=RunSnapshot(step=99, seq=4), offset=-5)),
        encode_sealed(LogFold(snapshot=RunSnapshot(step=99, seq=4), offset=1 << 70)),
        msgspec.json.encode(LogFold(snapshot=RunSnapshot(step=99))),
    ],
)
def test_a_summary_that_is_no_summary_changes_nothing(tmp_path: Path, summary: bytes) -> None:
    _write(tmp_path, _HISTORY, summary)
    assert builders.same(read_fold(tmp_path), _from_scratch(tmp_path))


def test_a_summary_whose_log_was_cut_back_changes_nothing(tmp_path: Path) -> None:
    summary = encode_sealed(_fold_of(_HISTORY))
    for reach in range(len(_HISTORY)):
        _write(tmp_path, _HISTORY[:reach], summary)
        assert builders.same(read_fold(tmp_path), _fold_of(_HISTORY[:reach]))


def test_a_summary_without_a_log_is_nothing(tmp_path: Path) -> None:
    (tmp_path / paths.SUMMARY).write_bytes(encode_sealed(_fold_of(_HISTORY)))
    assert read_fold(tmp_path) == LogFold()


def test_damage_after_the_summary_is_counted_once(tmp_path: Path) -> None:
    _write(tmp_path, _HISTORY, encode_sealed(_fold_of(_HISTORY[:2])))
    log = tmp_path / paths.EVENTS
    log.write_bytes(log.read_bytes().replace(encode_line(_HISTORY[2]), b"damage\n"))
    fold = read_fold(tmp_path)
    assert (fold.damaged, fold.missing, fold.snapshot.seq) == (1, 1, 4)


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b'{"tags":3}', b"\xff", pytest.param(b"[" * 100_000, id="deep")]
)
def test_damaged_annotations_are_none(tmp_path: Path, content: bytes) -> None:
    assert read_annotations(tmp_path) == Annotations()
    (tmp_path / paths.ANNOTATIONS).write_bytes(content)
    assert read_annotations(tmp_path) == Annotations()


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b"\xff", pytest.param(b'{"x":' + b"[" * 100_000, id="deep")]
)
def test_a_damaged_environment_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / paths.ENVIRONMENT).write_bytes(content)
    with pytest.raises(StorageError):
        read_environment(tmp_path)


def test_the_environment_is_what_the_run_was_made_with(make_run: MakeRun) -> None:
    expected = msgspec.structs.replace(builders.environment(), run="run1")
    assert read_environment(make_run().path) == expected


def test_annotations_are_as_they_were_written_or_damaged(make_run: MakeRun) -> None:
    run = make_run(name="baseline").path
    file = run / paths.ANNOTATIONS
    assert (read_annotations(run).name, has_damaged_annotations(run)) == ("baseline", False)
    file.write_bytes(file.read_bytes().replace(b"baseline", b"caseline"))
    assert (read_annotations(run), has_damaged_annotations(run)) == (Annotations(), True)
    # As older versions wrote them.
    file.write_bytes(b'{"name":"older"}')
    assert (read_annotations(run).name, has_damaged_annotations(run)) == ("older", False)
    file.unlink()
    assert (read_annotations(run), has_damaged_annotations(run)) == (Annotations(), False)


def test_files_are_compared_with_what_they_were_when_the_last_session_began(
    make_run: MakeRun,
) -> None:
    run = make_run().path
    hashes = {
        "config_sha256": hash_file(run / paths.CONFIG),
        "environment_sha256": hash_file(run / paths.ENVIRONMENT),
    }
    snapshot = apply(RunSnapshot(), builders.session_start(**hashes))
    assert changed_since_start(run, snapshot) == ()
    with (run / paths.CONFIG).open("ab") as file:
        file.write(b" ")
    assert changed_since_start(run, snapshot) == ("config.toml",)
    hashes["config_sha256"] = hash_file(run / paths.CONFIG)
    assert changed_since_start(run, apply(snapshot, builders.resumed(1, **hashes))) == ()
    (run / paths.ENVIRONMENT).unlink()
    assert changed_since_start(run, snapshot) == ("config.toml", "environment.json")


def test_where_the_log_does_not_say_how_files_were_only_missing_ones_are_named(
    make_run: MakeRun,
) -> None:
    run = make_run().path
    snapshot = apply(RunSnapshot(), builders.session_start())
    assert changed_since_start(run, snapshot) == ()
    (run / paths.CONFIG).unlink()
    assert changed_since_start(run, snapshot) == ("config.toml",)


def test_a_run_is_read_with_its_state(make_run: MakeRun, hold: Hold) -> None:
    folder = make_run(builders.session_start(), builders.steps(), name="baseline")
    record = read_run(folder)
    assert (record.run, record.title, record.state) == ("run1", "baseline", "interrupted")
    assert (record.snapshot.step, record.pid) == (2, 0)
    holder = hold(folder.path / paths.WORKER_LEASE, SESSION)
    record = read_run(folder)
    assert (record.state, record.pid) == ("running", holder.pid)
    holder.kill()
    holder.wait()
    assert read_run(folder).state == "interrupted"
    hold(folder.path / paths.WORKER_LEASE, OTHER_SESSION)
    assert read_run(folder).state == "starting"


def test_the_lease_is_looked_at_before_the_log(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(builders.session_start())
    order = []

    def note(name: str) -> None:
        real = getattr(run_folder, name)

        def noted(path: Path) -> object:
            order.append(name)
            return real(path)

        monkeypatch.setattr(run_folder, name, noted)

    note("look")
    note("read_fold")
    read_run(folder)
    assert order[:2] == ["look", "read_fold"]


def test_the_parts_of_a_folder_have_their_names(tmp_path: Path) -> None:
    folder = run_folder.RunFolder(tmp_path / "run7")
    assert folder.run == "run7"
    assert folder.events == tmp_path / "run7" / "events.jsonl"
    assert folder.checkpoints == tmp_path / "run7" / "checkpoints"
    assert folder.worker_log == tmp_path / "run7" / "worker.log"


@settings(max_examples=20)
@given(st.binary(max_size=300))
def test_any_summary_and_log_are_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    run = tmp_path_factory.getbasetemp()
    for name in (paths.EVENTS, paths.SUMMARY):
        (run / name).write_bytes(noise)
    assert read_fold(run).snapshot == RunSnapshot()
