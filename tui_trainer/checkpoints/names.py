"""Names of weights, which wrappers of a model and of its parts change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

# What wrappers of a model put before its names, and what those of its parts put between them.
_PREFIXES = ("module.", "_orig_mod.", "model.")
_INFIXES = ("_checkpoint_wrapped_module.", "_fsdp_wrapped_module.", "_orig_mod.")


def match_names(
    theirs: Iterable[str], ours: Iterable[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """For each of our names its name among theirs, and what was taken off theirs for that.

    A name that is the same goes before one that becomes so without its prefixes.
    """
    own = list(ours)
    bare = {_without(_INFIXES, name)[0]: name for name in own}
    others = dict.fromkeys(theirs)
    found = {name: name for name in own if name in others}
    stripped: set[str] = set()
    for key in others:
        if key in found:
            continue
        for candidate, parts in _candidates(key):
            name = bare.get(candidate)
            if name is not None and name not in found:
                found[name] = key
                stripped.update(parts)
                break
    return {name: found[name] for name in own if name in found}, tuple(sorted(stripped))


def _candidates(key: str) -> Iterator[tuple[str, set[str]]]:
    """What a name may be without its prefixes, and which were taken off."""
    name, parts = _without(_INFIXES, key)
    yield name, parts
    while prefix := next((p for p in _PREFIXES if name.startswith(p)), None):
        name, parts = name.removeprefix(prefix), parts | {prefix}
        yield name, parts


def _without(infixes: Iterable[str], name: str) -> tuple[str, set[str]]:
    """A name without these parts of it, and which of them it had."""
    steps = [f"{step}." for step in name.split(".")]
    kept = "".join(step for step in steps if step not in infixes).removesuffix(".")
    return kept, {step for step in steps if step in infixes}
