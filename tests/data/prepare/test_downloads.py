"""Downloads: gone on with where they broke off, checked, and bounded, whatever a server does."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.prepare.file_server import Served, serve
from tui_trainer.data.prepare import downloads, http_opener
from tui_trainer.data.prepare.downloads import Patience, fetch_file
from tui_trainer.data.prepare.http_opener import DownloadError

CONTENT = bytes(range(256)) * 800
QUICK = Patience(timeout_s=30, waits_s=(0.0, 0.0), sleep=lambda seconds: None)
"""It waits between no attempts, but long enough for a server that answers on a busy machine."""


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def fetch(file: Path, *urls: str, content: bytes = CONTENT, **options: Any) -> None:
    usual = {"max_bytes": 1 << 20, "patience": QUICK} | options
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    fetch_file(urls, file, md5, **usual)


def test_a_file_is_fetched_with_its_progress_and_only_once(tmp_path: Path) -> None:
    told: list[tuple[int, int, str]] = []
    file = tmp_path / "new" / "data.bin"
    with serve(Served(CONTENT)) as served:
        fetch(file, served.url, report=lambda *figures: told.append(figures))
        fetch(file, served.url)
    assert file.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT), "data.bin")
    assert served.asked == [""]
    assert os.listdir(tmp_path / "new") == ["data.bin"]


def test_a_damaged_file_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT[:-1] + b"x")
    with serve(Served(CONTENT)) as served:
        fetch(tmp_path / "data.bin", served.url)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("ranges", [True, False])
def test_a_connection_that_breaks_off_is_taken_up_again(tmp_path: Path, ranges: bool) -> None:
    breaks = [5000, 7000, 1, 0, 60_000] if ranges else [5000]
    with serve(Served(CONTENT, break_after=breaks, ranges=ranges)) as served:
        fetch(tmp_path / "data.bin", served.url)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert served.asked[1] == "bytes=5000-"
    assert served.asked[2:4] == (["bytes=12000-", "bytes=12001-"] if ranges else [])


def test_another_call_goes_on_where_one_was_given_up(tmp_path: Path) -> None:
    with serve(Served(CONTENT, break_after=[9000, 0, 0, 0])) as served:
        with pytest.raises(DownloadError, match="broke off after 9,000 of 204,800 bytes"):
            fetch(tmp_path / "data.bin", served.url)
        assert (tmp_path / "data.bin.part").stat().st_size == 9000
        served.asked.clear()
        fetch(tmp_path / "data.bin", served.url)
    assert served.asked == ["bytes=9000-"]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_of_another_version_nothing_is_kept(tmp_path: Path) -> None:
    with serve(Served(b"old" * 9000, break_after=[9000, 0, 0, 0])) as served:
        with pytest.raises(DownloadError):
            fetch(tmp_path / "data.bin", served.url)
        served.content, served.etag = CONTENT, '"two"'
        fetch(tmp_path / "data.bin", served.url)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_without_a_name_for_the_version_all_is_fetched_again(tmp_path: Path, etag: str) -> None:
    with serve(Served(CONTENT, break_after=[9000], etag=etag)) as served:
        fetch(tmp_path / "data.bin", served.url)
    assert served.asked == ["", ""]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_part_that_is_whole_is_only_checked(tmp_path: Path) -> None:
    with serve(Served(CONTENT)) as served:
        (tmp_path / "data.bin.part").write_bytes(CONTENT)
        (tmp_path / "data.bin.part.tag").write_text(f'{served.url}\n"one"')
        fetch(tmp_path / "data.bin", served.url)
    assert served.asked == [f"bytes={len(CONTENT)}-"]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_part_that_is_too_long_is_fetched_again(tmp_path: Path) -> None:
    with serve(Served(CONTENT)) as served:
        (tmp_path / "data.bin.part").write_bytes(CONTENT + b"more")
        (tmp_path / "data.bin.part.tag").write_text(f'{served.url}\n"one"')
        fetch(tmp_path / "data.bin", served.url)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_another_part_than_asked_for_is_not_taken(tmp_path: Path) -> None:
    with serve(Served(CONTENT, break_after=[5000], wrong_range=True)) as served:
        fetch(tmp_path / "data.bin", served.url)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert served.asked == ["", "bytes=5000-", ""]


def test_the_wrong_file_is_not_kept(tmp_path: Path) -> None:
    with (
        serve(Served(b"a page that says sorry")) as served,
        pytest.raises(DownloadError, match="not the published file"),
    ):
        fetch(tmp_path / "data.bin", served.url)
    assert os.listdir(tmp_path) == []


def test_another_address_helps_where_the_first_does_not(tmp_path: Path) -> None:
    with serve(Served(b"wrong")) as wrong, serve(Served(CONTENT)) as right:
        fetch(tmp_path / "data.bin", wrong.url, right.url)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_a_server_that_hangs_is_given_up(tmp_path: Path) -> None:
    started = time.monotonic()
    with (
        serve(Served(CONTENT, hang=threading.Event())) as served,
        pytest.raises(DownloadError, match="does not answer in time"),
    ):
        fetch(tmp_path / "data.bin", served.url, patience=replace(QUICK, timeout_s=0.5))
    assert len(served.asked) == 3
    assert time.monotonic() - started < 15


def test_a_server_that_hardly_sends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_LEAST_IN_S", 0.0)
    monkeypatch.setattr(downloads, "_LEAST_BYTES", 1 << 30)
    with (
        serve(Served(CONTENT, ranges=False)) as served,
        pytest.raises(DownloadError, match="hardly sends"),
    ):
        fetch(tmp_path / "data.bin", served.url)


def test_failures_that_pass_are_waited_for(tmp_path: Path) -> None:
    waited: list[float] = []
    patience = Patience(timeout_s=30, waits_s=(1.0, 2.0), sleep=waited.append)
    with serve(Served(CONTENT, answers=[503, 429])) as served:
        fetch(tmp_path / "data.bin", served.url, patience=patience)
    assert waited == [1.0, 2.0]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410, 451])
def test_failures_that_stay_are_told_at_once(tmp_path: Path, status: int) -> None:
    with (
        serve(Served(CONTENT, answers=[status])) as served,
        pytest.raises(DownloadError, match=f"answers {status}"),
    ):
        fetch(tmp_path / "data.bin", served.url)
    assert len(served.asked) == 1


def test_redirects_are_followed_but_not_for_ever(tmp_path: Path) -> None:
    with serve(Served(CONTENT)) as served, serve(Served(b"", lead_to=served.url)) as first:
        fetch(tmp_path / "data.bin", first.url)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    with serve(Served(b"")) as circle:
        circle.lead_to = circle.url
        with pytest.raises(DownloadError):
            fetch(tmp_path / "other.bin", circle.url)
    assert len(circle.asked) < 20


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_only_http_is_spoken(tmp_path: Path, target: str) -> None:
    with (
        serve(Served(b"", lead_to=target)) as served,
        pytest.raises(DownloadError, match=r"leads on to|not allowed"),
    ):
        fetch(tmp_path / "data.bin", served.url)
    with pytest.raises(DownloadError, match="unknown url"):
        fetch(tmp_path / "data.bin", target)
    assert not (tmp_path / "data.bin").exists()


def test_https_does_not_lead_to_http(tmp_path: Path) -> None:
    import http.client
    import urllib.request

    request = urllib.request.Request("https://example.org/data")
    headers = http.client.HTTPMessage()
    with pytest.raises(DownloadError, match="leads on to http://example"):
        http_opener._Redirects().redirect_request(
            request,
            None,
            302,
            "Found",
            headers,
            "http://example.org/data",  # type: ignore[arg-type]
        )


def test_certificates_are_verified() -> None:
    context = http_opener._SecureConnection("example.org")._context
    assert context.check_hostname and context.verify_mode.name == "CERT_REQUIRED"


@pytest.mark.parametrize("length", [True, False])
def test_far_more_than_the_file_has_is_not_taken(tmp_path: Path, length: bool) -> None:
    with (
        serve(Served(bytes(3 << 20), length=length)) as served,
        pytest.raises(DownloadError, match="far more"),
    ):
        fetch(tmp_path / "data.bin", served.url)
    part = tmp_path / "data.bin.part"
    assert not part.exists() or part.stat().st_size < 2 << 20


def test_no_room_is_told_before_anything_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "_SPARE_BYTES", 1 << 60)
    with serve(Served(CONTENT)) as served, pytest.raises(OSError) as caught:
        fetch(tmp_path / "data.bin", served.url)
    assert caught.value.errno == errno.ENOSPC


def test_whoever_is_offline_is_told_soon(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/data.bin"
        waited: list[float] = []
        patience = Patience(timeout_s=2, waits_s=(1.0, 2.0, 4.0), sleep=waited.append)
        with pytest.raises(DownloadError, match="refused"):
            fetch(tmp_path / "data.bin", url, patience=patience)
    assert waited == [1.0]


@pytest.mark.parametrize(
    ("told_length", "reason"), [(1000, "not the published"), (300_000, "broke off")]
)
def test_a_length_that_is_wrong_is_told(tmp_path: Path, told_length: int, reason: str) -> None:
    with (
        serve(Served(CONTENT, told_length=told_length, ranges=False)) as served,
        pytest.raises(DownloadError, match=reason),
    ):
        fetch(tmp_path / "data.bin", served.url)
    assert not (tmp_path / "data.bin").exists()


@pytest.mark.parametrize("kept", [5000, len(CONTENT)])
def test_a_part_that_was_damaged_meanwhile_is_fetched_again(tmp_path: Path, kept: int) -> None:
    with serve(Served(CONTENT)) as served:
        (tmp_path / "data.bin.part").write_bytes(b"x" + CONTENT[1:kept])
        (tmp_path / "data.bin.part.tag").write_text(f'{served.url}\n"one"')
        fetch(tmp_path / "data.bin", served.url)
    assert served.asked == [f"bytes={kept}-", ""]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_the_wrong_file_is_fetched_twice_at_most(tmp_path: Path) -> None:
    with (
        serve(Served(CONTENT[::-1], break_after=[5000])) as served,
        pytest.raises(DownloadError, match="not the published file"),
    ):
        fetch(tmp_path / "data.bin", served.url)
    assert served.asked == ["", "bytes=5000-", ""]


@pytest.mark.parametrize(
    "target",
    ["http://[::1/", "http://a..b/", "http://127.0.0.1:99999999/", "http://127.0.0.1:x/", "http:"],
)
def test_an_address_that_cannot_be_is_told(tmp_path: Path, target: str) -> None:
    with serve(Served(b"", lead_to=target)) as served, pytest.raises(DownloadError):
        fetch(tmp_path / "data.bin", served.url)
    assert os.listdir(tmp_path) == []


def say(text: str) -> Callable[[BaseHTTPRequestHandler], object]:
    """An answer of these lines and nothing else."""
    return lambda handler: handler.wfile.write(text.replace("\n", "\r\n").encode())


HUGE = "9" * 5000


@pytest.mark.parametrize(
    "head",
    [
        f"HTTP/1.1 200 OK\nX: {'x' * 100_000}\n\n",
        "HTTP/1.1 200 OK\n" + "X: x\n" * 1000 + "\n",
        f"HTTP/1.1 {HUGE} OK\n\n",
        f"HTTP/1.1 200 OK\nContent-Length: {HUGE}\n\n",
        f"HTTP/1.1 206 Partial\nContent-Range: bytes 0-1/{HUGE}\n\n",
        f"HTTP/1.1 206 Partial\nContent-Range: bytes {HUGE}-1/2\n\n",
        f"HTTP/1.1 416 None\nContent-Range: bytes */{HUGE}\n\n",
        "HTTP/1.1 206 Partial\nContent-Range: bytes ٣-5/9\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\nzz\n",
        f"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n{HUGE}\n",
        "HTTP/1.1 302 Found\n\n",
        "nothing of HTTP\n",
        "",
    ],
    ids=range(13),
)
def test_a_head_that_cannot_be_is_told(tmp_path: Path, head: str) -> None:
    with serve(Served(b"", raw=say(head))) as served, pytest.raises(DownloadError):
        fetch(tmp_path / "data.bin", served.url)
    assert len(served.asked) <= 3


def trickle(piece: bytes, stop: threading.Event) -> Callable[[BaseHTTPRequestHandler], object]:
    """Answers piece by piece, each in time, without end."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        while not stop.wait(0.02):
            handler.wfile.write(piece)

    return answer


