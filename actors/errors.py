"""One error for all that an operator must be told; its fault holds the message and the remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from messages.faults import Blame, Fault


class MqiError(Exception):
    """What is wrong, where, what to do. Raised by pure code; actors turn it into a message or a log line.

    What a broken file holds can stand in a sentence about it: so each is made printable, on one line, and not too long.
    """

    LONGEST: ClassVar[int] = 600
    """Characters of one part of the fault."""

    def __init__(self, fault: Fault) -> None:
        what, where, remedy = (printable(part, self.LONGEST) for part in (fault.what, fault.where, fault.remedy))
        if (what, where, remedy) != (fault.what, fault.where, fault.remedy):
            fault = replace(fault, what=what, where=where, remedy=remedy)
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


def printable(text: str, longest: int) -> str:
    """The text on one line: what cannot be printed is escaped, and the middle of one that is too long left out."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
    if len(text) > longest:
        half = longest // 2
        text = f"{text[:half]} … {text[-half:]}"
    return text
