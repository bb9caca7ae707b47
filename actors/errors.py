"""One error for all that an operator must be told; its fault holds the message and the remedy."""

from __future__ import annotations

from messages.faults import Blame, Fault


class MqiError(Exception):
    """What is wrong, where, what to do. Raised by pure code; actors turn it into a message or a log line."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault

    def __reduce__(self) -> tuple[type[MqiError], tuple[Fault]]:
        return type(self), (self.fault,)


class CaseError(MqiError):
    """The case itself is wrong; no retry helps until its files change."""

    def __init__(self, what: str | Fault, where: str = "", remedy: str = "", kind: str = "") -> None:
        super().__init__(
            what
            if isinstance(what, Fault)
            else Fault(what=what, where=where, remedy=remedy, blame=Blame.INPUT, kind=kind)
        )