@pytest.mark.parametrize("piece", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
def test_a_head_without_end_is_given_up(tmp_path: Path, piece: bytes) -> None:
    stop = threading.Event()
    patience = Patience(timeout_s=0.2, waits_s=(0.0,), sleep=lambda seconds: None)
    try:
        with (
            serve(Served(b"", raw=trickle(piece, stop))) as served,
            pytest.raises(DownloadError, match=r"does not answer in time|more than 100 headers"),
        ):
            fetch(tmp_path / "data.bin", served.url, patience=patience)
    finally:
        stop.set()


def test_what_comes_with_a_redirect_is_not_read(tmp_path: Path) -> None:
    stop = threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: " + target.url.encode())
        handler.wfile.write(b"\r\nContent-Length: 99999999999\r\n\r\n")
        trickle(b"x" * 1000, stop)(handler)

    try:
        with serve(Served(CONTENT)) as target, serve(Served(b"", raw=answer)) as first:
            fetch(tmp_path / "data.bin", first.url)
            stop.set()
    finally:
        stop.set()
    assert (tmp_path / "data.bin").read_bytes() == CONTENT
    assert len(first.asked) == 1


def test_a_disk_that_fills_up_keeps_what_came(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serve(Served(CONTENT)) as served:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                fetch(tmp_path / "data.bin", served.url)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        fetch(tmp_path / "data.bin", served.url)
    assert served.asked == ["", "bytes=100000-"]
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


@given(st.lists(st.integers(1, 120_000), max_size=6), st.booleans(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_however_it_breaks_the_file_is_the_right_one(
    tmp_path_factory: pytest.TempPathFactory, breaks: list[int], ranges: bool, length: bool
) -> None:
    folder = tmp_path_factory.mktemp("fetched")
    with serve(Served(CONTENT, break_after=breaks, ranges=ranges, length=length)) as served:
        try:
            fetch(folder / "data.bin", served.url)
        except DownloadError:
            # Without ranges it never gets further; without a length the end is not known.
            assert not ranges or not length
            return
    assert (folder / "data.bin").read_bytes() == CONTENT
    assert os.listdir(folder) == ["data.bin"]
