"""The HTTP side: four small endpoints, each with a time limit; what they need of the actors they ask as futures."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from actors.errors import MqiError
from messages.cases import FolderTaken
from messages.faults import Fault
from messages.operators import HealthReport, SettingsReloaded

BODY_BYTES = 65536
HEALTH_S = 1.0
RELOAD_S = 15.0
SUBMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Door:
    """What the endpoints may do; every call returns at once."""

    facts: Callable[[], dict[str, Any]]
    """Of the process: pid, boot, since, actors."""
    health: Callable[[], Future[HealthReport]]
    stop: Callable[[str], None]
    """Argument: the user who asks."""
    reload: Callable[[str], Future[SettingsReloaded]]
    submit: Callable[[str, bool, str], Future[FolderTaken]]
    """Path, partial, user."""


def make_app(door: Door) -> Starlette:
    """The ASGI application."""

    async def status(_: Request) -> Response:
        facts = door.facts()
        try:
            health = await _within(HEALTH_S, door.health())
        except TimeoutError:
            return JSONResponse({**facts, "alarms": None, "machine": None, "disks": None})
        alarms = [{"id": a.id, "since": a.since.isoformat(timespec="seconds"), "text": a.text} for a in health.alarms]
        disks = [asdict(disk) for disk in health.disks]
        return JSONResponse({**facts, "alarms": alarms, "machine": asdict(health.machine), "disks": disks})

    async def stop(request: Request) -> Response:
        door.stop(_user(request))
        return JSONResponse({"stopping": True})

    async def reload(request: Request) -> Response:
        done = await _within(RELOAD_S, door.reload(_user(request)))
        fields = {"changed": done.changed, "needs_restart": done.needs_restart, "errors": done.errors}
        return JSONResponse({name: list(values) for name, values in fields.items()})

    async def submit(request: Request) -> Response:
        order = await _order(request)
        taken = await _within(SUBMIT_S, door.submit(order["path"], order["partial"], _user(request)))
        return JSONResponse({"cases": list(taken.cases), "sentences": list(taken.sentences)})

    return Starlette(
        routes=[
            Route("/status", _guarded(status)),
            Route("/stop", _guarded(stop), methods=["POST"]),
            Route("/reload", _guarded(reload), methods=["POST"]),
            Route("/submit", _guarded(submit), methods=["POST"]),
        ]
    )


def _guarded(endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """Whatever goes wrong is an answer in words, never a broken connection."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except MqiError as error:
            return _refusal(400, error.fault)
        except TimeoutError:
            return _refusal(504, Fault("The daemon is too busy to answer in time.", remedy="Try again."))
        except Exception as error:
            return _refusal(500, Fault(f"The console failed: {type(error).__name__}: {error}.", remedy="Read the log."))

    return answer


def _refusal(status: int, fault: Fault) -> Response:
    return JSONResponse({"error": {"what": fault.what, "where": fault.where, "remedy": fault.remedy}}, status)


async def _within(limit_s: float, future: Future[Any]) -> Any:
    try:
        return await asyncio.wait_for(asyncio.wrap_future(future), limit_s)
    except asyncio.CancelledError:
        future.cancel()
        raise


async def _order(request: Request) -> dict[str, Any]:
    """The body of a submission: ``{"path": "/…", "partial": false}``."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_BYTES:
            raise MqiError(Fault("The request is too long."))
    try:
        order = json.loads(body)
        path, partial = order["path"], order.get("partial", False)
    except (ValueError, TypeError, KeyError, AttributeError):
        path, partial = None, False
    if not isinstance(path, str) or not isinstance(partial, bool) or not path.startswith("/") or "\0" in path:
        raise MqiError(Fault('The request must be {"path": "/absolute/path", "partial": false}.'))
    return {"path": path, "partial": partial}


def _user(request: Request) -> str:
    user: str = request.scope.get("state", {}).get("user", "")
    return user or "unknown"
