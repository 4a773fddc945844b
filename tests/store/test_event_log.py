"""The event log on disk: a writer that mends, readers that tail."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tui_trainer.core.event_lines import MAX_LINE_BYTES, encode_line
from tui_trainer.core.events import Message
from tui_trainer.errors import StorageError
from tui_trainer.store import event_log, event_writer
from tui_trainer.store.event_log import Batch, EventLogReader
from tui_trainer.store.event_writer import EventLogWriter

_HISTORY = builders.numbered(
    [builders.session_start(), builders.nan_steps(), Message(text="zwölf"), builders.failed()]
)
_LINES = [encode_line(event) for event in _HISTORY]
_WHOLE = b"".join(_LINES)


def _message(seq: int, text: str = "a") -> bytes:
    return encode_line(Message(seq=seq, t=1.0, text=text))


def _read_all(path: Path, limit_bytes: int = 1 << 26) -> Batch:
    reader = EventLogReader(path)
    total = Batch(events=[])
    while True:
        batch = reader.read(limit_bytes)
        total.events.extend(batch.events)
        total.damaged += batch.damaged
        total.missing += batch.missing
        total.newer_version = max(total.newer_version, batch.newer_version)
        if batch.at_end:
            return total


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads in small blocks and short longest lines, so that small logs meet every border."""
    monkeypatch.setattr(event_log, "_READ_BYTES", 128)
    for module in (event_log, event_writer):
        monkeypatch.setattr(module, "MAX_LINE_BYTES", 512)


def test_what_is_written_is_read(log: Path) -> None:
    builders.write_log(log, _HISTORY)
    batch = EventLogReader(log).read()
    assert batch.events == _HISTORY
    assert (batch.damaged, batch.missing, batch.at_end) == (0, 0, True)
    assert log.read_bytes() == _WHOLE


def test_a_log_that_is_not_there_yet_is_empty(log: Path) -> None:
    reader = EventLogReader(log)
    assert reader.read() == Batch()
    log.write_bytes(_WHOLE)
    batch = reader.read()
    assert batch.events == _HISTORY
    assert not batch.restarted


def test_truncation_at_every_byte_leaves_the_whole_events_before(log: Path) -> None:
    ends = [len(b"".join(_LINES[: n + 1])) for n in range(len(_LINES))]
    for size in range(len(_WHOLE) + 1):
        log.write_bytes(_WHOLE[:size])
        # A line counts with its line end and, its CRC being right, without.
        whole = sum(size >= end - 1 for end in ends)
        batch = EventLogReader(log).read()
        assert batch.events == _HISTORY[:whole], size
        assert (batch.damaged, batch.missing) == (0, 0), size


def test_a_writer_mends_truncation_at_every_byte(log: Path) -> None:
    ends = [len(b"".join(_LINES[: n + 1])) for n in range(len(_LINES))]
    for size in range(len(_WHOLE) + 1):
        log.write_bytes(_WHOLE[:size])
        whole = sum(size >= end - 1 for end in ends)
        writer = EventLogWriter(log)
        assert writer.seq == whole, size
        written = writer.append(Message(text="after"))
        writer.close()
        assert written.seq == whole + 1
        batch = EventLogReader(log).read()
        assert batch.events == [*_HISTORY[:whole], written], size
        assert (batch.damaged, batch.missing) == (0, 0), size
        assert writer.size == log.stat().st_size


def test_a_reader_at_every_byte_sees_each_event_once_as_the_log_grows(log: Path) -> None:
    reader = EventLogReader(log)
    seen = []
    for size in range(len(_WHOLE) + 1):
        log.write_bytes(_WHOLE[:size])
        batch = reader.read()
        assert (batch.damaged, batch.missing, batch.restarted) == (0, 0, False), size
        seen += batch.events
    assert seen == _HISTORY


def test_a_torn_tail_is_read_once_it_is_whole(log: Path) -> None:
    log.write_bytes(_LINES[0] + _LINES[1][:20])
    reader = EventLogReader(log)
    assert reader.read().events == _HISTORY[:1]
    assert reader.offset == len(_LINES[0])
    assert reader.read().events == []
    with log.open("ab") as file:
        file.write(_LINES[1][20:])
    assert reader.read().events == _HISTORY[1:2]


