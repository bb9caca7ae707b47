"""The ASGI application: the API's routes, the page's routes, and the guard before them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from actors.console.access import Access
from actors.console.asking import refusal
from actors.console.catalogue import operations
from actors.console.door import Door
from actors.console.guard import Guard
from actors.console.pages import page_routes
from messages.faults import Fault


def make_app(door: Door, access: Access | None = None) -> ASGIApp:
    """The application. ``access`` None: the control socket only."""
    routes = [*(operation.route(door.clean) for operation in operations(door)), *page_routes(door, access)]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _in_words})
    return Guard(app, access)


async def _in_words(_: Request, error: Exception) -> Response:
    """No such path, or not with that method."""
    assert isinstance(error, HTTPException)
    return refusal(error.status_code, Fault(error.detail, remedy="/openapi.json tells what there is."))
