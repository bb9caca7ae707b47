"""What follows from one order."""

from __future__ import annotations

from dataclasses import dataclass

from actors.documents.orders import DONE, NOTHING, REFUSED
from messages.ledger import Record


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome in a sentence, and what is written for it, all of it or nothing."""

    outcome: str
    records: tuple[Record, ...] = ()
    concerns: tuple[str, ...] = ()
    """Other cases that it is about: those concerned are told of them too."""


def done(sentence: str, *records: Record) -> Decision:
    return Decision(f"{DONE}: {sentence}", records)


def nothing(sentence: str) -> Decision:
    """Things stand as ordered already: the same order twice changes nothing more."""
    return Decision(f"{NOTHING}: {sentence}")


def refuse(sentence: str) -> Decision:
    return Decision(f"{REFUSED}: {sentence}")
