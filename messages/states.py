"""States of a case and of a beam, each with its meaning in words."""

from __future__ import annotations

from enum import StrEnum


class CaseState(StrEnum):
    """Where a case (one delivered treatment fraction of one plan) stands."""

    INCOMING = "incoming"
    """Seen on the share, not complete yet; the reason says what is missing."""
    QUEUED = "queued"
    """Complete and admitted; no beam has been started."""
    RUNNING = "running"
    """Work on at least one beam has begun."""
    HELD = "held"
    """An operator holds it; nothing new is started until it is released."""
    DONE = "done"
    """Every beam verified and the result published."""
    FAILED = "failed"
    """The case cannot be computed, or a beam's budget is spent; the reason names it."""
    CANCELLED = "cancelled"
    """An operator cancelled it."""
    INCOMPLETE = "incomplete"
    """It did not become complete in the configured time; it still starts if the rest arrives."""


class BeamState(StrEnum):
    """Where one treatment beam of a case stands."""

    PENDING = "pending"
    """Nothing has been done for it."""
    INTERPRETED = "interpreted"
    """Its engine input lies on the daemon's machine; it waits for a GPU."""
    STAGED = "staged"
    """Its input lies verified on the host; it waits for its GPU's turn."""
    RUNNING = "running"
    """Its engine was launched on a GPU."""
    ENDED = "ended"
    """Its engine ended and exit.json is the evidence; the output is still on the host."""
    COLLECTED = "collected"
    """Its output lies on the daemon's machine with matching hashes; not verified yet."""
    DONE = "done"
    """Its dose is verified."""
    FAILED = "failed"
    """Its budget of attempts is spent, or it cannot be computed; the reason names it."""
    CANCELLED = "cancelled"
    """An operator cancelled it."""


class AttemptState(StrEnum):
    """Where one attempt (one run directory on one host) stands."""

    INTENDED = "intended"
    """Written before anything outside is touched: host, GPU, key and epoch are chosen."""
    STAGED = "staged"
    """Input lies verified in the run directory."""
    LAUNCHING = "launching"
    """The intent to launch: from here on the claim on the host decides whether it runs."""
    RUNNING = "running"
    """The wrapper answered, or was seen, with a claim."""
    ENDED = "ended"
    """exit.json was read, or the claim's lock is free without one (a killed run)."""
    COLLECTED = "collected"
    """Output fetched and hashed."""
    VERIFIED = "verified"
    """The dose was accepted: the attempt's good end."""
    FAILED = "failed"
    """The attempt's bad end; evidence says why."""
    WITHDRAWN = "withdrawn"
    """Given back before launch, or cancelled: it counts against no budget."""


class ReviewState(StrEnum):
    """Where the physicist's review of a case that is done stands: its latest review says it."""

    COMPUTED = "computed"
    """Done, and nobody has reviewed it."""
    REVIEWED = "reviewed"
    """A named user has looked at it."""
    APPROVED = "approved"
    """A named user answers for it."""
    REJECTED = "rejected"
    """A named user refuses it, with the reason: final; what follows is a recalculation."""


OPEN_CASES = frozenset({CaseState.INCOMING, CaseState.QUEUED, CaseState.RUNNING, CaseState.HELD, CaseState.INCOMPLETE})
"""Case states from which a case may still go on."""

OPEN_ATTEMPTS = frozenset(
    {
        AttemptState.INTENDED,
        AttemptState.STAGED,
        AttemptState.LAUNCHING,
        AttemptState.RUNNING,
        AttemptState.ENDED,
        AttemptState.COLLECTED,
    }
)
"""Attempt states that an actor still has to bring to an end."""
