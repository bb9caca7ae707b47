"""What the commands, the console and the page tell of the ledger: plain values and sentences, made from its rows."""

from actors.documents.around import Around, look_around
from actors.documents.cases import case_document, case_progress, show_document, verdict_of
from actors.documents.figures import BAND_MEV, band_of, gamma_figure, pair_gamma
from actors.documents.overview import health_document, overview_document
from actors.documents.status import status_document
from actors.documents.times import iso
from actors.documents.today import Today, midnight, tally
from actors.documents.why import halting, why
from actors.documents.why_places import why_gpu, why_host

__all__ = [
    "BAND_MEV",
    "Around",
    "Today",
    "band_of",
    "case_document",
    "case_progress",
    "gamma_figure",
    "halting",
    "health_document",
    "iso",
    "look_around",
    "midnight",
    "overview_document",
    "pair_gamma",
    "show_document",
    "status_document",
    "tally",
    "verdict_of",
    "why",
    "why_gpu",
    "why_host",
]
