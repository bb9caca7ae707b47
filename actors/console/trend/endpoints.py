"""The charts' page and their document."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from actors.console.api import answer_to
from actors.console.asking import number_of
from actors.console.books import LedgerReader
from actors.console.door import Door
from actors.console.trend.drawing import picture_of
from actors.console.trend.series import Chart, charts_of, document
from actors.documents import BAND_MEV, iso
from messages.ledger import Followed, GantryRow

WEEKS = 8
MOST_WEEKS = 52
CHOICES = (4, 8, 13, 26, 52)
MOST_ROWS = 6000
"""Of cases and beams together: the last ones."""
LISTED = 12
"""Points beyond their action level that are told by name: the last ones."""


class Trend:
    """Made of what the ledger keeps of each report; no result is opened for it."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def answer(self, request: Request) -> Response:
        """``/api/trend``."""
        asked = _asked(request)
        found = await self._door.books.ask(lambda reader: self.read(reader, asked))
        charts = found.pop("charts")
        told = {**found, "gantries": [_gantry(row) for row in found["gantries"]], "charts": document(charts)}
        return answer_to(request, self._door, told)

    def page(self, request: Request, reader: LedgerReader) -> dict[str, Any]:
        """What the page shows; run where the ledger may be read."""
        found = self.read(reader, _asked(request))
        return {**found, "choices": CHOICES, "now": iso(datetime.now().astimezone())}

    def read(self, reader: LedgerReader, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The charts of one gantry; of the first one where none is named."""
        gantries = reader.gantries()
        known = {row.gantry: row for row in gantries}
        gantry = asked["gantry"] or (gantries[0].gantry if gantries else "")
        band = asked["band"] if gantry in known and asked["band"] in known[gantry].bands else 0
        until = datetime.now().astimezone()
        since = until - timedelta(weeks=asked["weeks"])
        wanted = Followed(gantry, band, since, until + timedelta(days=1), MOST_ROWS)
        rows = reader.followed(wanted) if gantry in known else ()
        charts = charts_of(rows, self._door.settings.report, band=band)
        return {
            "gantry": gantry,
            "weeks": asked["weeks"],
            "band": band,
            "since": iso(since),
            "until": iso(until),
            "cut": len(rows) >= MOST_ROWS,
            "gantries": gantries,
            "charts": charts,
        }


def trend_values(found: dict[str, Any]) -> dict[str, Any]:
    """The page's own values: the charts drawn."""
    known = next((row for row in found["gantries"] if row.gantry == found["gantry"]), None)
    drawn = [(chart, picture_of(chart), _named(chart)) for chart in found["charts"]]
    return {
        "view": "trend",
        "trend": found,
        "bands": known.bands if known else (),
        "drawn": drawn,
        "band_mev": BAND_MEV,
    }


def _named(chart: Chart) -> tuple[Any, ...]:
    return tuple(reversed(chart.judged[-LISTED:]))


def _asked(request: Request) -> dict[str, Any]:
    """Of the query. Raises MqiError."""
    return {
        "gantry": request.query_params.get("gantry", "")[:40],
        "weeks": number_of(request, "weeks", WEEKS, 1, MOST_WEEKS),
        "band": number_of(request, "band", 0, 0, 999),
    }


def _gantry(row: GantryRow) -> dict[str, Any]:
    return {"gantry": row.gantry, "bands": list(row.bands), "cases": row.cases, "latest": iso(row.latest)}
