"""What a run's diagnosis found, one finding per code."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import any_history, session_start
from tui_trainer.core.events import Diagnosed
from tui_trainer.core.findings import MOST_FINDINGS, Finding, fold_finding, order_findings


def diagnosed(code: str, step: int, severity: str = "warning", seen: str = "s") -> Diagnosed:
    return Diagnosed(code=code, severity=severity, seen=seen, advice="do this", step=step)


def fold(*events: Diagnosed) -> tuple[Finding, ...]:
    findings: tuple[Finding, ...] = ()
    for event in events:
        findings = fold_finding(findings, event)
    return findings


def test_a_mistake_that_is_seen_again_is_counted() -> None:
    (finding,) = fold(diagnosed("D1", 30, seen="old"), diagnosed("D1", 20), diagnosed("D1", 40))
    assert (finding.count, finding.first_step, finding.last_step) == (3, 20, 40)
    assert finding.seen == "s"


def test_the_worst_severity_stays_and_stands_first() -> None:
    findings = fold(
        diagnosed("D1", 1), diagnosed("D2", 2, "error"), diagnosed("D2", 3), diagnosed("D3", 4)
    )
    assert [finding.code for finding in order_findings(findings)] == ["D2", "D1", "D3"]
    assert order_findings(findings)[0].severity == "error"


def test_an_unknown_severity_is_a_warning() -> None:
    assert fold(diagnosed("D1", 1, "catastrophe"))[0].severity == "warning"


def test_other_events_leave_the_findings_the_same() -> None:
    findings = fold(diagnosed("D1", 1))
    assert fold_finding(findings, session_start()) is findings


def test_there_are_only_so_many() -> None:
    assert len(fold(*(diagnosed(f"D{n}", n) for n in range(2 * MOST_FINDINGS)))) == MOST_FINDINGS


@given(any_history, st.text(), st.text())
def test_texts_are_safe_to_print(history: list[Diagnosed], code: str, text: str) -> None:
    for finding in fold(*history, diagnosed(code, 1, text, text)):
        for part in (finding.code, finding.seen, finding.advice):
            assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in part)
