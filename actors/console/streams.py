"""Server-sent events: the overview as JSON for programs, as pieces of the page for browsers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from actors.console.asking import BusyError
from actors.console.hub import Hub, Line
from actors.console.looking import Sight

BEAT_S = 2.0
"""So often something is said, also when nothing is new: silence means that the connection is lost."""
_BEAT = b"event: beat\ndata: {}\n\n"
Render = Callable[[Sight, frozenset[str]], Awaitable[list[tuple[str, Any]]]]
"""(event, data) pairs of what is new."""


async def as_json(sight: Sight, changed: frozenset[str]) -> list[tuple[str, Any]]:
    """For programs."""
    events: list[tuple[str, Any]] = [("overview", sight.document)]
    return [*events, ("cases", sorted(changed))] if changed else events


def stream(hub: Hub, render: Render) -> Response:
    """An endless answer. Raises BusyError when too many listen already."""
    line = hub.join()
    if line is None:
        raise BusyError
    return _Stream(hub, line, render)


class _Stream(Response):
    """Ends with the connection, and lets go of its line however it ends."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, line: Line, render: Render) -> None:
        super().__init__(headers={"x-accel-buffering": "no"})
        del self.headers["content-length"]
        self._hub, self._line, self._render = hub, line, render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        hung_up = asyncio.ensure_future(_hung_up(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _send(send, b"retry: 1000\n\n")
            while not hung_up.done():
                news = await self._line.take(BEAT_S)
                await _send(send, _BEAT if news is None else await self._told(*news))
        finally:
            self._hub.leave(self._line)
            hung_up.cancel()

    async def _told(self, sight: Sight, changed: frozenset[str]) -> bytes:
        events = await self._render(sight, changed)
        return b"".join(encoded(name, data, sight.revision) for name, data in events)


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _hung_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def encoded(event: str, data: Any, revision: int) -> bytes:
    """One event; JSON has no line breaks, so its data is one line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {revision}\nevent: {event}\ndata: {text}\n\n".encode("utf-8", "backslashreplace")
