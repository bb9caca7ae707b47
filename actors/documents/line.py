"""Which cases wait for a place among those that are worked on at once, and how many are ahead of each. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from messages.ledger import CaseRow
from messages.states import BeamState, CaseState

UNDER_WAY = frozenset({BeamState.STAGED, BeamState.RUNNING, BeamState.ENDED, BeamState.COLLECTED})
"""Of a beam: it was launched, or is about to be, and is brought to its end even if its case is held."""


def in_line(
    open_cases: Sequence[CaseRow], held: Iterable[CaseRow], most: int, *, paused: bool = False
) -> Mapping[str, int]:
    """Of every case that waits for a place, how many have one or are before it.

    ``open_cases``: queued or running, in the ledger's order; ``most``: worked on at once; ``paused``: none is begun.
    A held case keeps its place until what runs of it has ended.
    """
    placed = sum(row.state is CaseState.RUNNING for row in open_cases)
    placed += sum(any(beam.state in UNDER_WAY for beam in row.beams) for row in held)
    queue = [row for row in open_cases if row.state is CaseState.QUEUED and (row.started is not None or not paused)]
    return {row.case: ahead for ahead, row in enumerate(queue, placed) if ahead >= most}
