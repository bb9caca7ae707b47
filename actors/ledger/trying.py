"""The intent of one try to send a result: refused where the result does not stand any more as it was judged."""

from __future__ import annotations

from actors.ledger.journal import Journal
from actors.ledger.reviews import reviews_of, state_of, superseding
from actors.ledger.sendings import BEGIN, open_sending
from actors.ledger.transitions import refused
from messages.ledger import BeginSending, SendingState

REJECTING = "SELECT 1 FROM commands WHERE outcome = '' AND kind = 'reject' AND subject = :case LIMIT 1"
"""Is a rejection ordered that is still to be carried out?"""


def begin_sending(journal: Journal, record: BeginSending) -> None:
    """One try more. What the node has already is only asked for: nothing leaves, so nothing is judged."""
    before = open_sending(journal, record.case, record.node)
    if before.state is SendingState.DUE:
        _stands(journal, record)
    journal.run(BEGIN, case=record.case, node=record.node, at=journal.at)


def _stands(journal: Journal, record: BeginSending) -> None:
    """A rejection, or a later version, that was written since the rules were asked; or a rejection that is only
    ordered: it may have been while no daemon ran, and it is in force from then on."""
    if journal.one(REJECTING, case=record.case) is not None:
        raise refused(f"The rejection of case {record.case} is being carried out.", kind="case-changed")
    review = state_of(reviews_of(journal.database, record.case))
    later = superseding(journal.database, record.case)
    if (review, later.case if later is not None else "") != (record.review, record.superseded_by):
        follows = f", superseded by {later.case}" if later is not None else ""
        raise refused(
            f"Case {record.case} is {review}{follows} by now: its sending is judged anew.", kind="case-changed"
        )
