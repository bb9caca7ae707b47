"""What the history of the ledger says in numbers: every line of it is counted under a label of few values. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from messages.hosts import HostState
from messages.states import AttemptState, BeamState, CaseState

ORDERS = frozenset(
    {
        "retry",
        "cancel",
        "hold",
        "release",
        "priority",
        "drain",
        "resume",
        "pause",
        "unpause",
        "prune",
        "submit",
        "review",
        "approve",
        "reject",
        "recalculate",
        "send",
        "reload",
        "stop",
    }
)
VERDICTS = frozenset({"accepted", "review", "suspect"})
_CASE = re.compile(r"case: (?:\w+ → )?(\w+)(?:, admitted)?$")
_BEAM = re.compile(r"beam \d+: \w+ → (\w+)$")
_ATTEMPT = re.compile(r"beam \d+ attempt \d+: (?:\w+ → )?(\w+)$")
_HOST = re.compile(rf"host (\S+): \w+ → {HostState.SUSPENDED}$")
_ALARM = re.compile(r"alarm ([\w-]+)(?::.*)?: raised$", re.DOTALL)
_ORDER = re.compile(r"order: (\w+)(?!.*: settled$)", re.DOTALL)
_VERDICT = re.compile(r"case: verdict (\w+)$")


@dataclass(frozen=True, slots=True)
class Tally:
    """One thing that is counted."""

    what: str
    """``case``, ``beam``, ``attempt``: entered a state; ``verdict``, ``link-loss``, ``alarm``, ``order``."""
    label: str


def tally_of(happened: str) -> Tally | None:
    """What a line of the history counts as; None: it is not counted. Labels are of a bounded set by construction."""
    for what, pattern, allowed in _COUNTED:
        found = pattern.match(happened)
        if found and (allowed is None or found[1] in allowed):
            return Tally(what, found[1])
    return None


_COUNTED: tuple[tuple[str, re.Pattern[str], frozenset[str] | None], ...] = (
    ("verdict", _VERDICT, VERDICTS),
    ("case", _CASE, frozenset(CaseState)),
    ("beam", _BEAM, frozenset(BeamState)),
    ("attempt", _ATTEMPT, frozenset(AttemptState)),
    ("link-loss", _HOST, None),
    ("alarm", _ALARM, None),
    ("order", _ORDER, ORDERS),
)
"""Hosts are those of the configuration, kinds of alarm those of the program."""

KNOWN: tuple[tuple[str, frozenset[str]], ...] = tuple(
    (what, allowed) for what, _, allowed in _COUNTED if allowed is not None
)
"""What is counted under labels that are known beforehand: they are told from the start, as 0, for an increase from
nothing is none to Prometheus."""
