"""The page: one screen for everything, one for a case, and what they are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from actors.console import caseview
from actors.console.access import COOKIE, SESSION_S, Access, over_tls
from actors.console.api import SEARCH_LENGTH, case_named, states_in, why_document
from actors.console.asking import NotFoundError, bounded_body, guarded, number_of, within
from actors.console.books import LedgerReader
from actors.console.door import Door
from actors.console.looking import Sight, cleaned
from actors.console.press import ASSETS, Overview, asset_bytes, render, sections
from actors.console.reports import report_document, served
from actors.console.streams import stream
from actors.console.timeline import timeline
from actors.console.trend import Trend, trend_values
from actors.console.words import LANGUAGES, Words, chosen_language, words_in
from actors.documents import case_document, show_document
from actors.errors import MqiError
from messages.ledger import CaseRow

ROWS = 50
PICTURE_S = 65.0
_KEPT = 24
ASKED = ("state", "search", "offset", "gantry", "weeks", "band")
"""Of a page's address: what its links take along."""
_TONGUE = "mqi_lang"
_YEAR_S = 365 * 86400


def page_routes(door: Door, access: Access | None) -> list[BaseRoute]:
    """None over the control socket, which no browser opens."""
    if access is None:
        return []
    pages, clean = Pages(door, access), door.clean
    return [
        Route("/", guarded(pages.home, clean)),
        Route("/cases/{case}", guarded(pages.case, clean)),
        Route("/cases/{case}/dose/{name}.png", guarded(pages.dose, clean)),
        Route("/cases/{case}/report/{name}", guarded(pages.report, clean)),
        Route("/trend", guarded(pages.trend, clean)),
        Route("/live", guarded(pages.live, clean)),
        Route("/assets/{version}/{name}", guarded(pages.asset, clean)),
        Route("/login", guarded(pages.login, clean), methods=["GET"]),
        Route("/login", guarded(pages.log_in, clean), methods=["POST"]),
    ]


