"""Whatever happens to the index, a list of thirty runs is what their folders say."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import builders
from tests.faults import damages, plan
from tests.faults.stage import elsewhere
from tui_trainer import paths
from tui_trainer.core.events import Event, Finished, Message
from tui_trainer.core.sealed_json import encode_sealed
from tui_trainer.store import index, record_reader
from tui_trainer.store.registry import Registry
from tui_trainer.store.run_folder import read_fold, read_run

pytestmark = pytest.mark.slow

_NUM_RUNS = 30
_PAGE_BYTES = 4096
_HEADER_BYTES = 100
_FLIPS = plan.BIT_FLIPS // 15

_HISTORIES: list[list[Event]] = [
    [builders.session_start(), builders.nan_steps()],
    [builders.session_start(), builders.evaluated(), builders.failed()],
    [],
    [builders.session_start(), Message(text="a"), Finished(step=2, epoch=1)],
]


class Listing:
    """Thirty runs that stay as they are, and their list."""

    def __init__(self, folder: Path) -> None:
        self.registry = Registry(folder / "runs")
        for number in range(_NUM_RUNS):
            name = f"name{number}" if number % 3 == 0 else ""
            run = self.registry.create(builders.environment(), b"", name)
            builders.write_log(run.events, _HISTORIES[number % len(_HISTORIES)])
        self.index = self.registry.path / paths.INDEX
        self.journal = self.index.with_name(f"{paths.INDEX}-journal")
        self.truth = self.read_folders()
        assert self.read_list() == self.truth
        self.good = self.index.read_bytes()
        self._num_touched = 0

    def read_folders(self) -> list[bytes]:
        return [encode_sealed(read_run(folder)) for folder in self.registry.folders()]

    def read_list(self) -> list[bytes]:
        return [encode_sealed(record) for record in self.registry.records()]

    def touch_run(self) -> None:
        """Make one entry stale, so that the index has to be written."""
        self._num_touched += 1
        mark = (self._num_touched, self._num_touched)
        os.utime(self.registry.path / "run1" / paths.EVENTS, ns=mark)

    def is_mended(self) -> bool:
        """Whether a list is right, and right again, and opens no log then."""
        self.touch_run()
        right = self.read_list() == self.truth == self.read_list()
        num_read = 0

        def note(run: Path) -> object:
            nonlocal num_read
            num_read += 1
            return read_fold(run)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(record_reader, "read_fold", note)
            right &= self.read_list() == self.truth
        return right and num_read == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Listing:
    return Listing(tmp_path_factory.mktemp("listing"))


@pytest.fixture
def listing(made: Listing) -> Listing:
    """The runs with a good index."""
    made.journal.unlink(missing_ok=True)
    made.index.unlink(missing_ok=True)
    made.index.write_bytes(made.good)
    return made


def _positions(size: int, noise: random.Random) -> list[int]:
    """Every byte of the file's header, some near the header of any page, and some anywhere."""
    pages = range(0, size, _PAGE_BYTES)
    near_headers = [noise.choice(pages) + noise.randrange(120) for _ in range(_FLIPS // 2)]
    return [
        *range(_HEADER_BYTES),
        *near_headers,
        *(noise.randrange(size) for _ in range(_FLIPS // 2)),
    ]


def test_an_index_with_any_flipped_bit_changes_nothing_and_is_mended(listing: Listing) -> None:
    noise = plan.choices_of("index flips")
    for position in _positions(len(listing.good), noise):
        damaged = bytearray(listing.good)
        bit = noise.randrange(8)
        damaged[position] ^= 1 << bit
        listing.index.write_bytes(damaged)
        assert listing.is_mended(), f"bit {bit} of byte {position}; {plan.REPLAY}"


def test_an_index_cut_off_anywhere_changes_nothing_and_is_mended(listing: Listing) -> None:
    noise = plan.choices_of("index cuts")
    size = len(listing.good)
    edges = [page + offset for page in range(0, size, _PAGE_BYTES) for offset in (0, 1)]
    for length in [*edges, *(noise.randrange(size) for _ in range(_FLIPS // 10))]:
        listing.index.write_bytes(listing.good[:length])
        assert listing.is_mended(), f"cut off at {length}; {plan.REPLAY}"


def _die_within_a_transaction(file: Path) -> None:
    """Leave a journal that must be rolled back, beside a file that is half written."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE runs SET content = zeroblob(3000), signature = 'half'")
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture
def torn(listing: Listing) -> Listing:
    """The index as a writer leaves it that is killed in the middle, with its journal."""
    assert builders.fork(lambda: _die_within_a_transaction(listing.index)) == -signal.SIGKILL
    assert listing.journal.stat().st_size > _PAGE_BYTES
    assert listing.index.read_bytes() != listing.good
    return listing


def test_a_writer_killed_within_a_transaction_changes_nothing(torn: Listing) -> None:
    assert torn.is_mended()
    assert not torn.journal.exists()


def test_a_damaged_journal_changes_nothing_and_goes(torn: Listing) -> None:
    noise = plan.choices_of("journal")
    half, journal = torn.index.read_bytes(), torn.journal.read_bytes()
    for _ in range(_FLIPS // 10):
        damaged = bytearray(journal)
        position = noise.randrange(noise.choice([64, len(journal)]))
        damaged[position] ^= 1 << noise.randrange(8)
        length = noise.choice([len(journal), noise.randrange(len(journal))])
        torn.index.write_bytes(noise.choice([half, torn.good]))
        torn.journal.write_bytes(damaged[:length])
        assert torn.is_mended(), f"byte {position}, {length} bytes; {plan.REPLAY}"


def test_a_journal_without_its_index_changes_nothing(torn: Listing) -> None:
    torn.index.unlink()
    assert torn.is_mended()


@pytest.mark.parametrize("how", ["EXCLUSIVE", "IMMEDIATE"])
def test_an_index_locked_by_another_process_is_done_without(
    listing: Listing, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_BUSY_S", 0.01)
    with elsewhere(lambda: damages.lock_database(listing.index, how)):
        for _ in range(3):
            listing.touch_run()
            assert listing.read_list() == listing.truth
    assert listing.is_mended()


def _index_as_before(listing: Listing) -> None:
    """Nothing to do."""


def _index_damaged(listing: Listing) -> None:
    listing.index.write_bytes(listing.good[:5000])


def _index_missing(listing: Listing) -> None:
    listing.index.unlink()


def _journal_stray(listing: Listing) -> None:
    assert builders.fork(lambda: _die_within_a_transaction(listing.index)) == -signal.SIGKILL


@pytest.mark.parametrize(
    "damage", [_index_as_before, _index_damaged, _index_missing, _journal_stray]
)
@pytest.mark.parametrize("mode", [0o555, 0o444])
def test_a_folder_that_may_not_be_written_lists_what_may_be_read(
    listing: Listing, damage: Callable[[Listing], None], mode: int, ordinary: Callable[[], None]
) -> None:
    damage(listing)
    listing.touch_run()

    def read() -> None:
        ordinary()
        records = listing.registry.records()
        if mode & 0o111:
            assert list(map(encode_sealed, records)) == listing.truth
        else:
            assert [record.state.value for record in records] == ["unknown"] * _NUM_RUNS
            assert all("Permission denied" in record.problem for record in records)

    listing.registry.path.chmod(mode)
    try:
        assert builders.fork(read) == 0
    finally:
        listing.registry.path.chmod(0o755)
    assert listing.is_mended()
