"""What a run's diagnosis found, folded from its events: one finding per code."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tui_trainer.core.events import Diagnosed, Event
from tui_trainer.core.text_safety import sanitize

MOST_FINDINGS = 100
_TEXT_LIMIT = 600
_CODE_LIMIT = 16
_SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """A known mistake, how often and between which steps it was seen, and what to do about it.

    `severity` is `error`, `warning` or `info`, the worst that was said; `seen` and `advice` are
    those of the last time. Texts are safe to print.
    """

    code: str
    severity: str
    seen: str
    advice: str
    first_step: int
    last_step: int
    count: int = 1


def fold_finding(findings: tuple[Finding, ...], event: Event) -> tuple[Finding, ...]:
    """The findings after one more event: the very same unless it tells of a mistake."""
    if not isinstance(event, Diagnosed):
        return findings
    new = _make_finding(event)
    for index, known in enumerate(findings):
        if known.code == new.code:
            return (*findings[:index], _join(known, new), *findings[index + 1 :])
    return (*findings, new) if len(findings) < MOST_FINDINGS else findings


def order_findings(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The findings with the worst first, then in the order in which they were met."""
    return tuple(sorted(findings, key=lambda finding: _SEVERITIES.index(finding.severity)))


def _make_finding(event: Diagnosed) -> Finding:
    return Finding(
        code=sanitize(event.code, limit=_CODE_LIMIT),
        # A severity that this version does not know must not pass for a harmless one.
        severity=event.severity if event.severity in _SEVERITIES else "warning",
        seen=sanitize(event.seen, limit=_TEXT_LIMIT),
        advice=sanitize(event.advice, limit=_TEXT_LIMIT),
        first_step=event.step,
        last_step=event.step,
    )


def _join(known: Finding, new: Finding) -> Finding:
    return replace(
        new,
        severity=min(known.severity, new.severity, key=_SEVERITIES.index),
        first_step=min(known.first_step, new.first_step),
        last_step=max(known.last_step, new.last_step),
        count=known.count + 1,
    )
