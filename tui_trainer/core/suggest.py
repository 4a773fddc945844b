"""The nearest valid name to one that is not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_MOST_NAMED = 12


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """The valid name most like `name`, or None where nothing is close."""
    matches = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.55)
    return matches[0] if matches else None


def hint_for(name: str, valid: Iterable[str]) -> str:
    """`Did you mean X?` where one is near, else the list of what there is."""
    names = list(valid)
    near = nearest(name, names)
    if near is not None:
        return f"Did you mean {near}?"
    more = f", … ({len(names)} in all)" if len(names) > _MOST_NAMED else ""
    return f"Choose one of: {', '.join(names[:_MOST_NAMED])}{more}." if names else ""