def test_a_line_without_its_end_counts_once_before_and_after_it_is_mended(log: Path) -> None:
    log.write_bytes(_LINES[0] + _LINES[1][:-1])
    reader = EventLogReader(log)
    assert reader.read().events == _HISTORY[:2]
    assert reader.read().events == []
    writer = EventLogWriter(log)
    assert reader.read().events == []
    written = writer.append(Message(text="after"))
    writer.close()
    batch = reader.read()
    assert batch.events == [written]
    assert (batch.damaged, batch.missing, batch.restarted) == (0, 0, False)


def test_a_reader_that_begins_at_an_unended_line_goes_on_after_it_is_mended(log: Path) -> None:
    log.write_bytes(_LINES[0][:-1])
    first = EventLogReader(log)
    first.read()
    builders.write_log(log, [Message(text="after")])
    batch = EventLogReader(log, offset=first.offset, seq=first.seq).read()
    assert [event.seq for event in batch.events] == [2]
    assert (batch.damaged, batch.missing, batch.restarted) == (0, 0, False)


def test_a_reader_that_begins_amid_a_line_starts_again(log: Path) -> None:
    log.write_bytes(_WHOLE)
    batch = EventLogReader(log, offset=len(_LINES[0]) + 5, seq=1).read()
    assert batch.restarted
    assert batch.events == _HISTORY


@pytest.mark.parametrize(
    "damage",
    [
        b"\n",
        b"\x00" * 50 + b"\n",
        b"not json\n",
        b"\xff\xfe\n",
        _LINES[1][:-2] + b"\n",
        _LINES[1].replace(b"0.5", b"0.6"),
    ],
)
def test_a_damaged_line_is_skipped_and_counted(log: Path, damage: bytes) -> None:
    log.write_bytes(_LINES[0] + damage + b"".join(_LINES[2:]))
    batch = EventLogReader(log).read()
    assert batch.events == [_HISTORY[0], *_HISTORY[2:]]
    assert (batch.damaged, batch.missing) == (1, 1)


def test_gaps_in_the_sequence_are_counted(log: Path) -> None:
    log.write_bytes(b"".join(map(_message, [1, 2, 5, 6, 10])))
    batch = EventLogReader(log).read()
    assert len(batch.events) == 5
    assert (batch.damaged, batch.missing) == (0, 5)


def test_a_gap_between_two_reads_is_counted(log: Path) -> None:
    log.write_bytes(_message(1))
    reader = EventLogReader(log)
    assert reader.read().missing == 0
    with log.open("ab") as file:
        file.write(_message(4))
    assert reader.read().missing == 2


def test_unknown_kinds_leave_no_gap_and_newer_versions_surface(log: Path) -> None:
    known = Message(seq=2, t=1.0, text="a")
    newer = encode_line(msgspec.structs.replace(known, v=3))
    foreign = _message(1).replace(b'"message"', b'"missive"')
    prefix = foreign[: foreign.rindex(b',"crc"')]
    foreign = prefix + b',"crc":"%08x"}\n' % zlib.crc32(prefix)
    log.write_bytes(foreign + newer + _message(3))
    batch = EventLogReader(log).read()
    assert [event.seq for event in batch.events] == [3]
    assert (batch.damaged, batch.missing, batch.newer_version) == (0, 0, 3)


def test_every_flipped_bit_costs_one_event_at_most_and_never_changes_one(log: Path) -> None:
    content = b"".join(map(_message, [1, 2, 3]))
    whole = [Message(seq=seq, t=1.0, text="a") for seq in (1, 2, 3)]
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        log.write_bytes(flipped)
        batch = EventLogReader(log).read()
        assert all(event in whole for event in batch.events), bit
        # A flipped line end glues two lines together; the very last is not needed.
        assert len(batch.events) >= (1 if flipped.count(b"\n") < 3 else 2), bit
        if bit // 8 != len(content) - 1:
            assert batch.damaged or batch.missing or len(batch.events) < 3, bit


@pytest.mark.parametrize("replacement", [_message(1, "b"), b"", _WHOLE[:-5], _WHOLE + _WHOLE])
def test_a_log_replaced_by_rename_is_read_again(log: Path, replacement: bytes) -> None:
    log.write_bytes(_WHOLE)
    reader = EventLogReader(log)
    reader.read()
    other = log.with_name("other")
    other.write_bytes(replacement)
    other.replace(log)
    batch = reader.read()
    assert batch.restarted
    assert batch.events == EventLogReader(log).read().events


def test_a_log_that_shrank_is_read_again(log: Path) -> None:
    log.write_bytes(_WHOLE)
    reader = EventLogReader(log)
    reader.read()
    os.truncate(log, len(_LINES[0]))
    batch = reader.read()
    assert batch.restarted
    assert batch.events == _HISTORY[:1]
    assert not reader.read().restarted


