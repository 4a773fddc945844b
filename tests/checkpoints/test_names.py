"""Names of weights: what wrappers added is taken off, where that makes them match."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_trainer.checkpoints.names import match_names

_OURS = ["conv.weight", "conv.bias", "block.0.weight"]


@pytest.mark.parametrize(
    ("pattern", "stripped"),
    [
        ("{}", ()),
        ("module.{}", ("module.",)),
        ("_orig_mod.{}", ("_orig_mod.",)),
        ("model.{}", ("model.",)),
        ("module._orig_mod.model.{}", ("_orig_mod.", "model.", "module.")),
        ("_fsdp_wrapped_module.{}", ("_fsdp_wrapped_module.",)),
    ],
)
def test_prefixes_are_taken_off(pattern: str, stripped: tuple[str, ...]) -> None:
    theirs = [pattern.format(name) for name in _OURS]
    assert match_names(theirs, _OURS) == (dict(zip(_OURS, theirs, strict=True)), stripped)


def test_only_what_was_taken_off_is_told() -> None:
    assert match_names(["module.a.model.w"], ["a.model.w"])[1] == ("module.",)


def test_wrappers_of_parts_are_taken_off_on_either_side() -> None:
    wrapped = "block._checkpoint_wrapped_module.0.weight"
    assert match_names([wrapped], _OURS)[0] == {"block.0.weight": wrapped}
    assert match_names(["block.0.weight"], [wrapped])[0] == {wrapped: "block.0.weight"}


def test_the_same_name_goes_before_one_that_becomes_so() -> None:
    for theirs in (["module.conv.bias", "conv.bias"], ["conv.bias", "module.conv.bias"]):
        assert match_names(theirs, _OURS) == ({"conv.bias": "conv.bias"}, ())
    ours = ["module.conv.bias", "conv.bias"]
    assert match_names(["module.conv.bias"], ours) == ({ours[0]: ours[0]}, ())


_parts = st.sampled_from(["module", "model", "_orig_mod", "_checkpoint_wrapped_module", "a", "b"])
_some = st.lists(st.lists(_parts, min_size=1, max_size=4).map(".".join), max_size=8, unique=True)


@given(_some, _some)
def test_no_name_is_used_twice_and_none_is_made_up(theirs: list[str], ours: list[str]) -> None:
    found, _ = match_names(theirs, ours)
    assert found.keys() <= set(ours)
    assert set(found.values()) <= set(theirs)
    assert len(set(found.values())) == len(found)
    assert all(found[name] == name for name in set(ours) & set(theirs))
    assert list(found) == [name for name in ours if name in found]
