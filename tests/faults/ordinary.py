"""Being an ordinary user, whom permissions bind, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

from tests import builders

_PR_CAPBSET_DROP = 24
_CAPABILITIES_VERSION = 0x20080522
_OVERRIDING = (1, 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def be_ordinary() -> None:
    """Give up root's power over permissions, for good, here and in programs started from here.

    Raises:
        OSError: the system does not let go of it.
    """
    if os.geteuid() != 0:
        return
    if sys.platform != "linux":
        raise OSError("only Linux divides the powers of root")
    system = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_CAPABILITIES_VERSION, 0), (_Sets * 2)()
    for capability in _OVERRIDING:
        _demand(system.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0))
    _demand(system.capget(ctypes.byref(header), sets))
    for capability in _OVERRIDING:
        sets[0].effective &= ~(1 << capability)
        sets[0].permitted &= ~(1 << capability)
    _demand(system.capset(ctypes.byref(header), sets))


def _demand(status: int) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), "the powers of root stay")


def can_be_ordinary(folder: Path) -> bool:
    """Whether a process can come to be bound by permissions; tried out in an empty folder."""

    def try_it() -> None:
        try:
            be_ordinary()
            (folder / "file").touch()
        except PermissionError:
            os._exit(0)
        except OSError:
            os._exit(1)
        os._exit(2)

    folder.chmod(0o500)
    return builders.fork(try_it) == 0
