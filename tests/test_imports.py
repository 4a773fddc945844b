"""Importing without delay leaves the collection of garbage as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import gc

from tui_trainer.imports import without_collection

passes, frozen = [], gc.get_freeze_count()
gc.callbacks.append(lambda phase, info: passes.append(phase))
try:
    with without_collection():
        made = [[] for _ in range(100_000)]
        {last}
except ImportError as error:
    print(error.name)
print(len(passes), gc.get_freeze_count() - frozen > 100_000, gc.isenabled())
"""


@pytest.mark.parametrize(
    ("last", "printed"),
    [("pass", "0 True True\n"), ("import tui_trainer.absent", "tui_trainer.absent\n0 True True\n")],
)
def test_nothing_is_collected_in_the_block_and_what_is_there_stays_aside(
    last: str, printed: str
) -> None:
    # A process of its own: what is frozen stays so.
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(last=last)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == printed
