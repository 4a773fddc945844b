"""What damage to the event log costs: the lines that it hit, and no others."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import msgspec
import pytest

from tests import builders
from tests.faults import plan
from tests.faults.file_damage import Damaged, damage, naming
from tests.faults.finished_run import FinishedRun, fill_folder
from tui_trainer.core.event_lines import MAX_LINE_BYTES, encode_line
from tui_trainer.core.events import Event, Message
from tui_trainer.core.run_state import RunSnapshot, apply
from tui_trainer.core.sealed_json import seal
from tui_trainer.store.event_log import Batch, EventLogReader
from tui_trainer.store.event_writer import EventLogWriter
from tui_trainer.store.run_folder import RunFolder, read_fold

_DAMAGES = plan.BIT_FLIPS * 3 // 10
_DAMAGES_PER_WRITER = 5
_MOVES_OF_A_TAIL = 40


@pytest.fixture
def run(tmp_path: Path, prepare_once: Callable[..., Path]) -> RunFolder:
    """A run that was trained to its end."""
    shutil.copytree(FinishedRun(prepare_once("finished-run", fill_folder)).path, tmp_path / "run1")
    return RunFolder(tmp_path / "run1")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def _read(log: Path, limit_bytes: int = 1 << 26) -> Batch:
    """All of a log, in as many reads as the limit asks for."""
    reader, total = EventLogReader(log), Batch(events=[], at_end=False)
    while not total.at_end:
        batch = reader.read(limit_bytes)
        total.events += batch.events
        total.damaged += batch.damaged
        total.missing += batch.missing
        total.at_end = batch.at_end
    return total


def _fold(events: Sequence[Event]) -> RunSnapshot:
    return functools.reduce(apply, events, RunSnapshot())


def _lines_hit(whole: bytes, damaged: Damaged) -> set[int]:
    """The numbers of the lines that cannot be as they were."""
    is_cut = len(damaged.content) < len(whole)
    hit, end = set(), 0
    for number, line in enumerate(whole.splitlines(keepends=True)):
        start, end = end, end + len(line)
        if damaged.end <= start or end <= damaged.start:
            continue
        # A last line needs no line end; any other without one runs on into the next.
        if not (damaged.start == end - 1 and (is_cut or end == len(whole))):
            hit.add(number)
        if not is_cut and end <= damaged.end:
            hit.add(number + 1)
    return hit


def test_damage_to_the_log_costs_the_lines_it_hit_and_is_counted(run: RunFolder) -> None:
    log, whole = run.events, run.events.read_bytes()
    history, intact = _read(log).events, read_fold(run.path)
    assert len(history) == whole.count(b"\n")
    for number, damaged in enumerate(damage(whole, _DAMAGES, "events.jsonl")):
        log.write_bytes(damaged.content)
        with naming(log, damaged):
            hit = _lines_hit(whole, damaged)
            kept = [event for line, event in enumerate(history) if line not in hit]
            # What is not there, or has no line end, is not written yet: nothing to be counted.
            is_short = len(damaged.content) < len(whole) or (
                not damaged.content.endswith(b"\n") and damaged.start < len(whole) - 1
            )
            batch, fold = _read(log), read_fold(run.path)
            assert batch.events == kept
            assert batch.damaged or batch.missing or is_short
            is_seen = bool(fold.damaged or fold.missing) or is_short
            assert builders.same(fold.snapshot, _fold(kept) if is_seen else intact.snapshot)
            if number % _DAMAGES_PER_WRITER == 0:
                writer = EventLogWriter(log)
                written = writer.append(Message(text="after"))
                writer.close()
                assert _read(log).events == [*kept, written]


_SIZES = [MAX_LINE_BYTES + more for more in (-2, -1, 0, 1, MAX_LINE_BYTES // 2)]
_SIZES += [2 * MAX_LINE_BYTES + more for more in (-1, 0, 1)] + [4 * MAX_LINE_BYTES]


def _message(seq: int, text: str = "a") -> Message:
    return Message(seq=seq, t=1.0, text=text)


@pytest.mark.parametrize("limit_bytes", [1, 1 << 26])
@pytest.mark.parametrize("size", _SIZES)
def test_a_giant_line_amid_others_costs_itself_alone(
    log: Path, size: int, limit_bytes: int
) -> None:
    before, after = encode_line(_message(1)), encode_line(_message(2))
    log.write_bytes(before + b"x" * size + b"\n" + after)
    batch = _read(log, limit_bytes)
    assert batch.events == [_message(1), _message(2)]
    assert (batch.damaged, batch.missing) == (1, 0)


def test_a_line_over_the_limit_is_damage_whatever_its_crc(log: Path) -> None:
    giant = seal(msgspec.json.encode(_message(2, "x" * MAX_LINE_BYTES)))
    log.write_bytes(encode_line(_message(1)) + giant + encode_line(_message(3)))
    batch = _read(log)
    assert batch.events == [_message(1), _message(3)]
    assert (batch.damaged, batch.missing) == (1, 1)


@pytest.mark.parametrize(
    "word",
    ["NaN", "nan", "Infinity", "-inf", "1e999", "9" * 400, "null", "true", "[0.5]",
     '"NaN"', '"Inf"', '"-nan"', '"1.5"', '""'],
)  # fmt: skip
def test_what_is_no_number_of_the_log_is_damage_whatever_its_crc(log: Path, word: str) -> None:
    start, blocks = builders.session_start(), [builders.steps(3, loss=(0.25, 0.125))]
    history = builders.numbered([start, builders.steps(loss=(0.5, 0.5)), *blocks])
    lines = [encode_line(event) for event in history]
    content = msgspec.json.encode(history[1]).replace(b"0.5,0.5", f"0.5,{word}".encode(), 1)
    log.write_bytes(lines[0] + seal(content) + lines[2])
    batch = _read(log)
    assert batch.events == [history[0], history[2]]
    assert (batch.damaged, batch.missing) == (1, 1)


@pytest.mark.parametrize("number", range(plan.SEQUENCES // 4))
def test_a_reader_that_tails_a_log_ends_with_what_a_new_one_sees(log: Path, number: int) -> None:
    """Whatever befalls the log between two looks: growth, a kill, damage, another in its place."""
    choices = plan.choices_of(f"tail {number}")
    reader, seen = EventLogReader(log), list[Event]()
    moves = [_write, _tear, _spoil, _replace, _cut]
    for turn in range(_MOVES_OF_A_TAIL):
        move = choices.choices(moves, (6, 3, 2, 1, 1))[0]
        move(log, choices)
        batch = Batch(at_end=False)
        while not batch.at_end:
            batch = reader.read(choices.choice([1, 1 << 26]))
            seen = [*([] if batch.restarted else seen), *batch.events]
        assert seen == _read(log).events, f"after move {turn}, {move.__name__}: {plan.REPLAY}"


def _write(log: Path, choices: Random) -> None:
    """A writer mends the log and goes on."""
    writer = EventLogWriter(log)
    for _ in range(choices.randrange(3)):
        writer.append(_message(0, "m" * choices.randrange(200)))
    writer.close()


def _tear(log: Path, choices: Random) -> None:
    """A writer is killed in the middle of a line, or just before its end."""
    line = encode_line(_message(99, "torn" * choices.randrange(50)))
    with log.open("ab") as file:
        file.write(line[: choices.choice([len(line) - 1, choices.randrange(len(line))])])


def _spoil(log: Path, choices: Random) -> None:
    with log.open("ab") as file:
        file.write(choices.randbytes(choices.randrange(300)) + b"\n")


def _replace(log: Path, choices: Random) -> None:
    """Another log takes the place of this one in one rename."""
    other = log.with_name("other")
    texts = ["o" * choices.randrange(400) for _ in range(choices.randrange(30))]
    builders.write_log(other, [_message(0, text) for text in texts])
    other.replace(log)


def _cut(log: Path, choices: Random) -> None:
    size = log.stat().st_size if log.exists() else 0
    log.write_bytes(log.read_bytes()[: choices.randrange(size)] if size else b"")
