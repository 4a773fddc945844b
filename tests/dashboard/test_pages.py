"""The pages of a run: worker log, diagnosis, configuration, events."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.events import MouseEvent, MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot

from tests.builders import environment, session_start
from tests.dashboard.conftest import screen_lines, shows, until
from tests.dashboard.hostile import NASTY, NUMBERS, assert_printable, texts
from tui_trainer import dashboard
from tui_trainer.core import events
from tui_trainer.core.canvas import Row, Span
from tui_trainer.core.config import OptimizerConfig, RunConfig
from tui_trainer.core.console import Console, ConsoleText
from tui_trainer.core.findings import Finding, fold_finding
from tui_trainer.core.happenings import Happening, describe_event
from tui_trainer.core.run_record import Annotations, GitState, RunRecord
from tui_trainer.core.run_state import RunSnapshot, RunState, apply
from tui_trainer.dashboard.panes.configuration import configuration_rows
from tui_trainer.dashboard.panes.console import console_rows
from tui_trainer.dashboard.panes.diagnosis import diagnosis_rows
from tui_trainer.dashboard.panes.events import all_event_rows
from tui_trainer.dashboard.rows import fit_row
from tui_trainer.dashboard.widgets.text_page import MakePage, TextPage
from tui_trainer.store.run_facts import RunFacts

WIDTHS = st.integers(1, 250)


def assert_fits(rows: tuple[Row, ...], width: int) -> None:
    assert rows
    assert_printable(texts(rows))
    assert all(cell_len(text) == width for text in texts(fit_row(row, width) for row in rows))


def record_of(**changes: Any) -> RunRecord:
    """A run without a fault, but for what is given."""
    snapshot = apply(RunSnapshot(), session_start())
    record = RunRecord(
        run="run1", path="runs/run1", state=RunState.RUNNING, snapshot=snapshot,
        annotations=Annotations(),
    )  # fmt: skip
    return replace(record, **changes)


@settings(max_examples=60, deadline=None)
@given(NASTY, WIDTHS)
def test_nothing_printed_breaks_the_worker_log(text: str, width: int) -> None:
    console = Console()
    console.feed(text.encode(errors="surrogatepass") * 20)
    assert_fits(console_rows(ConsoleText(console.lines, True), width), width)
    assert_fits(console_rows(ConsoleText(problem=text), width), width)
    assert_fits(console_rows(None, width), width)


@settings(max_examples=60, deadline=None)
@given(NASTY, WIDTHS, st.sampled_from(["error", "warning", "info", "?"]))
def test_nothing_found_breaks_the_diagnosis(text: str, width: int, severity: str) -> None:
    seen = events.Diagnosed(code=text, severity=severity, seen=text * 9, advice=text, step=7)
    record = replace(
        record_of(),
        damaged=3,
        missing=2,
        newer_version=9,
        problem=text,
    )
    failed = events.Failed(
        step=1, code="x", type="x", message=text, hint=text, traceback=(text + "\n") * 9
    )
    snapshot = replace(
        record.snapshot, error=failed, checkpoint_is_stale=True, left_out=((1, 2), (5, 10**15))
    )
    findings = fold_finding((), seen)
    assert_fits(diagnosis_rows(replace(record, snapshot=snapshot), findings, width), width)


@settings(max_examples=60, deadline=None)
@given(NASTY, NUMBERS, WIDTHS)
def test_nothing_in_a_file_breaks_the_configuration(text: str, number: float, width: int) -> None:
    git = GitState(commit=text, branch=text, dirty=True, diff=text)
    strange = replace(
        environment(), command=(text, text), folder=text, host=text, user=text, system=text,
        python=text, packages={text: text}, devices=(text,), created_t=number, git=git,
    )  # fmt: skip
    config = RunConfig(optimizer=OptimizerConfig(lr_scales=text))
    record = record_of()
    snapshot = replace(record.snapshot, choices=(text,), code={text: text})
    facts = RunFacts(config, strange, (text or "problem",))
    assert_fits(configuration_rows(replace(record, snapshot=snapshot), facts, width), width)
    assert_fits(configuration_rows(record, None, width), width)


@settings(max_examples=60, deadline=None)
@given(NASTY, NUMBERS, WIDTHS)
def test_nothing_that_happened_breaks_the_events(text: str, number: float, width: int) -> None:
    told = describe_event(events.Failed(step=1, code="x", type="", message=text, hint=text, t=1e9))
    assert told is not None
    strange = Happening(number, told.kind, told.text, "error", told.hint)
    assert_fits(all_event_rows([told, strange, told], width), width)
    assert_fits(all_event_rows([], width), width)


def test_lines_too_long_for_the_page_go_on_below() -> None:
    rows = texts(console_rows(ConsoleText(("0123456789abc", "漢字漢字漢字")), 10))
    assert rows == [" 012345678", " 9abc", " 漢字漢字", " 漢字"]


def test_what_went_wrong_stands_out_in_the_worker_log() -> None:
    lines = ("Traceback (most recent call last):", "  File x", "cuda.OutOfMemoryError: no room",
             "/x.py:3: UserWarning: careful", "0 errors", "")  # fmt: skip
    roles = [row[0].role for row in console_rows(ConsoleText(lines), 80)]
    assert roles == ["error", "text", "error", "warning", "text", "text"]


def test_a_worker_log_that_is_not_whole_says_where_the_rest_is() -> None:
    first, _ = texts(console_rows(ConsoleText(("line",), is_cut=True), 60))
    assert "worker.log" in first
    assert texts(console_rows(ConsoleText(), 60)) == [" the worker has printed nothing"]


def test_the_date_is_told_where_it_changes() -> None:
    day = 86_400.0
    happenings = [Happening(1e9 + offset, "message", "x") for offset in (0, 1, 3 * day)]
    rows = texts(all_event_rows(happenings, 60))
    dates = [row for row in rows if " 2001" in row]
    assert len(dates) == 2 and rows.index(dates[1]) == rows.index("") + 1
    assert sum("message" in row for row in rows) == 3


def test_a_healthy_run_has_nothing_found() -> None:
    assert "nothing to report" in texts(diagnosis_rows(record_of(), (), 80))[0]


def test_nothing_is_called_healthy_before_its_log_is_read() -> None:
    rows = texts(diagnosis_rows(record_of(), (), 80, is_whole=False))
    assert rows == [" reading the log"]


def test_the_diagnosis_tells_what_was_seen_when_and_what_to_do() -> None:
    findings = (
        Finding("D102", "warning", "accuracy does not rise", "look at the labels", 10, 10),
        Finding("D307", "error", "the norm rose", "clip it", 1200, 1300, 3),
    )
    text = "\n".join(texts(diagnosis_rows(record_of(), findings, 80)))
    assert "nothing to report" not in text
    assert text.index("D307") < text.index("D102")
    assert "3 times, from step 1 200 to 1 300" in text and "→ clip it" in text
    assert "at step 10" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"damaged": 1}, "1 line of the log cannot be read"),
        ({"missing": 2}, "2 events of the log are not there"),
        ({"newer_version": 7}, "version 7, newer than this program"),
        ({"problem": "run: no rights"}, "run: no rights"),
    ],
)
def test_the_health_of_the_log_is_told(changes: dict[str, object], words: str) -> None:
    assert words in "\n".join(texts(diagnosis_rows(record_of(**changes), (), 90)))


def test_a_stale_checkpoint_and_steps_left_out_are_told() -> None:
    record = record_of()
    snapshot = replace(
        record.snapshot, checkpoint_is_stale=True, checkpoint_step=1200, left_out=((1500, 1510),)
    )
    text = "\n".join(texts(diagnosis_rows(replace(record, snapshot=snapshot), (), 90)))
    assert "the newest is of step 1 200" in text and "1 500–1 510" in text


def test_a_failure_stands_with_its_traceback() -> None:
    failed = events.Failed(
        step=9, code="x", type="ValueError", message="It broke.", hint="Mend it.",
        traceback="Traceback (most recent call last):\n  File x\nValueError: it broke\n",
    )  # fmt: skip
    record = record_of()
    rows = texts(diagnosis_rows(replace(record, snapshot=apply(record.snapshot, failed)), (), 80))
    assert "It broke." in rows[0] and "at step 9" in rows[1] and "→ Mend it." in rows[2]
    assert rows[-1].strip() == "ValueError: it broke" and rows[-2].startswith("     File")


def test_settings_that_are_not_as_by_default_say_so() -> None:
    facts = RunFacts(RunConfig(optimizer=OptimizerConfig(lr=0.5)), environment())
    rows = texts(configuration_rows(record_of(), facts, 120))
    (lr,) = [row.split() for row in rows if row.split()[:1] == ["lr"]]
    assert lr[:4] == ["lr", "0.5", "default", "0.001"]
    (momentum,) = [row for row in rows if row.split()[:1] == ["momentum"]]
    assert " default " not in momentum and "Adam" in momentum
    assert any(row.startswith(" configuration · optimizer") for row in rows)


def test_the_configuration_tells_command_choices_machine_and_code() -> None:
    git = GitState(commit="0123456789abcdef", branch="main", dirty=False)
    machine = replace(environment(), command=("tuitrain", "train", "a b"), git=git,
                      packages={"torch": "2.11"}, devices=("NVIDIA H200",))  # fmt: skip
    record = record_of()
    chosen = replace(record.snapshot, choices=("device cpu: no GPU was found",))
    facts = RunFacts(RunConfig(), machine, ("config.toml is odd.",))
    rows = texts(configuration_rows(replace(record, snapshot=chosen), facts, 100))
    text = "\n".join(" ".join(row.split()) for row in rows)
    for words in ("tuitrain train 'a b'", "device cpu: no GPU was found", "torch 2.11",
                  "device 0 NVIDIA H200", "commit 0123456789ab on main",
                  "uncommitted changes none", "! config.toml is odd."):  # fmt: skip
        assert words in text


class PageApp(App[None]):
    CSS_PATH = Path(dashboard.__file__).parent / "theme.tcss"

    def __init__(self, *, follows: bool) -> None:
        super().__init__()
        self.page = TextPage("a page", follows=follows)
        self.built = 0

    def compose(self) -> ComposeResult:
        yield self.page

    def fill(self, count: int, mark: str = "line") -> None:
        self.page.show(partial(self._rows, count, mark))

    def _rows(self, count: int, mark: str, width: int) -> list[Row]:
        self.built += 1
        return [(Span(f"{mark} {number}", "text"),) for number in range(count)]


def last_line(app: App[None]) -> str:
    return screen_lines(app)[-1].strip()


async def test_a_page_that_follows_stays_at_its_end() -> None:
    app = PageApp(follows=True)
    async with app.run_test(size=(40, 10)) as pilot:
        app.fill(3)
        await shows(pilot, "a page", "line 2")
        for count in (50, 60):
            app.fill(count)
            await until(pilot, lambda count=count: last_line(app) == f"line {count - 1}")
        await shows(pilot, "following")


async def roll(pilot: Pilot[None], way: type[MouseEvent]) -> None:
    """Turn the mouse wheel over the page."""
    await pilot._post_mouse_events([way], TextPage, (1, 1))


async def move_up(pilot: Pilot[None], how: str) -> None:
    page = pilot.app.query_one(TextPage)
    match how:
        case "line":
            page.scroll_lines(-1)
        case "page":
            page.page(-1)
        case "start":
            page.to_start()
        case "wheel":
            await roll(pilot, MouseScrollUp)


@pytest.mark.parametrize("how", ["line", "page", "start", "wheel"])
async def test_scrolled_up_it_holds_what_it_shows_until_it_is_back(how: str) -> None:
    app = PageApp(follows=True)
    async with app.run_test(size=(50, 10)) as pilot:
        app.fill(50)
        await until(pilot, lambda: last_line(app) == "line 49")
        await move_up(pilot, how)
        await shows(pilot, "held")
        held = screen_lines(app)[1:]
        assert held[-1].strip() != "line 49"
        app.fill(70, "newer")
        await shows(pilot, "newer lines below")
        assert screen_lines(app)[1:] == held
        app.page.to_end()
        await until(pilot, lambda: last_line(app) == "newer 69")
        await shows(pilot, "following")
        app.fill(80, "newest")
        await until(pilot, lambda: last_line(app) == "newest 79")


async def test_scrolling_down_to_the_end_follows_again() -> None:
    app = PageApp(follows=True)
    async with app.run_test(size=(50, 10)) as pilot:
        app.fill(50)
        await until(pilot, lambda: last_line(app) == "line 49")
        app.page.scroll_lines(-2)
        await shows(pilot, "held")
        app.fill(55)
        await roll(pilot, MouseScrollDown)
        await until(pilot, lambda: last_line(app) == "line 54")
        assert not app.page.is_held


async def test_a_page_that_does_not_follow_begins_at_its_start_and_takes_what_is_new() -> None:
    app = PageApp(follows=False)
    async with app.run_test(size=(50, 10)) as pilot:
        app.fill(50)
        await shows(pilot, "lines 1–9 of 50", "line 0")
        app.page.page(1)
        await shows(pilot, "lines 9–17 of 50")
        app.fill(40, "other")
        await shows(pilot, "lines 9–17 of 40", "other 8")
        app.page.to_end()
        await shows(pilot, "lines 32–40 of 40", "other 39")
        app.fill(12, "few")
        await shows(pilot, "lines 4–12 of 12", "few 11")
        app.fill(2, "fewer")
        await shows(pilot, "fewer 0", "fewer 1")


async def test_lines_are_made_anew_only_from_something_else_or_for_another_width() -> None:
    app, made = PageApp(follows=False), list[tuple[str, int]]()

    def make(what: str) -> MakePage:
        def lines(width: int) -> list[Row]:
            made.append((what, width))
            return [(Span(what, "text"),)]

        return lines

    async with app.run_test(size=(50, 10)) as pilot:
        app.page.show(make("one"), ("same",))
        await shows(pilot, "one")
        made.clear()
        app.page.show(make("two"), ("same",))
        await pilot.pause()
        assert made == []
        app.page.show(make("three"), ("other",))
        await shows(pilot, "three")
        assert [what for what, _ in made] == ["three"]
        await pilot.resize_terminal(40, 10)
        await until(pilot, lambda: made[-1] == ("three", 39))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (60, 18), (250, 80)])
async def test_a_page_of_any_size_stays_whole(size: tuple[int, int]) -> None:
    app = PageApp(follows=True)
    async with app.run_test(size=size) as pilot:
        app.fill(100)
        await pilot.resize_terminal(30, 12)
        await until(pilot, lambda: last_line(app) == "line 99")
        await pilot.resize_terminal(*size)
        await until(pilot, lambda: len(screen_lines(app)) == size[1])
        assert all(cell_len(line) == size[0] for line in screen_lines(app))


async def test_scrolling_builds_nothing_anew() -> None:
    app = PageApp(follows=False)
    async with app.run_test(size=(50, 10)) as pilot:
        app.fill(5000)
        await shows(pilot, "line 8")
        built = app.built
        app.page.page(3)
        await shows(pilot, "line 30")
        assert app.built == built
