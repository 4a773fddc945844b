"""The dashboard in a browser of this machine, through textual-serve's page and protocol."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from importlib import resources

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError

from tui_trainer.core.text_safety import sanitize_lines
from tui_trainer.errors import ExitStatus, UsageError
from tui_trainer.serve.gate import ADDRESS, Door, Gate
from tui_trainer.serve.session import BrowserSession, clip_cells

MOST_SESSIONS = 8
_MOST_MESSAGE_BYTES = 1 << 16
_HEARTBEAT_S = 15.0
_CLOSE_S = 10.0
_REFUSAL = "Open the address that tuitrain printed, on the machine that it runs on.\n"
_FILES = {
    "xterm.css": ("css/xterm.css", "text/css"),
    "textual.js": ("js/textual.js", "text/javascript"),
    "RobotoMono.ttf": ("fonts/RobotoMono-VariableFont_wght.ttf", "font/ttf"),
}


class DashboardServer:
    """Gives each browser window a dashboard of its own, made by `command`."""

    def __init__(self, command: Sequence[str], gate: Gate) -> None:
        self._command = list(command)
        self._gate = gate
        self._sockets: set[web.WebSocketResponse] = set()
        self._page = _read_page(gate)
        self._files = {name: _read_static(path) for name, (path, _) in _FILES.items()}

    def make_app(self) -> web.Application:
        """The application; nothing that it serves is looked up on disk."""
        app = web.Application(middlewares=[self._check])
        path = self._gate.path
        app.router.add_get(f"{path}/", self._show_page, allow_head=False)
        app.router.add_get(f"{path}/static/{{name}}", self._send_file, allow_head=False)
        app.router.add_get(f"{path}/ws", self._connect, allow_head=False)
        app.on_response_prepare.append(self._add_headers)
        app.on_shutdown.append(self._close_sockets)
        return app

    @web.middleware
    async def _check(
        self,
        request: web.Request,
        handler: Callable[[web.Request], object],
    ) -> web.StreamResponse:
        is_upgrade = "Upgrade" in request.headers or request.path.endswith("/ws")
        door: Door = "socket" if is_upgrade else "page"
        if not self._gate.admits(door, request.path, request.headers):
            raise web.HTTPForbidden(text=_REFUSAL)
        return await handler(request)  # type: ignore[misc, no-any-return]

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._gate.headers)

    async def _show_page(self, request: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html")

    async def _send_file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound
        return web.Response(body=self._files[name], content_type=_FILES[name][1])

    async def _connect(self, request: web.Request) -> web.WebSocketResponse:
        if len(self._sockets) >= MOST_SESSIONS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_SESSIONS} windows are open already.\n")
        websocket = web.WebSocketResponse(heartbeat=_HEARTBEAT_S, max_msg_size=_MOST_MESSAGE_BYTES)
        self._sockets.add(websocket)
        try:
            await websocket.prepare(request)
            await self._converse(
                websocket, _cells(request, "width", 80), _cells(request, "height", 24)
            )
        finally:
            self._sockets.discard(websocket)
        return websocket

    async def _converse(self, websocket: web.WebSocketResponse, width: int, height: int) -> None:
        session = BrowserSession(self._command, websocket)
        try:
            await session.start(width, height)
            async for message in websocket:
                if message.type is WSMsgType.TEXT:
                    await session.obey(message.data)
        finally:
            # The browser may be gone in a way that ends this task: the process is ended anyway.
            await asyncio.shield(session.stop())

    async def _close_sockets(self, app: web.Application) -> None:
        for websocket in list(self._sockets):
            await websocket.close(code=WSCloseCode.GOING_AWAY)


def _cells(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    return clip_cells(int(text)) if text.isdecimal() and len(text) < 6 else default


def _read_page(gate: Gate) -> str:
    page = resources.files("tui_trainer.serve").joinpath("page.html").read_text("utf-8")
    return page.replace("SOCKET_URL", gate.socket_url)


def _read_static(path: str) -> bytes:
    return resources.files("textual_serve").joinpath("static", path).read_bytes()


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Whether an error is worth a line: anybody on this machine can send what is no request."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


def open_port(port: int) -> socket.socket:
    """Take a port of the loopback address, any free one for 0.

    Raises:
        UsageError: it is taken, or only for the superuser.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ADDRESS, port))
    except OSError as error:
        listener.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES, errno.EPERM):
            raise
        what = "is taken" if error.errno == errno.EADDRINUSE else "is not for everyone"
        raise UsageError(
            f"Port {port} {what}.", "Name another with --port, or none for a free one."
        ) from error
    return listener


@contextlib.asynccontextmanager
async def serving(command: Sequence[str], port: int = 0) -> AsyncIterator[Gate]:
    """Serve until the end of the block; every dashboard has ended then."""
    listener = open_port(port)
    gate = Gate(listener.getsockname()[1])
    logger = logging.getLogger(__name__)
    logger.addFilter(_is_our_fault)
    runner = web.AppRunner(
        DashboardServer(command, gate).make_app(),
        access_log=None,
        logger=logger,
        shutdown_timeout=_CLOSE_S,
    )
    try:
        await runner.setup()
        await web.SockSite(runner, listener).start()
        yield gate
    finally:
        await runner.cleanup()
        listener.close()


class _Talk:
    """Where textual-serve prints what a dashboard complained of at its end."""

    def write(self, text: str) -> int:
        sys.stderr.write(sanitize_lines(text))
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()


def serve(command: Sequence[str], port: int, announce: Callable[[str], None]) -> ExitStatus:
    """Serve until Ctrl-C, which is a way to end, or SIGTERM; `announce` is told the address."""
    return asyncio.run(_serve(command, port, announce))


async def _serve(command: Sequence[str], port: int, announce: Callable[[str], None]) -> ExitStatus:
    ended: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
    statuses = {
        signal.SIGINT: ExitStatus.DONE,
        signal.SIGTERM: ExitStatus.TERMINATED,
        signal.SIGHUP: ExitStatus.DONE,
    }
    for number, status in statuses.items():
        asyncio.get_running_loop().add_signal_handler(number, _settle, ended, status)
    async with serving(command, port) as gate:
        announce(gate.url)
        # Standard output is for the address alone.
        with contextlib.redirect_stdout(_Talk()):
            return await ended


def _settle(ended: asyncio.Future[ExitStatus], status: ExitStatus) -> None:
    if not ended.done():
        ended.set_result(status)
