"""Server-sent events: the overview as JSON for programs, as pieces of the page for browsers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from actors.console.asking import BusyError
from actors.console.hub import Hub
from actors.console.looking import Sight

BEAT_S = 2.0
"""So often something is said, also when nothing is new: silence means that the connection is lost."""
Render = Callable[[Sight, frozenset[str]], Awaitable[list[tuple[str, Any]]]]
"""(event, data) pairs of what is new."""


async def as_json(sight: Sight, changed: frozenset[str]) -> list[tuple[str, Any]]:
    """For programs."""
    events: list[tuple[str, Any]] = [("overview", sight.document)]
    return [*events, ("cases", sorted(changed))] if changed else events


def stream(request: Request, hub: Hub, render: Render) -> Response:
    """An endless answer. Raises BusyError when too many listen already."""
    del request
    line = hub.join()
    if line is None:
        raise BusyError

    async def events() -> AsyncIterator[bytes]:
        try:
            yield b"retry: 1000\n\n"
            while True:
                news = await line.take(BEAT_S)
                if news is None:
                    yield b"event: beat\ndata: {}\n\n"
                    continue
                sight, changed = news
                yield b"".join(encoded(name, data, sight.revision) for name, data in await render(sight, changed))
        finally:
            hub.leave(line)

    return StreamingResponse(events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


def encoded(event: str, data: Any, revision: int) -> bytes:
    """One event; JSON has no line breaks, so its data is one line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {revision}\nevent: {event}\ndata: {text}\n\n".encode("utf-8", "backslashreplace")
