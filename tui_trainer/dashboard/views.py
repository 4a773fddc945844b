"""What the watcher hands to the screens: frozen pictures of the runs as of one look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tui_trainer.core.console import ConsoleText
from tui_trainer.core.findings import Finding
from tui_trainer.core.happenings import Happening
from tui_trainer.core.run_record import RunRecord
from tui_trainer.core.series import RunSeries, SeriesView
from tui_trainer.core.tables import FloatArray
from tui_trainer.store.run_facts import RunFacts

EMPTY_SERIES = RunSeries().view()


@dataclass(frozen=True)
class RunsView:
    """The runs of the registry, newest first, and a few points of the loss of some of them."""

    folder: str
    records: tuple[RunRecord, ...] = ()
    losses: Mapping[str, FloatArray] = field(default_factory=dict)
    is_read: bool = True


@dataclass(frozen=True)
class RunView:
    """One run with its series. `session` is the one at work; `read_share` is of the log.

    `facts` are None until its configuration and environment were looked for.
    """

    record: RunRecord
    session: str = ""
    series: SeriesView = EMPTY_SERIES
    happenings: tuple[Happening, ...] = ()
    read_share: float = 0.0
    facts: RunFacts | None = None
    findings: tuple[Finding, ...] = ()
    console: ConsoleText | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the log has been read to its end."""
        return self.read_share >= 1.0
