"""Events as lines for a person."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import builders
from tui_trainer.core import events
from tui_trainer.core.happenings import Happening, describe_event, without_routine


def test_numbers_alone_are_no_happening() -> None:
    resources = events.Resources(
        process_bytes=1, host_used_bytes=2, host_total_bytes=3, cpu_utilization=0.5
    )
    assert describe_event(resources) is None


def test_a_failure_brings_its_hint() -> None:
    failed = events.Failed(step=3, code="x", type="T", message="It broke.", hint="Mend it.")
    happening = describe_event(failed)
    assert happening is not None
    assert (happening.level, happening.text, happening.hint) == ("error", "It broke.", "Mend it.")


def test_a_best_checkpoint_is_told_apart() -> None:
    saved = events.CheckpointSaved(
        step=1172, epoch=1, folder="f", manifest_sha256="", best=True, size_bytes=1, duration_s=0.1
    )
    happening = describe_event(saved)
    assert happening is not None
    assert happening.text == "step 1 172  best"


def test_a_validation_that_was_asked_for_is_told_apart() -> None:
    texts = []
    for by_request in (False, True):
        happening = describe_event(builders.evaluated(step=1234, by_request=by_request))
        assert happening is not None
        texts.append(happening.text)
    figures = "loss 0.5000  accuracy 0.8000"
    assert texts == [f"{figures}  epoch 1", f"{figures}  step 1 234, asked for"]


@pytest.mark.parametrize(
    ("newest", "stands"), [(0, "there is none yet"), (800, "the newest is of step 800")]
)
def test_a_checkpoint_that_was_not_written_tells_which_one_stands(newest: int, stands: str) -> None:
    failed = events.CheckpointFailed(step=900, newest_step=newest, reason="No room.")
    happening = describe_event(failed)
    assert happening is not None
    assert happening.text == f"No room. Training goes on; {stands}."
    assert happening.level == "warning"


@settings(max_examples=100)
@given(st.text(), st.text())
def test_text_of_a_log_is_made_safe(text: str, hint: str) -> None:
    happening = describe_event(events.Failed(step=1, code="x", type="", message=text, hint=hint))
    assert happening is not None
    for part in (happening.text, happening.hint):
        assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in part)


def test_what_every_epoch_brings_does_not_push_out_what_is_rare() -> None:
    routine = [Happening(float(t), "validation", f"{t}") for t in range(50)]
    rare = Happening(3.5, "control", "set lr")
    alarm = Happening(4.5, "checkpoint", "could not be written", "warning")
    kept = without_routine([*routine[:4], rare, routine[4], alarm, *routine[5:]], 2)
    assert kept == [rare, alarm, *routine[-2:]]
