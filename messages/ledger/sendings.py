"""Published results on their way to where they are wanted: what is written of it, asked and answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from messages.address import Mailbox
from messages.ledger.rows import CaseRow
from messages.states import ReviewState


class SendingState(StrEnum):
    """Where the sending of one case to one node stands."""

    DUE = "due"
    """To be sent, or to be tried again."""
    STORED = "stored"
    """The node has taken every file; its word that it keeps them is awaited."""
    SENT = "sent"
    """The node has taken every file; nothing more was asked of it."""
    COMMITTED = "committed"
    """The node has taken every file, and has said that it keeps them."""
    WITHHELD = "withheld"
    """The rules keep it from being sent; the reason says which."""


@dataclass(frozen=True, slots=True)
class SetNodes:
    """Where results are to be sent from now on: (name, rule) of every configured node; all others are none any more."""

    nodes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OrderSending:
    """An operator wants a case at a node. The same order written again changes nothing."""

    case: str
    node: str
    order: str
    user: str


@dataclass(frozen=True, slots=True)
class BeginSending:
    """The intent of one try, before anything leaves this process; refused unless it is due or its word is awaited, and
    where what is due does not stand any more as it was judged."""

    case: str
    node: str
    review: ReviewState = ReviewState.COMPUTED
    """How its review stood when the rules were asked."""
    superseded_by: str = ""
    """The later version that there was then; empty: none."""


@dataclass(frozen=True, slots=True)
class SettleSending:
    """What came of a try."""

    case: str
    node: str
    state: SendingState
    """DUE or STORED again: it is tried once more, not before ``again_s`` from now."""
    reason: str = ""
    """What was sent, or why it was not."""
    again_s: float = 0.0
    answers: str = ""
    """What the node said of each file, as JSON; empty leaves what is there."""


@dataclass(frozen=True, slots=True)
class SendingRow:
    """One case on its way to one node."""

    case: str
    node: str
    state: SendingState
    order: str
    """Id of the operator's order; empty: by itself."""
    user: str
    """Who ordered it; empty: by itself."""
    tries: int
    reason: str
    answers: str
    since: datetime
    """When it became due."""
    at: datetime
    """When it was last tried, or settled."""
    after: datetime
    """It is not tried before."""


@dataclass(frozen=True, slots=True)
class GetNodes:
    """Which nodes does the ledger know? Answered NodesReport."""

    request_id: str
    reply_to: Mailbox


@dataclass(frozen=True, slots=True)
class NodesReport:
    request_id: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetNextSending:
    """What is to be sent to a node next? Answered NextSending."""

    request_id: str
    reply_to: Mailbox
    node: str
    now: datetime


@dataclass(frozen=True, slots=True)
class NextSending:
    request_id: str
    sending: SendingRow | None
    """None: nothing is due now."""
    case: CaseRow | None
    """Its case."""
    review: ReviewState = ReviewState.COMPUTED
    """How the review of the case stands."""
    superseded_by: str = ""
    """A later version of the result; empty: this one stands."""
    earlier: SendingRow | None = None
    """The version that this one supersedes, where the same node has it."""
    late: SendingRow | None = None
    """Of all that was tried in vain, what has been due for the longest."""