class Pages:
    """What is rendered is kept until something changes: ten browsers that look at the same cost as much as one."""

    def __init__(self, door: Door, access: Access) -> None:
        self._door, self._access = door, access
        self._trend, self._results = Trend(door), door.settings.results.dir
        self._kept: dict[tuple[str, ...], tuple[int, asyncio.Future[str]]] = {}
        self._sections: dict[str, tuple[int, dict[str, str]]] = {}

    # -- endpoints

    async def home(self, request: Request) -> Response:
        """Everything at a glance, and the list."""
        states, search = states_in(request), request.query_params.get("search", "")[:SEARCH_LENGTH]
        offset = number_of(request, "offset", 0, 0, 10**9)

        around = self._door.hub.around
        listed = {"offset": offset, "limit": ROWS, "search": search, "state": request.query_params.get("state", "")}

        def read(reader: LedgerReader) -> dict[str, Any]:
            now = datetime.now().astimezone()
            try:
                total, rows = reader.find(states, search, ROWS, offset)
            except MqiError:  # told above the list; the rest of the page stands
                total, rows = 0, ()
            return {**listed, "total": total, "cases": [case_document(row, now, around) for row in rows]}

        return await self._page(request, "home.html", read, lambda found: {"view": "home", "list": found})

    async def case(self, request: Request) -> Response:
        """One case."""
        name = request.path_params["case"]
        try:
            return await self._page(request, "case.html", partial(self._read_case, name), self._case_values)
        except NotFoundError as error:
            words = self._words(request)
            values = {**self._frame(request, words), "what": words("not_found"), "remedy": str(error.fault)}
            return HTMLResponse(render("message.html", words, {**values, "view": "message"}), 404)

    async def dose(self, request: Request) -> Response:
        """A picture of a published dose, drawn when it is first asked for."""
        name = request.path_params["name"]

        def read(reader: LedgerReader) -> dict[str, Any]:
            row = case_named(reader, request.path_params["case"])
            return show_document(row, (), (), datetime.now().astimezone())

        case = await self._door.books.ask(read)
        published = caseview.publication(case)
        known = {"sum", *(f"beam_{beam['number']}" for beam in case["beams"])}
        if name not in known or not published:
            raise NotFoundError("There is no such dose.", kind="no-dose")
        path = await within(PICTURE_S, self._door.draw(case["case"], f"{name}.dcm", published), shared=True)
        return FileResponse(path, media_type="image/png", headers={"cache-control": "private, max-age=300"})

    async def report(self, request: Request) -> Response:
        """The physicist's report as it was made, for a browser or for paper."""
        name = request.path_params["name"]
        return await self._door.books.ask(
            lambda reader: served(reader, self._results, request.path_params["case"], name)
        )

    async def trend(self, request: Request) -> Response:
        """What the reports of the last weeks found, of one gantry."""
        return await self._page(request, "trend.html", partial(self._trend.page, request), trend_values)

    async def live(self, request: Request) -> Response:
        """What changes, as pieces of the page."""
        words = self._words(request)
        sent: dict[str, str] = {}

        async def pieces(sight: Sight, changed: frozenset[str]) -> list[tuple[str, Any]]:
            now = self._pieces(words, sight)
            news = {name: html for name, html in now.items() if sent.get(name) != html}
            sent.update(news)
            events: list[tuple[str, Any]] = [("page", news)]
            return [*events, ("cases", sorted(changed)[:500])] if changed else events

        return stream(self._door.hub, pieces)

    async def asset(self, request: Request) -> Response:
        """Our own files; their address changes with them."""
        name = request.path_params["name"]
        if name not in ASSETS:
            raise NotFoundError("There is no such file.", kind="no-asset")
        kept = {"cache-control": f"public, max-age={_YEAR_S}, immutable"}
        return Response(asset_bytes(name), media_type=ASSETS[name], headers=kept)

    async def login(self, request: Request) -> Response:
        """Ask for the token."""
        return self._login_page(request, wrong=False)

    async def log_in(self, request: Request) -> Response:
        """The right token opens a session."""
        body = await bounded_body(request)
        given = parse_qs(body.decode("ascii", "replace")).get("token", [""])[0]
        if not self._access.token_ok(given):
            return self._login_page(request, wrong=True)
        answer = RedirectResponse("/", 303)
        session = self._access.session(datetime.now().astimezone())
        secure = over_tls(request.headers)
        answer.set_cookie(COOKIE, session, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure)
        return answer

    # -- what they share

    def _login_page(self, request: Request, *, wrong: bool) -> Response:
        words = self._words(request)
        values = {**self._frame(request, words), "view": "login", "live": "", "wrong": wrong}
        return HTMLResponse(render("login.html", words, values), 403 if wrong else 200)

    async def _page(
        self,
        request: Request,
        template: str,
        read: Callable[[LedgerReader], dict[str, Any]],
        values: Callable[[dict[str, Any]], Mapping[str, Any]],
    ) -> Response:
        words, newest = self._words(request), self._door.hub.newest
        revision = newest.revision if newest else -1
        key = (template, words.language, request.scope["path"], request.scope["query_string"].decode("latin-1"))
        kept = self._kept.get(key)
        if kept is None or kept[0] != revision:
            kept = revision, asyncio.ensure_future(self._made(template, words, request, read, values))
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = kept
        try:
            text = await asyncio.shield(kept[1])  # others may wait for the same
        except Exception:
            self._kept.pop(key, None)
            raise
        answer = HTMLResponse(text)
        if request.query_params.get("lang") in LANGUAGES:
            answer.set_cookie(_TONGUE, words.language, max_age=_YEAR_S, samesite="lax")
        return answer

    async def _made(
        self,
        template: str,
        words: Words,
        request: Request,
        read: Callable[[LedgerReader], dict[str, Any]],
        values: Callable[[dict[str, Any]], Mapping[str, Any]],
    ) -> str:
        newest = self._door.hub.newest
        found = cleaned(await self._door.books.ask(read), self._door.clean)
        document = Overview(newest.document if newest else {})
        more = {**self._frame(request, words), "doc": document, "hot_c": self._hot_c, **values(found)}
        return await run_in_threadpool(render, template, words, more)

    def _frame(self, request: Request, words: Words) -> dict[str, Any]:
        asked = {key: value for key, value in request.query_params.items() if key in ASKED}

        def query(**changes: object) -> str:
            merged = {**asked, **{key: str(value) for key, value in changes.items()}}
            return urlencode({key: value for key, value in merged.items() if value})

        return {
            "query": query,
            "page_key": self._access.page_key,
            "tongues": [words_in(language) for language in LANGUAGES],
            "live": f"/live?lang={words.language}",
            "subject": "",
        }

    def _words(self, request: Request) -> Words:
        asked = request.query_params.get("lang") or request.cookies.get(_TONGUE, "")
        return words_in(chosen_language(asked, request.headers.get("accept-language", "")))

    def _pieces(self, words: Words, sight: Sight) -> dict[str, str]:
        kept = self._sections.get(words.language)
        if kept is None or kept[0] != sight.revision:
            kept = sight.revision, sections(words, sight.document, self._hot_c)
            self._sections[words.language] = kept
        return kept[1]

    @property
    def _hot_c(self) -> float:
        return self._door.settings.monitor.gpu_temperature_c

    def _read_case(self, name: str, reader: LedgerReader) -> dict[str, Any]:
        said = why_document(self._door, reader, name)
        row: CaseRow = case_named(reader, said["case"])
        now, events = datetime.now().astimezone(), reader.events(row.case)
        document = show_document(
            row, reader.attempts(row.case), events, now, self._door.hub.around, reviews=reader.reviews(row.case)
        )
        moves = [{"at": one.at.isoformat(), "what": one.what} for one in events]
        return {**document, "why": said["why"], "moves": moves, "report": report_document(reader, row.case)}

    def _case_values(self, case: dict[str, Any]) -> Mapping[str, Any]:
        return {
            "view": "case",
            "subject": case["case"],
            "case": case,
            "sentence": case["why"],
            "offers": caseview.offers(case, sends=bool(self._door.settings.send)),
            "line": timeline(case["beams"], case["moves"], datetime.now().astimezone()),
            "figures": caseview.figures(case, self._door.settings.report),
            "sentences": caseview.sentences(case),
            "doses": caseview.doses(case),
        }
