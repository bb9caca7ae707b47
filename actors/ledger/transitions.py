"""The one table of legal transitions of cases, beams and attempts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from actors.errors import MqiError
from messages.faults import Blame, Fault
from messages.states import OPEN_CASES
from messages.states import AttemptState as A
from messages.states import BeamState as B
from messages.states import CaseState as C

State = TypeVar("State", A, B, C)

CASE: Mapping[C, frozenset[C]] = MappingProxyType(
    {
        C.INCOMING: frozenset({C.QUEUED, C.INCOMPLETE, C.HELD, C.FAILED, C.CANCELLED}),
        C.INCOMPLETE: frozenset({C.QUEUED, C.INCOMING, C.HELD, C.FAILED, C.CANCELLED}),
        C.QUEUED: frozenset({C.RUNNING, C.HELD, C.FAILED, C.CANCELLED}),
        C.RUNNING: frozenset({C.DONE, C.HELD, C.FAILED, C.CANCELLED}),
        # Back to where it was held from (``check_case``), or out.
        C.HELD: frozenset({C.INCOMING, C.INCOMPLETE, C.QUEUED, C.RUNNING, C.FAILED, C.CANCELLED}),
        # An operator's retry; what was never admitted waits for its files again.
        C.FAILED: frozenset({C.QUEUED, C.INCOMING, C.CANCELLED}),
        C.CANCELLED: frozenset({C.QUEUED, C.INCOMING}),
        C.DONE: frozenset(),
    }
)

BEAM: Mapping[B, frozenset[B]] = MappingProxyType(
    {
        B.PENDING: frozenset({B.INTERPRETED, B.FAILED, B.CANCELLED}),
        B.INTERPRETED: frozenset({B.STAGED, B.FAILED, B.CANCELLED}),
        # INTERPRETED again: the attempt is over and a new one, in a new run directory, may follow.
        # STAGED → ENDED: a daemon that was down while the engine ran sees its end first.
        B.STAGED: frozenset({B.RUNNING, B.ENDED, B.INTERPRETED, B.FAILED, B.CANCELLED}),
        B.RUNNING: frozenset({B.ENDED, B.INTERPRETED, B.FAILED, B.CANCELLED}),
        B.ENDED: frozenset({B.COLLECTED, B.INTERPRETED, B.FAILED, B.CANCELLED}),
        B.COLLECTED: frozenset({B.DONE, B.INTERPRETED, B.FAILED, B.CANCELLED}),
        # An operator's retry: PENDING when it must be interpreted again.
        B.FAILED: frozenset({B.PENDING, B.INTERPRETED, B.CANCELLED}),
        B.CANCELLED: frozenset({B.PENDING, B.INTERPRETED}),
        B.DONE: frozenset(),
    }
)

ATTEMPT: Mapping[A, frozenset[A]] = MappingProxyType(
    {
        A.INTENDED: frozenset({A.STAGED, A.FAILED, A.WITHDRAWN}),
        A.STAGED: frozenset({A.LAUNCHING, A.FAILED, A.WITHDRAWN}),
        # ENDED: seen only after it was over.
        A.LAUNCHING: frozenset({A.RUNNING, A.ENDED, A.FAILED, A.WITHDRAWN}),
        A.RUNNING: frozenset({A.ENDED, A.FAILED, A.WITHDRAWN}),
        A.ENDED: frozenset({A.COLLECTED, A.FAILED, A.WITHDRAWN}),
        A.COLLECTED: frozenset({A.VERIFIED, A.FAILED, A.WITHDRAWN}),
        A.VERIFIED: frozenset(),
        A.FAILED: frozenset(),
        A.WITHDRAWN: frozenset(),
    }
)

ENDED_CASES = frozenset({C.DONE, C.FAILED, C.CANCELLED})
"""Case states in which nothing happens by itself any more."""

NEEDS_ADMISSION = frozenset({C.QUEUED, C.RUNNING, C.DONE})
"""Case states that only an admitted case can be in."""

BEFORE_ADMISSION = frozenset({C.INCOMING, C.INCOMPLETE})
"""Case states that an admitted case never returns to."""


def refused(what: str, kind: str, where: str = "", remedy: str = "") -> MqiError:
    """The error of a record that the ledger does not write; blame OURS, for it is never the case's fault."""
    return MqiError(Fault(what=what, where=where, remedy=remedy, blame=Blame.OURS, kind=kind))


def check(table: Mapping[State, frozenset[State]], subject: str, now: State, to: State) -> bool:
    """True when ``to`` is a step, False when it is where ``subject`` already is; an error naming both otherwise."""
    if to == now:
        return False
    if to in table[now]:
        return True
    legal = ", ".join(sorted(table[now])) or "nothing: it is final"
    raise refused(
        f"{subject} is {now}: it cannot become {to} (legal: {legal}).",
        kind="illegal-transition",
        remedy="Nothing was written.",
    )


def check_case(subject: str, now: C, to: C, *, held_from: C | None, admitted: bool) -> bool:
    """Like :func:`check`, with what the table alone cannot say: admission, and where a hold goes back to."""
    if not check(CASE, subject, now, to):
        return False
    if to in NEEDS_ADMISSION and not admitted:
        raise refused(f"{subject} is {now} and was never complete: it cannot become {to}.", kind="not-admitted")
    if to in BEFORE_ADMISSION and admitted:
        raise refused(f"{subject} is {now} and was admitted: it cannot become {to} again.", kind="illegal-transition")
    if now is C.HELD and to in OPEN_CASES and to is not held_from:
        raise refused(
            f"{subject} was held while {held_from}: it is released to that, not to {to}.", kind="illegal-transition"
        )
    return True
