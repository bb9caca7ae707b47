"""How a question becomes an answer in words: futures with a time limit, bodies of a bounded size, errors told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from actors.console.server import peer_in
from actors.errors import MqiError
from messages.faults import Blame, Fault

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]

BODY_BYTES = 65536
BODY_S = 10.0
"""For a client to send a body."""
ANSWER_S = 75.0
"""For any answer but a stream; longer than each actor is given."""


class NotFoundError(MqiError):
    """There is no such case, beam or file."""

    def __init__(self, what: str, remedy: str = "", kind: str = "no-case") -> None:
        super().__init__(Fault(what, remedy=remedy, kind=kind))


class BusyError(MqiError):
    """More is asked than the console takes on at a time."""

    def __init__(self) -> None:
        super().__init__(Fault("The console has too much to do.", remedy="Try again in a moment.", blame=Blame.OURS))


def guarded(endpoint: Endpoint, clean: Callable[[str], str]) -> Endpoint:
    """Whatever goes wrong is an answer in words, never a broken connection; over TCP they are cleaned."""

    async def answer(request: Request) -> Response:
        def told(status: int, fault: Fault, headers: dict[str, str] | None = None) -> Response:
            return refusal(status, fault if peer_in(request.scope).local else _cleaned(fault, clean), headers)

        try:
            return await asyncio.wait_for(endpoint(request), ANSWER_S)
        except NotFoundError as error:
            return told(404, error.fault)
        except BusyError as error:
            return told(503, error.fault, {"retry-after": "2"})
        except MqiError as error:
            return told(400, error.fault)
        except TimeoutError:
            return told(504, Fault("The daemon is too busy to answer in time.", remedy="Try again."))
        except Exception as error:
            return told(500, Fault(f"The console failed: {type(error).__name__}: {error}.", remedy="Read the log."))

    return answer


def _cleaned(fault: Fault, clean: Callable[[str], str]) -> Fault:
    return replace(fault, what=clean(fault.what), where=clean(fault.where), remedy=clean(fault.remedy))


def refusal(status: int, fault: Fault, headers: dict[str, str] | None = None) -> Response:
    """An error in words."""
    told = {"what": fault.what, "where": fault.where, "remedy": fault.remedy, "kind": fault.kind}
    return JSONResponse({"error": told}, status, headers)


async def within(limit_s: float, future: Future[T], *, shared: bool = False) -> T:
    """What an actor answers; ``shared``: others may wait for it, and still do when we do not. Raises TimeoutError."""
    waiting = asyncio.wrap_future(future)
    try:
        return await asyncio.wait_for(asyncio.shield(waiting) if shared else waiting, limit_s)
    except asyncio.CancelledError:
        if not shared:
            future.cancel()
        raise


async def json_body(request: Request) -> dict[str, Any]:
    """The body, an object; empty where there is none. Raises MqiError for anything else."""
    body = await bounded_body(request)
    try:
        value = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise MqiError(Fault("The request must be one JSON object."))
    return value


async def bounded_body(request: Request) -> bytes:
    """The body as it came. Raises MqiError for one that is too long, or takes too long to come."""
    try:
        return await asyncio.wait_for(_body(request), BODY_S)
    except TimeoutError as error:
        raise MqiError(Fault("The request did not come to its end.")) from error


async def _body(request: Request) -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES:
            raise MqiError(Fault("The request is too long."))
    return body


UNNAMED = "token at "
"""Who asks over TCP with a token begins so; an address follows. It names no person."""


def user_of(request: Request) -> str:
    """Who asks, as the connection tells."""
    user: str = request.scope.get("state", {}).get("user", "")
    return user or "unknown"


def number_of(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query. Raises MqiError."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    decimal = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not decimal or not least <= int(text) <= most:
        raise MqiError(Fault(f"{name} must be a whole number from {least} to {most}."))
    return int(text)
