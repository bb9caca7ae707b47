"""The operator API and the page, through their ASGI application: every answer is one in words, whatever is asked."""

from __future__ import annotations

import asyncio
import json
import os
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

from actors.console.access import Access
from actors.console.app import make_app
from tests.fuzz.reader import Reader
from tests.unit.console.stand_ins import LOCAL, SECRET, Inside, _From

_CASE = "20260302-093015-2c87b654"
_ENDLESS = ("/api/events", "/live")
_HEADERS = ((b"host", b"127.0.0.1:8080"), (b"content-type", b"application/json"))


_doors: list[Any] = []


class RefusedError(Exception):
    """The answer was an error, told in words."""


@cache
def _console() -> tuple[asyncio.AbstractEventLoop, Inside, Any]:
    inside = Inside()
    inside.look()
    access = Access(names=frozenset({"console.example"}), token="", secret=SECRET)
    door = inside.door()
    _doors.append(door)
    return asyncio.new_event_loop(), inside, _From(make_app(door, access), LOCAL)


def end() -> None:
    """The threads of the console that was asked are ended; the next question has a console of its own."""
    if _console.cache_info().currsize:
        _console()[0].close()
        _console.cache_clear()
    while _doors:
        _doors.pop().books.close()


def _asked(data: bytes) -> object:
    """``METHOD PATH`` on the first line, the body after it."""
    head, _, body = data.partition(b"\n")
    method, _, target = head.partition(b" ")
    path, _, query = target.partition(b"?")
    name = unquote_to_bytes(path).decode("utf-8", "replace")
    if name.startswith(_ENDLESS):
        raise RefusedError("a stream has no end to wait for")
    loop, inside, app = _console()
    inside.calls.clear()
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1",
        "method": method.decode("latin-1").upper()[:20],
        "scheme": "http", "path": name, "raw_path": path, "query_string": query, "root_path": "",
        "headers": list(_HEADERS), "client": ("127.0.0.1", 5000), "server": ("127.0.0.1", 8080),
    }  # fmt: skip
    status, answer = loop.run_until_complete(_answered(app, scope, body))
    _check_calls(inside)
    if status >= 400:
        told = answer.decode()
        assert status < 500, f"{status}: {told[:300]}"
        assert not name.startswith("/api") or method == b"HEAD" or json.loads(told)["error"]["what"].strip()
        raise RefusedError(status)
    return status


async def _answered(app: Any, scope: dict[str, Any], body: bytes) -> tuple[int, bytes]:
    sent: list[dict[str, Any]] = []
    pieces = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return pieces.pop() if pieces else await asyncio.sleep(60, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    status = next(message["status"] for message in sent if message["type"] == "http.response.start")
    return int(status), b"".join(message.get("body", b"") for message in sent)


def _check_calls(inside: Inside) -> None:
    """What reaches the actors can be a name of a file, and stand in the ledger."""
    for call in inside.calls:
        for word in call:
            if isinstance(word, str):
                assert "\0" not in word
                os.fsencode(word)


def _requests() -> list[bytes]:
    order = json.dumps({"kind": "hold", "subject": _CASE, "argument": ""}).encode()
    folder = json.dumps({"path": "/share/p/s", "partial": False}).encode()
    looks = ("status", "overview", "cases", "cases?state=done&search=x&limit=5&offset=1", f"cases/{_CASE}")
    more = (f"cases/{_CASE}/why", f"cases/{_CASE}/log/3?offset=8")
    others = ("healthz", "readyz", "metrics", "openapi.json", "", f"cases/{_CASE}?lang=ko", "login")
    paths = (*(f"/api/{path}" for path in (*looks, *more)), *(f"/{path}" for path in others))
    return [
        *(f"GET {path}\n".encode() for path in paths),
        b"POST /api/orders\n" + order,
        b"POST /api/submit\n" + folder,
        b"POST /api/reload\n{}",
        b"POST /login\ntoken=x",
    ]


READERS = (
    Reader(
        "operator-api",
        "the operator API and the page (HTTP)",
        _requests,
        _asked,
        ("actors.console", "actors.documents", "json"),
        refusals=(RefusedError,),
        words=(
            b"GET ",
            b"POST ",
            b"/api/orders",
            b"/api/submit",
            b'"\\ud800"',
            b'"/\\ud800"',
            b"retry",
            b"cancel",
            b"release",
            b"priority",
            b"drain",
            b"resume",
            b"pause",
            b"%00",
            b"%ff",
            b"..%2f",
            b"?limit=-1",
            b"&offset=9999999999999999999",
            b"lang=",
            b'{"path": "/',
            b'"partial": true',
            b"[[[[",
            b"9" * 30,
            b"1e400",
        ),
        limit_s=3.0,
    ),
)
