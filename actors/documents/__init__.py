"""What the commands, the console and the page tell of the ledger: plain values and sentences, made from its rows."""

from actors.documents.cases import case_document, case_progress, show_document, verdict_of
from actors.documents.status import status_document
from actors.documents.times import iso
from actors.documents.why import halting, why

__all__ = [
    "case_document",
    "case_progress",
    "halting",
    "iso",
    "show_document",
    "status_document",
    "verdict_of",
    "why",
]
