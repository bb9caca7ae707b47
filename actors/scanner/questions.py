"""What the ledger is asked: once all that it knows, part by part; then, again and again, what is new."""

from __future__ import annotations

from itertools import count

from messages.address import Mailbox
from messages.ledger import CasesReport, GetCase, GetCases, GetKnownCases, KnownCasesReport
from messages.states import CaseState

OF_INTEREST = frozenset({CaseState.INCOMING, CaseState.INCOMPLETE, CaseState.HELD, CaseState.FAILED})
"""Cases that the scanner may still admit, or whose files it watches."""


class Questions:
    """Years of cases come in parts, and what failed long ago is read once: an answer is as small as what it tells."""

    def __init__(self, ledger: Mailbox, reply_to: Mailbox, epoch: int) -> None:
        self._ledger, self._reply_to, self._epoch = ledger, reply_to, epoch
        self.known = False
        """All that the ledger knew at the start was learned."""
        self._part = 0
        """Where the part begins that is awaited."""
        self._event = 0
        """Up to this line of the history, what happened was learned."""
        self._numbers = count(1)

    def ask_known(self) -> None:
        """For the part that is awaited; asked again if the answer was lost."""
        self._ledger.tell(GetKnownCases(self._name("known"), self._reply_to, self._part))

    def expected(self, report: KnownCasesReport) -> bool:
        """Whether this is that part; then the one behind it is asked for."""
        if self.known or report.after != self._part:
            return False
        self.known = not report.more
        if report.more:
            self._part = report.upto
            self.ask_known()
        return True

    def ask_news(self) -> None:
        """How the cases stand of which the history says something new."""
        self._ledger.tell(GetCases(self._name("news"), self._reply_to, OF_INTEREST, after=self._event))

    def learned(self, report: CasesReport) -> None:
        """All of it was taken in: it need not be told again."""
        self._event = max(self._event, report.upto)

    def ask_all_anew(self) -> None:
        """What was learned does not fit what the ledger has: the next news are of all cases."""
        self._event = 0

    def ask_case(self, case: str) -> None:
        """How one case stands."""
        self._ledger.tell(GetCase(self._name("order"), self._reply_to, case))

    def _name(self, what: str) -> str:
        return f"{self._reply_to.id}/{self._epoch}/{what}/{next(self._numbers)}"
