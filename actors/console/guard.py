"""What every request passes first: who may ask, how long an answer may take to be taken, and what a browser may do."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from types import MappingProxyType

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.console.access import Access, Asked, Denied
from actors.console.asking import UNNAMED, refusal
from actors.console.peers import Peer, tcp_uid, user_name
from actors.console.server import peer_in
from messages.faults import Fault

TAKE_S = 10.0
"""For a client to take one piece of an answer."""
HEADERS = MappingProxyType(
    {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",  # with none at all, browsers do not say where our own login form comes from
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }
)


_BAD_QUERY = Fault("The query of the address holds bytes that no address may hold.", remedy="Write them as %XX.")


class Guard:
    """ASGI middleware around everything that the console answers. ``access`` None: nothing is served over TCP."""

    def __init__(self, app: ASGIApp, access: Access | None) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        peer = peer_in(scope)
        outward = _Outward(send, peer)
        scope.setdefault("state", {})["user"] = peer.user
        if not peer.local and (denied := self._denied(scope, peer)):
            await refusal(denied.status, Fault(denied.what, remedy=denied.remedy))(scope, receive, outward)
            return
        if not scope["query_string"].isascii():
            await refusal(400, _BAD_QUERY)(scope, receive, outward)
            return
        try:
            await self._app(scope, receive, outward)
        except Exception:
            if not outward.gone:  # who was dropped is nobody's failure
                raise

    def _denied(self, scope: Scope, peer: Peer) -> Denied | None:
        if self._access is None:
            return Denied(403, "Nothing is served over TCP.")
        headers = Headers(scope=scope)
        asked = Asked(scope["method"], scope["path"], dict(headers), _cookies(headers.get("cookie", "")))
        if denied := self._access.denied(asked, datetime.now().astimezone()):
            return denied
        if asked.method in ("GET", "HEAD") or asked.path == "/login":
            return None
        return self._who_orders(scope, peer)

    def _who_orders(self, scope: Scope, peer: Peer) -> Denied | None:
        """Orders bear a name; without a token only the daemon's own user (or root) may give them."""
        assert self._access is not None
        uid = tcp_uid(peer)
        address = peer.address[0] if peer.address else "an unknown address"
        scope["state"]["user"] = user_name(uid) if uid is not None else f"{UNNAMED}{address}"
        if self._access.needs_token or uid in (0, os.getuid()):
            return None
        who = f"user {user_name(uid)}" if uid is not None else "an unknown user"
        return Denied(
            403,
            f"Orders by {who} are not taken here.",
            f"Use the account of {user_name(os.getuid())}, or let an administrator set console.token_file.",
        )


class _Outward:
    """Sends with a time limit and with the headers that bind browsers."""

    def __init__(self, send: Send, peer: Peer) -> None:
        self._send, self._peer = send, peer
        self.gone = False
        """The client took nothing in time, and was dropped."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        try:
            await asyncio.wait_for(self._send(message), TAKE_S)
        except TimeoutError:
            self.gone = True
            self._peer.abort()
            raise


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}
