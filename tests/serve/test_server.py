"""The dashboard in a browser: who may come in, and what can be done there."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from aiohttp.client_exceptions import WSServerHandshakeError
from multidict import CIMultiDict, CIMultiDictProxy

from tests.command import PATIENCE_S, Home, wait_until
from tests.dashboard.conftest import MadeRun
from tui_trainer.dashboard.screens.steering import ONLY_WATCHES
from tui_trainer.errors import UsageError
from tui_trainer.serve import server
from tui_trainer.serve.gate import Gate
from tui_trainer.serve.server import open_port, serving
from tui_trainer.store.registry import Registry


def command_for(registry: Registry, *more: str) -> list[str]:
    runs = ["--runs", str(registry.path)]
    return [sys.executable, "-P", "-m", "tui_trainer", "dashboard", *runs, *more]


@pytest.fixture
def live_run(registry: Registry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    monkeypatch.setenv("TUITRAIN_STATE", str(tmp_path / "state"))
    run = MadeRun(registry, "shown", live=True)
    run.train()
    yield run
    run.close()


class Window:
    """What a browser window would do and get."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.stream = ""
        self.others: list[str] = []

    @property
    def text(self) -> str:
        """All that was ever drawn, without what draws it."""
        return re.sub(r"\x1b\[[0-9;?$]*[a-zA-Z]", "", self.stream)

    async def press(self, keys: str) -> None:
        await self.socket.send_json(["stdin", keys])

    async def wait_for(self, *words: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not all(word in self.text for word in words):
            assert time.monotonic() < deadline, self.text[-3000:]
            try:
                message = await self.socket.receive(timeout=PATIENCE_S)
            except TimeoutError:
                raise AssertionError(f"nothing more came after: {self.text[-3000:]}") from None
            assert message.type in (WSMsgType.BINARY, WSMsgType.TEXT), self.text[-3000:]
            if message.type is WSMsgType.BINARY:
                self.stream += message.data.decode()
            else:
                self.others.append(message.data)

    async def wait_for_end(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            async for _ in self.socket:
                pass
        assert self.socket.closed


@asynccontextmanager
async def open_window(client: ClientSession, gate: Gate) -> AsyncIterator[Window]:
    url = f"http://{gate.host}{gate.path}/ws?width=110&height=30"
    async with client.ws_connect(url, origin=gate.origin) as socket:
        yield Window(socket)


def dashboards(registry: Registry) -> list[psutil.Process]:
    """The processes of this registry's dashboards."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if str(registry.path) in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


async def until(condition: Callable[[], object], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, what)


async def test_a_window_shows_the_runs_and_may_not_steer_them(
    registry: Registry, live_run: MadeRun
) -> None:
    async with serving(command_for(registry, "--read-only")) as gate, ClientSession() as client:
        async with client.get(gate.url) as answer:
            page = await answer.text()
        assert answer.status == 200 and gate.socket_url in page
        for name in re.findall(r'(?:href|src)="(static/[^"]+)"', page):
            async with client.get(gate.url + name) as answer:
                assert answer.status == 200 and len(await answer.read()) > 1000
        async with open_window(client, gate) as window:
            await window.wait_for("run1", "shown", "running")
            await window.press("\r")
            await window.wait_for("step", "loss", "25/30")
            await window.press("c")
            await window.wait_for(ONLY_WATCHES[:40])
            window.stream = ""
            await window.press("q")
            await window.wait_for("1 run", "dataset")
            await window.press("q")
            await window.wait_for_end()
        assert not live_run.requests
        assert not window.others
        async with open_window(client, gate) as window:
            await window.wait_for("run1")
    assert not dashboards(registry)


async def test_with_control_a_key_reaches_the_run(registry: Registry, live_run: MadeRun) -> None:
    command = command_for(registry, "--", "run1")
    async with (
        serving(command) as gate,
        ClientSession() as client,
        open_window(client, gate) as window,
    ):
        await window.wait_for("25/30")
        await window.press("c")
        await until(lambda: live_run.requests, "the request")
    request = json.loads(live_run.requests[0].read_bytes())
    assert "checkpoint" in json.dumps(request)


def forged(gate: Gate) -> dict[str, tuple[str, dict[str, str]]]:
    """Requests that are not our page's: a path, and headers beside the right Origin."""
    right = gate.path
    wrong = f"/{'x' * len(gate.token)}"
    return {
        "no token": ("", {}),
        "the root": ("/", {}),
        "wrong token": (f"{wrong}/", {}),
        "part of the token": (f"{right[:-1]}/", {}),
        "more than the token": (f"{right}x/", {}),
        "token elsewhere": (f"/?token={gate.token}", {}),
        "static without token": ("/static/textual.js", {}),
        "socket without token": ("/ws", {}),
        "no characters": ("/%ff%fe/", {}),
        "a name that points here": (f"{right}/", {"Host": f"evil.example:{gate.port}"}),
        "localhost by name": (f"{right}/", {"Host": f"localhost:{gate.port}"}),
        "another port": (f"{right}/", {"Host": "127.0.0.1:1"}),
        "a page from elsewhere": (f"{right}/", {"Origin": "http://evil.example"}),
        "a page of another port": (f"{right}/", {"Origin": "http://127.0.0.1:1"}),
        "a page from a file": (f"{right}/", {"Origin": "null"}),
    }


async def test_nobody_else_comes_in(registry: Registry) -> None:
    async with serving(command_for(registry)) as gate, ClientSession() as client:
        base = f"http://{gate.host}"
        for what, (path, headers) in forged(gate).items():
            async with client.get(base + path, headers=headers) as answer:
                text = await answer.text()
            assert answer.status == 403, what
            assert gate.token not in text
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        for path, headers in (
            ("/ws", {"Origin": gate.origin}),
            (f"{gate.path}/ws", {}),
            (f"{gate.path}/ws", {"Origin": "http://evil.example"}),
            (f"{gate.path}/ws", {"Origin": "http://127.0.0.1:1"}),
            (f"{gate.path}/ws", {"Origin": f"{gate.origin}.evil.example"}),
            (f"{gate.path}/ws", {"Origin": gate.origin, "Host": "evil.example"}),
        ):
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.ws_connect(base + path, headers=headers)
            assert refused.value.status == 403, (path, headers)
    assert not dashboards(registry)


async def test_nothing_but_the_page_and_its_files_is_there(registry: Registry) -> None:
    async with serving(command_for(registry)) as gate, ClientSession() as client:
        for path in ("static", "static/", "static/../server.py", "static/%2e%2e%2fserver.py",
                     "static/js/textual.js", "download/x", "static/page.html"):  # fmt: skip
            async with client.get(f"{gate.url}{path}") as answer:
                assert answer.status in (403, 404), path
                assert "import" not in await answer.text()
        async with client.post(gate.url, data=b"x") as answer:
            assert answer.status == 405


def test_the_gate_wants_each_header_once_and_whole() -> None:
    gate = Gate(8000)
    host, origin = ("Host", "127.0.0.1:8000"), ("Origin", "http://127.0.0.1:8000")

    def admits(path: str, *headers: tuple[str, str], door: Any = "socket") -> bool:
        return gate.admits(door, path, CIMultiDictProxy(CIMultiDict(headers)))

    path = f"{gate.path}/ws"
    assert admits(path, host, origin)
    assert admits(path, host, door="page")
    assert not admits(path, host)
    assert not admits(path, origin)
    assert not admits(path, host, host, origin)
    assert not admits(path, host, origin, origin)
    assert not admits(path, host, origin, ("Origin", "http://evil.example"))
    assert not admits("", host, origin)
    assert not admits("*", host, origin)
    assert not admits(f"//{gate.token}/ws", host, origin)
    assert not admits(f"/{gate.token}\udcff/ws", host, origin)
    assert Gate(80).url.startswith("http://127.0.0.1/")


def test_every_token_is_new_and_long() -> None:
    tokens = {Gate(1).token for _ in range(100)}
    assert len(tokens) == 100 and min(map(len, tokens)) >= 43


async def test_what_is_no_request_is_refused_and_leaves_no_word(
    registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(command_for(registry)) as gate:
        for odd in (b"\x00\xff\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
            writer.write(odd)
            assert (await reader.readline()).split()[1] == b"400"
            writer.close()
    assert not caplog.records


async def test_an_error_of_the_server_is_logged(
    registry: Registry, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Gate, "admits", lambda *_: 1 // 0)
    async with (
        serving(command_for(registry)) as gate,
        ClientSession() as client,
        client.get(gate.url) as answer,
    ):
        assert answer.status == 500 and "Zero" not in await answer.text()
    assert "ZeroDivisionError" in caplog.text


async def test_what_our_page_would_not_say_is_let_fall(
    registry: Registry, live_run: MadeRun
) -> None:
    async with serving(command_for(registry)) as gate, ClientSession() as client:
        async with open_window(client, gate) as window:
            for odd in ("", "{}", "[", "[[[[", "5", '["quit"]', '["stdin", 5]', '["stdin"]',
                        '["resize", {"width": "x", "height": 3}]', '["resize", {}]',
                        '["stdin", "\\ud800"]', '["stdin", ""]', "[" * 5000):  # fmt: skip
                await window.socket.send_str(odd)
            await window.socket.send_bytes(b"\x00\xff")
            await window.socket.send_json(["resize", {"width": -1, "height": 10**9}])
            await window.socket.send_json(["resize", {"width": 90, "height": 20}])
            await window.socket.send_json(["ping", "7"])
            await window.wait_for("run1")
            await until_pong(window)
        async with open_window(client, gate) as window:
            await window.wait_for("run1")
            await window.socket.send_str("x" * 100_000)
            await window.wait_for_end()


async def test_a_size_among_the_keys_is_none(registry: Registry, live_run: MadeRun) -> None:
    async with (
        serving(command_for(registry)) as gate,
        ClientSession() as client,
        open_window(client, gate) as window,
    ):
        await window.wait_for("run1")
        # What a terminal says of its size when asked: it would be drawn until memory is full.
        await window.press("\x1b[48;100000;100000;1;1t")
        await window.press("?")
        await window.wait_for("to the run above")


async def until_pong(window: Window) -> None:
    await window.press("?")
    await window.wait_for("to the run above")
    assert window.others == ['["pong", "7"]']


async def test_no_more_windows_than_a_machine_bears(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_SESSIONS", 1)
    async with serving(command_for(registry)) as gate, ClientSession() as client:
        async with open_window(client, gate) as window:
            await window.wait_for("no runs here yet")
            with pytest.raises(WSServerHandshakeError) as refused:
                async with open_window(client, gate):
                    pass
            assert refused.value.status == 503
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            # A window that was closed counts until its dashboard has ended.
            try:
                async with open_window(client, gate) as window:
                    await window.wait_for("no runs here yet")
                return
            except WSServerHandshakeError:
                await asyncio.sleep(0.01)
        raise AssertionError("the first window still counts")


async def test_a_command_that_fails_ends_its_window() -> None:
    async with (
        serving(["sh", "-c", "exit 3"]) as gate,
        ClientSession() as client,
        open_window(client, gate) as window,
    ):
        await window.wait_for_end()
        assert not window.stream


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with open_port(0) as taken:
        port = taken.getsockname()[1]
        taken.listen()
        with pytest.raises(UsageError, match=f"Port {port} is taken") as error:
            open_port(port)
        assert "--port" in error.value.hint


def test_a_port_for_the_superuser_is_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Refusing(server.socket.socket):
        def bind(self, _: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(server.socket, "socket", Refusing)
    with pytest.raises(UsageError, match="Port 80 is not for everyone"):
        open_port(80)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_the_command_prints_the_address_and_ends_when_told(
    home: Home, number: signal.Signals, status: int
) -> None:
    process = home.start("dashboard", "--serve")
    assert process.stdout is not None
    url = process.stdout.readline()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{43}/\n", url)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, stdout) == (status, "")
    assert "can watch these runs" in stderr and url.strip() not in stderr


def test_a_dashboard_ends_with_its_server(home: Home) -> None:
    process = home.start("dashboard", "--serve")
    assert process.stdout is not None
    url = process.stdout.readline().strip()

    async def open_and_kill() -> list[psutil.Process]:
        port, token = url.removeprefix("http://127.0.0.1:").rstrip("/").split("/")
        gate = Gate(int(port), token)
        async with ClientSession() as client, open_window(client, gate) as window:
            await window.wait_for("no runs here yet")
            children = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            return children

    children = asyncio.run(open_and_kill())
    process.communicate()
    assert len(children) == 1
    wait_until(lambda: not any(map(is_alive, children)), "the end of the dashboard")


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