def test_a_whole_line_that_was_taken_back_is_void(log: Path) -> None:
    log.write_bytes(_LINES[0] + _LINES[1][:-1])
    reader = EventLogReader(log)
    assert len(reader.read().events) == 2
    os.truncate(log, len(_LINES[0]))
    with log.open("ab") as file:
        file.write(_message(2, "another, and longer than what was there" * 20))
    batch = reader.read()
    assert batch.restarted
    assert [event.seq for event in batch.events] == [1, 2]
    assert batch.damaged == 0


@pytest.mark.parametrize("chunks", [[5 << 20], [3 << 20, 100, 2 << 20], [600_000] * 5])
def test_a_giant_line_without_an_end_is_passed_over_and_counted_once(
    log: Path, chunks: list[int]
) -> None:
    reader = EventLogReader(log)
    events_seen = damaged = 0
    log.write_bytes(_message(1))
    for size in [*chunks, 0]:
        with log.open("ab") as file:
            file.write(b"x" * size if size else b"\n" + _message(2))
        batch = reader.read()
        events_seen += len(batch.events)
        damaged += batch.damaged
    assert (events_seen, damaged) == (2, 1)
    assert _read_all(log).damaged == 1


_pieces = st.lists(
    st.one_of(
        st.integers(0, 300).map(lambda size: ("message", size)),
        st.integers(0, 2000).map(lambda size: ("noise", size)),
        st.just(("gap", 1)),
        st.just(("newline", 1)),
    ),
    max_size=12,
)


def _content(pieces: list[tuple[str, int]]) -> bytes:
    content, seq = b"", 0
    for what, size in pieces:
        if what == "message":
            seq += 1
            content += _message(seq, "m" * size)
        elif what == "gap":
            seq += 3
        else:
            content += b"?" * size if what == "noise" else b"\n"
    return content


@pytest.mark.usefixtures("small_blocks")
def test_small_limits_read_the_same_as_one_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    log = tmp_path_factory.mktemp("log") / "events.jsonl"

    @given(_pieces, st.integers(1, 700))
    @settings(max_examples=150)
    def check(pieces: list[tuple[str, int]], limit: int) -> None:
        log.write_bytes(_content(pieces))
        assert _read_all(log, limit) == _read_all(log)

    check()


@pytest.mark.usefixtures("small_blocks")
def test_a_log_appended_in_any_chunks_reads_as_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    log = tmp_path_factory.mktemp("log") / "events.jsonl"

    @given(_pieces, st.lists(st.integers(1, 900), max_size=30))
    @settings(max_examples=150)
    def check(pieces: list[tuple[str, int]], cuts: list[int]) -> None:
        content = _content(pieces)
        log.write_bytes(b"")
        reader = EventLogReader(log)
        events_seen, damaged, missing, start = [], 0, 0, 0
        for size in [*cuts, len(content)]:
            with log.open("ab") as file:
                file.write(content[start : start + size])
            start += size
            batch = reader.read()
            assert not batch.restarted
            events_seen += batch.events
            damaged += batch.damaged
            missing += batch.missing
        whole = _read_all(log)
        assert events_seen == whole.events
        assert (damaged, missing) == (whole.damaged, whole.missing)

    check()


@given(st.binary(max_size=300))
@settings(max_examples=100)
def test_any_bytes_are_read_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    log = tmp_path_factory.getbasetemp() / "noise.jsonl"
    log.write_bytes(noise)
    assert EventLogReader(log).read().events == []
    writer = EventLogWriter(log)
    writer.append(Message(text="after"))
    writer.close()
    assert [event.seq for event in EventLogReader(log).read().events] == [1]


def test_a_long_log_is_read_in_parts(log: Path) -> None:
    line_text = "x" * 100_000
    builders.write_log(log, [Message(text=line_text)] * 45)
    first = EventLogReader(log).read(limit_bytes=1)
    assert not first.at_end
    assert 0 < len(first.events) < 45
    assert [event.seq for event in _read_all(log, 1).events] == list(range(1, 46))


def test_a_writer_goes_on_with_the_sequence(log: Path) -> None:
    builders.write_log(log, _HISTORY)
    builders.write_log(log, [Message(text="a"), Message(text="b")])
    assert [event.seq for event in EventLogReader(log).read().events] == [1, 2, 3, 4, 5, 6]


