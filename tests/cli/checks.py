"""What every error of the command line has to look like."""

from __future__ import annotations

import json
import re
from subprocess import CompletedProcess

from tests.command import CONTROL


def check_error(
    done: CompletedProcess[str], *, status: int, message: str, hint: str = "", talk: str = ""
) -> None:
    """One sentence on what is wrong, one on what to do, and nothing else but `talk`."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert not CONTROL.search(done.stderr)
    before, marker, told = done.stderr.partition("error: ")
    assert marker, done.stderr
    assert re.fullmatch(talk, before, re.DOTALL), before
    *problem, advice = told.splitlines()
    assert re.search(message, "\n".join(problem)), told
    assert re.search(hint, advice), told
    assert problem
    assert problem[0].endswith((".", ":"))
    assert advice.endswith((".", "?"))


def check_json_error(
    done: CompletedProcess[str], *, status: int, code: str, message: str
) -> dict[str, str]:
    """One JSON document, alone, with code, message and hint."""
    assert done.returncode == status, done.stderr
    document = json.loads(done.stdout)
    assert document.keys() == {"error"}
    error: dict[str, str] = document["error"]
    assert error.keys() == {"code", "message", "hint"}
    assert error["code"] == code
    assert re.search(message, error["message"]), error
    assert error["hint"]
    assert "Traceback" not in done.stderr
    return error
