"""What follows from one try, and whether a node is an alarm. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from actors.sender.order import NotSent, Sent, Why
from actors.settings import SendNode
from messages.ledger import SendingRow, SendingState, SettleSending

FIRST_S, LONGEST_S = 10.0, 900.0
"""Pauses between two tries: the first, doubled from try to try, and at most."""
_CASE_S = 300.0
"""At least, where the result itself has to be mended."""


def again_s(tries: int) -> float:
    """After so many tries in vain."""
    return float(min(LONGEST_S, FIRST_S * 2 ** min(max(tries - 1, 0), 30)))


def settled(row: SendingRow, node: SendNode, outcome: Sent | NotSent, earlier: SendingRow | None) -> SettleSending:
    """``row``: before the try; ``earlier``: the version that the node has of what this result supersedes."""
    asked = row.state is SendingState.STORED
    if isinstance(outcome, Sent):
        last = SendingState.STORED if node.commitment and node.kind == "dicom" else SendingState.SENT
        state = SendingState.COMMITTED if asked else last
        link = "" if earlier is None or asked else f"; it supersedes {earlier.case}, sent there {_when(earlier.at)}"
        return SettleSending(row.case, row.node, state, outcome.sentence + link, 0.0, outcome.answers)
    state, pause = row.state, again_s(row.tries + 1)
    if outcome.why is Why.WITHHELD:
        state, pause = SendingState.WITHHELD, 0.0
    elif outcome.why is Why.LOST:
        state = SendingState.DUE  # it is sent once more: the same instances
    elif outcome.why in (Why.CHANGED, Why.REFUSED):
        pause = max(pause, _CASE_S)
    return SettleSending(row.case, row.node, state, outcome.sentence, pause, outcome.answers)


def node_rests_s(row: SendingRow, outcome: Sent | NotSent) -> float:
    """While the node itself is away, nothing else is tried there either."""
    away = isinstance(outcome, NotSent) and outcome.why in (Why.NODE, Why.OURS)
    return again_s(row.tries + 1) if away else 0.0


def alarm_text(node: SendNode, late: SendingRow | None, now: datetime) -> str:
    """What is wrong, where, what to do; empty: nothing is. ``late``: what was tried in vain for the longest.

    In the same words at each try: other ones are an alarm anew.
    """
    if late is None or now - late.since < timedelta(minutes=node.alarm_after_min):
        return ""
    return (
        f"Results do not reach {node.name}: {late.case} was tried in vain since {_when(late.since)}: "
        f"{late.reason.rstrip('.')}. Mend that (mqi-actors check looks at the node); it is tried on."
    )


def _when(at: datetime) -> str:
    return at.astimezone().isoformat(sep=" ", timespec="minutes")
