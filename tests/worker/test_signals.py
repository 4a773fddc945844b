"""A worker's signal handlers: the first asks, the second ends."""

from __future__ import annotations

import os
import signal

import pytest

from tests.builders import fork
from tui_trainer.errors import ExitStatus
from tui_trainer.train.interrupts import Interrupts
from tui_trainer.worker.signals import exit_status_of, install_handlers


def signalled(*numbers: signal.Signals) -> Interrupts:
    interrupts = Interrupts()
    install_handlers(interrupts)
    for number in numbers:
        os.kill(os.getpid(), number)
    return interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_is_a_request(number: signal.Signals) -> None:
    def child() -> None:
        assert signalled(number).stop_signal == number

    assert fork(child) == 0


@pytest.mark.parametrize(
    ("numbers", "status"),
    [
        ((signal.SIGINT, signal.SIGINT), 130),
        ((signal.SIGTERM, signal.SIGTERM), 143),
        ((signal.SIGINT, signal.SIGTERM), 143),
        ((signal.SIGTERM, signal.SIGINT), 130),
    ],
)
def test_second_signal_ends_at_once(numbers: tuple[signal.Signals, ...], status: int) -> None:
    assert fork(lambda: signalled(*numbers)) == status


def test_checkpoint_can_be_asked_for_and_a_hang_up_is_outlived() -> None:
    def child() -> None:
        interrupts = signalled(signal.SIGHUP)
        assert not interrupts.is_pending
        os.kill(os.getpid(), signal.SIGUSR1)
        assert interrupts.wants_checkpoint
        assert interrupts.stop_signal is None

    assert fork(child) == 0


def test_exit_status_names_the_signal() -> None:
    assert exit_status_of(None) is ExitStatus.DONE
    assert exit_status_of(signal.SIGINT) is ExitStatus.INTERRUPTED
    assert exit_status_of(signal.SIGTERM) is ExitStatus.TERMINATED
