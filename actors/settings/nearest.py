"""The nearest right name for a mistyped one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, right: Iterable[str]) -> str:
    """The name of ``right`` that ``name`` was most likely meant to be; empty when none is near."""
    folded = {r.casefold(): r for r in right}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else ""


def did_you_mean(name: str, right: Iterable[str]) -> str:
    """``; did you mean "x"?``, or the list of what there is."""
    right = list(right)
    if found := nearest(name, right):
        return f'; did you mean "{found}"?'
    return f"; there is {', '.join(right)}" if right else ""
