"""The page, as routes."""

from __future__ import annotations

from starlette.routing import BaseRoute

from actors.console.access import Access
from actors.console.door import Door


def page_routes(door: Door, access: Access | None) -> list[BaseRoute]:
    """None over the control socket."""
    del door, access
    return []
