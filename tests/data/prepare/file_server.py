"""A server of one file on this machine, which misbehaves where it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What is served, and how; `asked` are the ranges that were asked for, in order.

    Attributes:
        break_after: Bytes after which the connection is closed, for each answer in turn.
        answers: Statuses that are given instead, in turn.
        hang: Whether nothing comes after the head.
        lead_to: Where every address leads on to.
        ranges: Whether parts are given.
        etag: What this version is called; nothing where it is not.
        length: Whether the length is told.
        told_length: What is told instead of it, if anything.
        wrong_range: Whether another part is told than is given.
        raw: Answers in place of all this.
    """

    content: bytes
    break_after: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    hang: threading.Event | None = None
    lead_to: str = ""
    ranges: bool = True
    etag: str = '"one"'
    length: bool = True
    told_length: int = 0
    wrong_range: bool = False
    raw: Callable[[BaseHTTPRequestHandler], object] | None = None
    asked: list[str] = field(default_factory=list)
    url: str = ""


@contextmanager
def serve(served: Served) -> Iterator[Served]:
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            _answer(self, served)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}/data.bin"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        if served.hang is not None:
            served.hang.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(handler: BaseHTTPRequestHandler, served: Served) -> None:
    asked = handler.headers.get("Range", "")
    served.asked.append(asked)
    if served.raw is not None:
        # Whoever is answered so may well have gone.
        with suppress(OSError):
            served.raw(handler)
        return
    if served.answers:
        handler.send_error(served.answers.pop(0))
        return
    if served.lead_to:
        handler.send_response(302)
        handler.send_header("Location", served.lead_to)
        handler.end_headers()
        return
    start, size = 0, len(served.content)
    if asked and served.ranges and handler.headers.get("If-Range") == served.etag:
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start >= size:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{size}")
            handler.end_headers()
            return
        handler.send_response(206)
        shown = start + 1 if served.wrong_range else start
        handler.send_header("Content-Range", f"bytes {shown}-{size - 1}/{size}")
    else:
        handler.send_response(200)
    if served.etag:
        handler.send_header("ETag", served.etag)
    if served.length:
        handler.send_header("Content-Length", str(served.told_length or size - start))
    handler.end_headers()
    if served.hang is not None:
        handler.wfile.flush()
        served.hang.wait(20)
        return
    stop = served.break_after.pop(0) if served.break_after else size
    handler.wfile.write(served.content[start : start + stop])
