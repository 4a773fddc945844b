"""Signal handlers of a worker: they set flags, the work polls them."""

from __future__ import annotations

import os
import signal
from types import FrameType

from tui_trainer.errors import ExitStatus
from tui_trainer.train.interrupts import Interrupts

_STATUS = {
    signal.SIGINT: ExitStatus.INTERRUPTED,
    signal.SIGTERM: ExitStatus.TERMINATED,
}


def install_handlers(interrupts: Interrupts) -> None:
    """Turn SIGINT, SIGTERM and SIGUSR1 into requests; outlive a closed terminal.

    The second SIGINT or SIGTERM ends the process at once: what is durable stays.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        if interrupts.stop_signal is not None:
            os._exit(exit_status_of(number))
        interrupts.stop_signal = number

    def checkpoint(number: int, frame: FrameType | None) -> None:
        interrupts.wants_checkpoint = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGUSR1, checkpoint)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def exit_status_of(number: int | None) -> ExitStatus:
    """The exit status of a worker that a signal stopped; done where none did."""
    return ExitStatus.DONE if number is None else _STATUS[signal.Signals(number)]
