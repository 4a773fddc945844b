"""Opening addresses over HTTP, whatever a server answers.

Only http and https are spoken, certificates are verified, and https never leads to http. The
proxies of the environment are used. What comes with a redirect is not read, and a head that comes
too slowly is not waited for.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import urllib.error
import urllib.request
from typing import IO, Any

from tui_trainer.core.text_safety import sanitize

_SHOWN_LENGTH = 200
# A head may take this many times the time-out that each piece of it has.
_HEAD_TIMES = 2


class DownloadError(Exception):
    """A file that could not be fetched; the reason is a clause for people."""


class _HeadLimit(http.client.HTTPConnection):
    """A connection on which an answer has to begin within a time, however it trickles."""

    def getresponse(self) -> http.client.HTTPResponse:
        """The answer, once its head is there.

        Raises:
            TimeoutError: it takes too long.
        """
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            # That of TLS would change what the other thread is reading from.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

        timer = threading.Timer(_HEAD_TIMES * (self.timeout or 0), give_up)
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()
        except (OSError, http.client.HTTPException) as error:
            if is_late.is_set():
                raise TimeoutError from error
            raise
        finally:
            timer.cancel()
        if is_late.is_set():
            # What broke off there is read as the end of the head.
            raise TimeoutError
        return response


class _Connection(_HeadLimit, http.client.HTTPConnection):
    pass


class _SecureConnection(_HeadLimit, http.client.HTTPSConnection):
    pass


class _HttpHandler(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_Connection, req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        # Its own context verifies certificates and names of hosts.
        return self.do_open(_SecureConnection, req)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not to what is less safe."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        scheme = newurl.partition(":")[0].lower()
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise DownloadError(f"it leads on to {sanitize(newurl, limit=_SHOWN_LENGTH)}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)

    def http_error_302(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
    ) -> Any:
        # It would be read to its end, which it may not have.
        fp.close()
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def make_opener() -> urllib.request.OpenerDirector:
    """What opens addresses: of files, ftp and the like it knows nothing."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _HttpHandler(),
        _HttpsHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirects(),
    ):
        opener.add_handler(handler)
    return opener


def describe(reason: object) -> str:
    """Why an address could not be opened or read, a clause for people."""
    if isinstance(reason, TimeoutError):
        return "it does not answer in time"
    if isinstance(reason, OSError) and reason.strerror:
        return sanitize(reason.strerror, limit=_SHOWN_LENGTH)
    return sanitize(str(reason), limit=_SHOWN_LENGTH) or type(reason).__name__
