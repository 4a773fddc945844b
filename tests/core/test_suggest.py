"""The nearest valid name."""

from __future__ import annotations

from tui_trainer.core.suggest import hint_for, nearest


def test_a_slip_finds_its_name() -> None:
    assert nearest("optimizer.lrr", ["optimizer.lr", "data.dataset"]) == "optimizer.lr"
    assert hint_for("mnits", ["digits", "mnist"]) == "Did you mean mnist?"


def test_nothing_near_lists_what_there_is() -> None:
    assert nearest("zzz", ["digits", "mnist"]) is None
    assert hint_for("zzz", ["digits", "mnist"]) == "Choose one of: digits, mnist."


def test_nothing_to_choose_from_is_no_hint() -> None:
    assert hint_for("zzz", []) == ""
