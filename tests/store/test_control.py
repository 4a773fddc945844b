"""Requests to a running worker."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import OTHER_SESSION, SESSION
from tui_trainer import paths
from tui_trainer.errors import StorageError
from tui_trainer.store.control import Inbox, Request, submit


def _publish(run: Path, name: str, content: bytes) -> Path:
    folder = run / paths.CONTROL
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def _request(**changes: object) -> bytes:
    values = {"id": "a", "session": SESSION, "request": "stop", "by": "someone", **changes}
    return msgspec.json.encode(values)


def test_a_request_arrives_as_it_was_asked(tmp_path: Path) -> None:
    asked = submit(tmp_path, SESSION, "set", {"optimizer.lr": 0.5})
    assert Inbox(tmp_path).take() == [asked]
    assert (asked.request, asked.arguments) == ("set", {"optimizer.lr": 0.5})
    assert asked.by


def test_a_request_is_a_private_file_named_by_session_and_id(tmp_path: Path) -> None:
    asked = submit(tmp_path, SESSION, "stop")
    folder = tmp_path / paths.CONTROL
    assert os.listdir(folder) == [f"{SESSION}-{asked.id}.json"]
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_request_is_taken_once_and_its_file_stays_until_answered(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    asked = submit(tmp_path, SESSION, "pause")
    assert inbox.take() == [asked]
    assert os.listdir(tmp_path / paths.CONTROL)
    assert inbox.take() == []
    inbox.discard(asked)
    inbox.discard(asked)
    assert os.listdir(tmp_path / paths.CONTROL) == []
    assert inbox.take() == []


def test_a_copy_of_an_answered_request_is_not_taken_again(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    asked = submit(tmp_path, SESSION, "pause")
    (file,) = (tmp_path / paths.CONTROL).iterdir()
    content = file.read_bytes()
    assert inbox.take() == [asked]
    inbox.discard(asked)
    file.write_bytes(content)
    assert inbox.take() == []


def test_requests_come_in_the_order_they_were_made(tmp_path: Path) -> None:
    asked = [submit(tmp_path, SESSION, "pause" if n % 2 else "continue") for n in range(30)]
    # As on a file system whose clock did not tick in between.
    for file in (tmp_path / paths.CONTROL).iterdir():
        os.utime(file, ns=(1, 1))
    assert Inbox(tmp_path).take() == asked


def test_a_request_for_another_session_is_handed_on_to_be_refused(tmp_path: Path) -> None:
    stale = submit(tmp_path, OTHER_SESSION, "stop")
    inbox = Inbox(tmp_path)
    assert [asked.session for asked in inbox.take()] == [OTHER_SESSION]
    inbox.discard(stale)
    assert os.listdir(tmp_path / paths.CONTROL) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"[]",
        b"{}",
        pytest.param(b'{"x":' + b"[" * 60_000, id="deep"),
        _request(request="format-disk"),
        _request(arguments={"lr": [1]}),
        pytest.param(_request(by="x" * 70_000), id="too long"),
    ],
)
def test_a_file_that_is_no_request_goes(tmp_path: Path, content: bytes) -> None:
    file = _publish(tmp_path, f"{SESSION}-a.json", content)
    assert Inbox(tmp_path).take() == []
    assert not file.exists()


@pytest.mark.parametrize(
    ("name", "request_id", "session"),
    [
        (f"{SESSION}-b.json", "a", SESSION),
        (f"{OTHER_SESSION}-a.json", "a", SESSION),
        ("x.json", "../../../victim", SESSION),
        ("x.json", "a", "../../victim"),
        ("x.json", "a", "/etc/victim"),
        ("x.json", "", ""),
    ],
)
def test_a_request_under_another_name_goes(
    tmp_path: Path, name: str, request_id: str, session: str
) -> None:
    run = tmp_path / "run1"
    run.mkdir()
    victim = tmp_path / "victim-a.json"
    victim.touch()
    file = _publish(run, name, _request(id=request_id, session=session))
    assert Inbox(run).take() == []
    assert not file.exists()
    assert victim.exists()


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    folder = tmp_path / paths.CONTROL
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    secret = tmp_path / "secret"
    secret.write_bytes(_request())
    (folder / f"{SESSION}-a.json").symlink_to(secret)
    (folder / ".hidden.json").write_bytes(_request())
    (folder / "unfinished.tmp").write_bytes(b"")
    asked = submit(tmp_path, SESSION, "stop")
    assert inbox.take() == [asked]
    assert secret.exists()


@settings(max_examples=30)
@given(st.binary(max_size=100))
def test_any_bytes_are_taken_without_an_exception(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes
) -> None:
    run = tmp_path_factory.getbasetemp()
    inbox = Inbox(run)
    _publish(run, "noise.json", noise)
    assert inbox.take() == []


def test_every_request_has_an_id_of_its_own(tmp_path: Path) -> None:
    asked: list[Request] = [submit(tmp_path, SESSION, "checkpoint") for _ in range(5)]
    assert len({each.id for each in asked}) == 5


def test_a_session_that_is_a_path_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "run1"
    run.mkdir(parents=True)
    with pytest.raises(StorageError, match="names no session"):
        submit(run, "../../outside", "stop")
    assert not list(tmp_path.rglob("*outside*"))


def test_a_folder_removed_but_for_what_the_worker_writes_is_told(tmp_path: Path) -> None:
    lease = tmp_path / paths.WORKER_LEASE
    lease.write_text("session")
    inbox = Inbox(tmp_path)
    assert inbox.take() == []
    lease.unlink()
    with pytest.raises(StorageError, match="removed or moved"):
        inbox.take()


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_folder_that_goes_under_its_worker_is_told(tmp_path: Path, how: str) -> None:
    run = tmp_path / "run1"
    run.mkdir()
    inbox = Inbox(run)
    assert inbox.take() == []
    run.rename(tmp_path / "elsewhere")
    if how == "removed":
        shutil.rmtree(tmp_path / "elsewhere")
    if how == "replaced":
        run.mkdir()
    with pytest.raises(StorageError, match="removed or moved"):
        inbox.take()
    assert run.exists() == (how == "replaced")
