"""Who may come in: whoever has the secret address, through our own page, from this machine.

The server listens on the loopback address alone, but any page in a browser here can send requests
to it, and so can every user of this machine. So a path must begin with the token, which unlike a
cookie is never sent to another port; the Host header must be ours, against names that are made to
point here; and so must the Origin of whatever connects to the socket.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Literal

from multidict import CIMultiDictProxy

ADDRESS = "127.0.0.1"
_TOKEN_BYTES = 32

Door = Literal["page", "socket"]


@dataclass(frozen=True)
class Gate:
    """The checks for a server on `port`."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES))

    @property
    def host(self) -> str:
        """The only Host header that is ours."""
        # A browser leaves out the port that is HTTP's own.
        return ADDRESS if self.port == 80 else f"{ADDRESS}:{self.port}"

    @property
    def origin(self) -> str:
        """The origin of our page."""
        return f"http://{self.host}"

    @property
    def path(self) -> str:
        """What every path of ours begins with."""
        return f"/{self.token}"

    @property
    def url(self) -> str:
        """The address to open."""
        return f"{self.origin}{self.path}/"

    @property
    def socket_url(self) -> str:
        """Where our page connects to."""
        return f"ws://{self.host}{self.path}/ws"

    def admits(self, door: Door, path: str, headers: CIMultiDictProxy[str]) -> bool:
        """Whether a request with this path and these headers may come in."""
        origins = headers.getall("Origin", [])
        is_ours = origins == [self.origin] or (door == "page" and not origins)
        return self._has_token(path) and headers.getall("Host", []) == [self.host] and is_ours

    def _has_token(self, path: str) -> bool:
        given = path.split("/", 2)[1] if path.startswith("/") else ""
        return hmac.compare_digest(
            given.encode("utf-8", "surrogateescape"), self.token.encode("ascii")
        )

    @property
    def headers(self) -> dict[str, str]:
        """What every answer tells the browser: to load nothing from elsewhere, and tell nobody."""
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
            f"font-src 'self'; img-src 'self' data:; connect-src 'self' ws://{self.host}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        return {
            "Content-Security-Policy": policy,
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cache-Control": "no-store",
        }
