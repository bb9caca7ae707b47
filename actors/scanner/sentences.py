"""Small words for sentences that say what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

MOST_NAMED = 3
"""Things that one sentence lists before it only counts the rest."""


def layers_text(layers: Iterable[int]) -> str:
    """``layer 4``, ``layers 2, 4 to 6``."""
    numbers = sorted(set(layers))
    # Numbers in a row keep their distance to their place in the list.
    runs = [[number for _, number in run] for _, run in groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])]
    parts = [str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return f"layer{'s' if len(numbers) > 1 else ''} {', '.join(parts)}"


def joined(sentences: Sequence[str]) -> str:
    """Several findings as one sentence, each once; what is beyond the first few is counted."""
    unique = list(dict.fromkeys(sentences))
    more = len(unique) - MOST_NAMED
    return "; ".join(unique[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def hours_text(hours: float) -> str:
    """``24 h``, ``90 min``, ``30 s``."""
    if hours >= 1:
        return f"{hours:g} h"
    if hours * 60 >= 1:
        return f"{hours * 60:g} min"
    return f"{hours * 3600:g} s"


def counted(number: int, one: str, many: str = "") -> str:
    """``1 beam``, ``3 beams``."""
    return f"{number} {one if number == 1 else many or one + 's'}"
