"""One browser's dashboard: a process of its own behind a WebSocket."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
from collections.abc import Sequence

from aiohttp import web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

_DRIVER = "tui_trainer.dashboard.served_driver:ServedDriver"
_MOST_CELLS = 500
_END_S = 5.0


class BrowserSession(AppService):
    """Runs `command` and carries its screen to the browser, and the browser's keys to it.

    Whatever else the two could ask of each other, files and addresses to open, is let fall.
    """

    def __init__(self, command: Sequence[str], websocket: web.WebSocketResponse) -> None:
        async def close() -> None:
            await websocket.close()

        super().__init__(
            # The shell that textual-serve starts becomes the dashboard, and is no third process.
            f"exec {shlex.join(command)}",
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=close,
            download_manager=DownloadManager(),
        )
        self._websocket = websocket

    def _build_environment(self, width: int = 80, height: int = 24) -> dict[str, str]:
        """The environment of the dashboard: that of a good terminal, whatever this one is."""
        environment = super()._build_environment(width, height)
        environment.pop("COLORFGBG", None)
        own = {"TEXTUAL_DRIVER": _DRIVER, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        glyphs = os.environ.get("TUITRAIN_GLYPHS") or "braille"
        return environment | own | {"TUITRAIN_GLYPHS": glyphs}

    async def obey(self, text: str) -> None:
        """Do what our page asks; what it would never ask is let fall."""
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return
        match message:
            case ["stdin", str(keys)]:
                data = keys.encode("utf-8", "ignore")
                # Textual takes a packet without bytes for the end of all input.
                if data:
                    await self.send_bytes(data)
            case ["resize", {"width": int(width), "height": int(height)}]:
                await self.set_terminal_size(clip_cells(width), clip_cells(height))
            case ["ping", str(stamp)]:
                await self._websocket.send_json(["pong", stamp])
            case ["focus"]:
                await self.focus()
            case ["blur"]:
                await self.blur()

    async def on_meta(self, data: bytes) -> None:
        """Close when the dashboard ends; it may open no address and hand out no file."""
        if json.loads(data).get("type") == "exit":
            await self.remote_close()

    async def on_packed(self, payload: bytes) -> None:
        """Parts of files: not asked for."""

    async def run(self) -> None:
        """Carry the screen until the dashboard ends, however it does."""
        try:
            await super().run()
        finally:
            await self.remote_close()

    async def stop(self) -> None:
        """End the dashboard: by asking, then by force."""
        process = self._process
        if process is None:
            return
        try:
            await asyncio.wait_for(super().stop(), _END_S)
            await asyncio.wait_for(process.wait(), _END_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def clip_cells(count: int) -> int:
    """A width or height that a screen can have."""
    return min(max(int(count), 1), _MOST_CELLS)