def test_a_writer_goes_on_after_a_damaged_last_line(log: Path) -> None:
    log.write_bytes(_LINES[0] + b"damage\n")
    builders.write_log(log, [Message(text="a")])
    batch = EventLogReader(log).read()
    assert [event.seq for event in batch.events] == [1, 2]
    assert (batch.damaged, batch.missing) == (1, 0)


@pytest.mark.parametrize("size", [MAX_LINE_BYTES, 3 * MAX_LINE_BYTES, 5 * MAX_LINE_BYTES + 7])
def test_a_torn_tail_of_any_length_is_cut_off(log: Path, size: int) -> None:
    log.write_bytes(_LINES[0] + b"\x00" * size)
    builders.write_log(log, [Message(text="a")])
    batch = EventLogReader(log).read()
    assert [event.seq for event in batch.events] == [1, 2]
    assert batch.damaged == 0


def test_the_sequence_is_found_behind_much_damage(log: Path) -> None:
    log.write_bytes(_LINES[0] + (b"?" * 1000 + b"\n") * 3000)
    assert EventLogWriter(log).seq == 1


_write = os.write


def _full_after(num_bytes: int) -> Callable[[int, bytes], int]:
    """A disk that has room for so many bytes of each write."""

    def write(descriptor: int, content: bytes) -> int:
        if num_bytes == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return _write(descriptor, content[:num_bytes])

    return write


@pytest.mark.parametrize("room", [0, 1, 30, 100])
def test_on_a_full_disk_events_wait_in_order_and_the_log_stays_whole(
    log: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    builders.write_log(log, _HISTORY)
    writer = EventLogWriter(log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", _full_after(room))
        for number in range(3):
            assert writer.append(Message(text=f"{number}" * 100)).seq == 5 + number
            assert log.read_bytes() == _WHOLE
    assert writer.is_waiting
    writer.append(Message(text="room"))
    assert not writer.is_waiting
    events = EventLogReader(log).read().events
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [event.text[0] for event in events[4:] if isinstance(event, Message)] == [*"012r"]


def test_what_waits_is_written_at_the_end_or_its_loss_is_told(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for has_room in (True, False):
        writer = EventLogWriter(log)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", _full_after(0))
            writer.append(Message(text="last"))
            if not has_room:
                with pytest.raises(StorageError, match="the disk is full"):
                    writer.close()
        if has_room:
            writer.close()
    assert len(EventLogReader(log).read().events) == 1


def test_what_waits_has_a_limit(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = EventLogWriter(log)
    monkeypatch.setattr(event_writer, "_MOST_WAITING_BYTES", 1000)
    monkeypatch.setattr(os, "write", _full_after(0))
    with pytest.raises(StorageError, match="the disk is full"):
        for _ in range(20):
            writer.append(Message(text="x" * 100))
    assert log.read_bytes() == b""


def test_a_disk_that_fails_leaves_the_log_as_it_was(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    builders.write_log(log, _HISTORY)
    writer = EventLogWriter(log)

    def refuse(descriptor: int, content: bytes) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(StorageError, match="Input/output error"):
            writer.append(Message(text="lost"))
    assert log.read_bytes() == _WHOLE
    assert writer.append(Message(text="kept")).seq == 5


def test_a_line_that_is_too_long_leaves_the_log_as_it_was(log: Path) -> None:
    writer = EventLogWriter(log)
    with pytest.raises(ValueError, match="message"):
        writer.append(Message(text="x" * MAX_LINE_BYTES))
    assert writer.append(Message(text="kept")).seq == 1
    assert len(EventLogReader(log).read().events) == 1


def test_the_log_is_private(log: Path) -> None:
    EventLogWriter(log)
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("end", [b"\x0b", b"\x00", b"}"])
def test_another_byte_in_place_of_the_last_line_end_costs_nothing(
    tmp_path: Path, end: bytes
) -> None:
    path = tmp_path / "events.jsonl"
    builders.write_log(path, [builders.session_start(), builders.steps()])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + end)
    reader = EventLogReader(path)
    batch = reader.read()
    assert [event.seq for event in batch.events] == [1, 2]
    assert batch.damaged == 1
    assert reader.read() == Batch()
    writer = EventLogWriter(path)
    assert path.read_bytes() == whole
    writer.append(builders.steps(first=3))
    writer.close()
    batch = reader.read()
    assert [event.seq for event in batch.events] == [3]
    assert not batch.restarted
