"""When may a case start? Pure: what its files are and how long they have been so goes in, a decision comes out.

The same rule holds at start-up and later (P10, P11). Quiet means: at a look, nothing had changed since a look that was
``quiet_s`` or more before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from actors.scanner.assessment import Assessment, Standing
from actors.scanner.sentences import hours_text


class Act(Enum):
    """What is to be done about a case now."""

    WAIT = "wait"
    ADMIT = "admit"
    FAIL = "fail"
    GIVE_UP = "give up"
    """It did not become complete in time; it still starts if the rest arrives."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of the site."""

    quiet_s: float
    marker: str
    """Name of the file that the sender writes last; empty: none is needed."""
    give_up_h: float
    partial_after_h: float


@dataclass(frozen=True, slots=True)
class Situation:
    """How a case folder stands at one moment."""

    quiet_for_s: float
    """Nothing has changed for so long, as far as looks can tell."""
    waiting_h: float
    """Since the case was first seen."""
    marker_there: bool = False
    paused: str = ""
    """Why no new work may start; empty: it may."""
    ordered: bool = False
    """An operator submits the folder: neither quiet time nor marker is waited for."""
    as_it_is: bool = False
    """… and wants it computed even if beams or layers were not delivered."""


@dataclass(frozen=True, slots=True)
class Decision:
    act: Act
    sentence: str = ""
    """Why it waits, fails or is given up."""
    partial: bool = False
    again_s: float | None = None
    """Seconds after which time alone may change this; None: only a change of files will."""


def decide(case: Assessment, now: Situation, rules: Rules) -> Decision:
    """What to do about one case of a folder."""
    if not now.ordered:
        if now.quiet_for_s < rules.quiet_s:
            return _not_quiet(case, now, rules)
        if rules.marker and not now.marker_there and case.standing is not Standing.WRONG:
            return _waits(case, _with(case.sentence, f"waits for marker {rules.marker}"), now, rules)
    match case.standing:
        case Standing.WHOLE:
            return _starts(now, partial=False)
        case Standing.WRONG:
            return Decision(Act.FAIL, case.sentence)
        case Standing.SHORT if now.as_it_is or (not now.ordered and _stopped_for_good(now, rules)):
            return _starts(now, partial=True)
        case _:
            return _waits(case, _with(case.sentence, _how_it_starts(case, now, rules)), now, rules)


def _not_quiet(case: Assessment, now: Situation, rules: Rules) -> Decision:
    still = f"still changing: waits until nothing has changed for {hours_text(rules.quiet_s / 3600)}"
    sentence = "complete, but " + still if case.standing is Standing.WHOLE else _with(case.sentence, "still growing")
    return Decision(Act.WAIT, sentence, again_s=rules.quiet_s - now.quiet_for_s)


def _starts(now: Situation, *, partial: bool) -> Decision:
    if now.paused:
        return Decision(Act.WAIT, f"complete; new work is stopped: {now.paused}")
    return Decision(Act.ADMIT, partial=partial)


def _how_it_starts(case: Assessment, now: Situation, rules: Rules) -> str:
    if case.standing is not Standing.SHORT:
        return ""
    if now.ordered:
        return "submit --partial computes it as it is"
    return f"computed as PARTIAL after {hours_text(rules.partial_after_h)} without more data"


def _stopped_for_good(now: Situation, rules: Rules) -> bool:
    return now.quiet_for_s >= rules.partial_after_h * 3600


def _waits(case: Assessment, sentence: str, now: Situation, rules: Rules) -> Decision:
    left = []
    if case.standing is Standing.SHORT and not _stopped_for_good(now, rules):
        left.append(rules.partial_after_h * 3600 - now.quiet_for_s)
    if now.waiting_h >= rules.give_up_h:
        late = f"not complete after {hours_text(rules.give_up_h)}: {sentence}"
        return Decision(Act.GIVE_UP, late, again_s=min(left, default=None))
    left.append((rules.give_up_h - now.waiting_h) * 3600)
    return Decision(Act.WAIT, sentence, again_s=min(left))


def _with(sentence: str, more: str) -> str:
    return "; ".join(part for part in (sentence, more) if part)
