"""Questions about cases and the daemon, answered with the documents that the commands print."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from actors.console.asking import NotFoundError, number_of, within
from actors.console.books import LedgerReader
from actors.console.door import Door
from actors.console.enginelog import read_engine_log
from actors.console.looking import cleaned
from actors.console.server import peer_in
from actors.console.streams import as_json, stream
from actors.documents import case_document, halting, health_document, show_document, status_document, why
from actors.documents.course import course_document, course_from
from actors.documents.told_course import told_of
from actors.errors import MqiError
from messages.faults import Fault
from messages.ledger import CaseRow
from messages.operators import Holder
from messages.states import CaseState

HEALTH_S = 1.0
PAGE = 100
MOST = 1000
SEARCH_LENGTH = 100


class Answers:
    """The endpoints that change nothing."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def status(self, request: Request) -> Response:
        """``status``, as the command prints it, with the actors."""
        door, facts = self._door, self._door.facts()
        try:
            live = {**facts, **health_document(await within(HEALTH_S, door.health()))}
        except TimeoutError:
            live = {**facts, "alarms": None}  # a monitor that is busy does not hold up the answer
        configured = [(host.name, host.kind) for host in door.settings.hosts]

        def read(reader: LedgerReader) -> dict[str, Any]:
            return status_document(
                Holder(facts["pid"], facts["since"], facts["boot"], facts["socket"]),
                live,
                counts=reader.counts(),
                planned=reader.planned_counts(),
                configured=configured,
                hosts=reader.hosts(),
                gpus=reader.gpus(),
                alarms=reader.alarms(),
                boot=facts["boot"],
                halts=reader.halts(),
            )

        return answer_to(request, self._door, {**await door.books.ask(read), "actors": facts["actors"]})

    async def overview(self, request: Request) -> Response:
        """What the page shows, as it was seen last."""
        sight = self._door.hub.newest
        if sight is None:
            raise NotFoundError("Nothing has been looked at yet.", "Ask again in a second.", "no-look")
        return JSONResponse(sight.document)

    async def cases(self, request: Request) -> Response:
        """A part of the list, with how many there are."""
        states, search = states_in(request), request.query_params.get("search", "")[:SEARCH_LENGTH]
        limit = number_of(request, "limit", PAGE, 0, MOST)
        offset, around = number_of(request, "offset", 0, 0, 10**9), self._door.hub.around

        def read(reader: LedgerReader) -> dict[str, Any]:
            now = datetime.now().astimezone()
            total, rows = reader.find(states, search, limit, offset)
            return {"total": total, "offset": offset, "cases": [case_document(row, now, around) for row in rows]}

        return answer_to(request, self._door, await self._door.books.ask(read))

    async def case(self, request: Request) -> Response:
        """``show``: one case in full."""
        around = self._door.hub.around

        def read(reader: LedgerReader) -> dict[str, Any]:
            row = case_named(reader, request.path_params["case"])
            now = datetime.now().astimezone()
            return show_document(
                row,
                reader.attempts(row.case),
                reader.events(row.case),
                now,
                around,
                reviews=reader.reviews(row.case),
                sendings=reader.sendings(row.case),
            )

        return answer_to(request, self._door, await self._door.books.ask(read))

    async def plan(self, request: Request) -> Response:
        """``plan``: the sessions of a plan, and what of them counts."""
        uid = request.path_params["plan"]

        def read(reader: LedgerReader) -> dict[str, Any]:
            course = course_from(reader.course(uid))
            if not course.sessions:
                raise NotFoundError(
                    f'No case was delivered by a plan "{uid[:80]}".', "A case names its plan.", "no-plan"
                )
            return course_document(uid, course, told_of(course))

        return answer_to(request, self._door, await self._door.books.ask(read))

    async def why(self, request: Request) -> Response:
        """``why``: one sentence."""
        name, door = request.path_params["case"], self._door
        return answer_to(request, self._door, await door.books.ask(lambda reader: why_document(door, reader, name)))

    async def log(self, request: Request) -> Response:
        """More of an engine's log, from a byte on; without one, the end of it."""
        beam = request.path_params["beam"]
        offset = number_of(request, "offset", -1, 0, 10**15)
        results: Path = self._door.settings.results.dir

        def read(reader: LedgerReader) -> dict[str, Any]:
            row = case_named(reader, request.path_params["case"])
            return read_engine_log(row, beam, reader.attempts(row.case), results, offset)

        return answer_to(request, self._door, await self._door.books.ask(read))

    async def events(self, request: Request) -> Response:
        """The overview whenever it changes, and which cases changed."""
        return stream(self._door.hub, as_json)


def answer_to(request: Request, door: Door, document: dict[str, Any]) -> Response:
    """Over TCP, names of patients that a path may hold are taken out."""
    return JSONResponse(document if peer_in(request.scope).local else cleaned(document, door.clean))


def why_document(door: Door, reader: LedgerReader, name: str) -> dict[str, Any]:
    """``why`` of a case. Raises NotFoundError."""
    row, heard = case_named(reader, name), door.heard()
    said = why(
        row,
        running=True,
        results=door.settings.results.dir,
        halted=halting([(alarm.id, alarm.text) for alarm in heard.report.alarms] if heard else [], row.case),
        around=door.hub.around,
        attempts=reader.attempts(row.case),
        sendings=reader.sendings(row.case),
    )
    return {"case": row.case, "state": str(row.state), "why": said}


def states_in(request: Request) -> frozenset[CaseState]:
    """``state`` of the query: one or several, separated by commas; none: all. Raises MqiError."""
    wanted = [state for state in request.query_params.get("state", "").split(",") if state]
    known = {str(state) for state in CaseState}
    if unknown := sorted(set(wanted) - known):
        raise MqiError(Fault(f'There is no state "{unknown[0][:40]}".', remedy=f"There are: {', '.join(CaseState)}."))
    return frozenset(map(CaseState, wanted)) or frozenset(CaseState)


def case_named(reader: LedgerReader, name: str) -> CaseRow:
    """The case of that name, or the only one that begins with it. Raises NotFoundError."""
    if (row := reader.case(name)) is not None:
        return row
    total, rows = reader.find(frozenset(CaseState), name, limit=MOST)
    matching = [row for row in rows if row.case.startswith(name)] if total else []
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise NotFoundError(f'{len(matching)} cases begin with "{name[:80]}".', "Write more of the name.", "case-many")
    raise NotFoundError(f'There is no case "{name[:80]}".', "mqi-actors cases lists them.")
