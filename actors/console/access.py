"""Who may ask what over TCP: host names, token, session, and proof that an order comes from our own page. Pure."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

SESSION_S = 12 * 3600
TOKEN_LENGTH = 24
OPEN_PATHS = ("/healthz", "/login", "/assets/")
"""Asked without a token: they say nothing of cases."""
COOKIE = "mqi_session"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a decision needs of a request over TCP."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    cookies: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Denied:
    status: int
    what: str
    remedy: str = ""


class Access:
    """``names``: what browsers may call us; ``token``: empty where none is configured; ``secret``: of this start."""

    def __init__(self, *, names: frozenset[str], token: str, secret: bytes) -> None:
        self._names = names | {"localhost"}
        self._token = token.encode()
        self._page_key = _mac(secret, b"page").hexdigest()

    @property
    def needs_token(self) -> bool:
        return bool(self._token)

    @property
    def page_key(self) -> str:
        """Our own pages carry it and show it with every order; no other site can read it."""
        return self._page_key

    def denied(self, asked: Asked, now: datetime) -> Denied | None:
        """Why a request is refused; None: it is not."""
        host = asked.headers.get("host", "")
        if not self._known_host(host):
            return Denied(421, f'This console does not go by the name "{host[:80]}".', "Add it to console.names.")
        bearer = self._bearer(asked)
        if self._token and not asked.path.startswith(OPEN_PATHS) and not (bearer or self._in_session(asked, now)):
            return Denied(401, "A token is needed.", "Log in at /login, or send Authorization: Bearer <token>.")
        if asked.method not in ("GET", "HEAD") and not bearer:
            return self._foreign(asked, host)
        return None

    def token_ok(self, given: str) -> bool:
        """Compared in constant time."""
        return bool(self._token) and hmac.compare_digest(given.encode(), self._token)

    def session(self, now: datetime) -> str:
        """A cookie's value that is good for SESSION_S; survives a restart, ends with the token."""
        until = f"{int(now.timestamp()) + SESSION_S}"
        return f"{until}.{_mac(self._token, until.encode()).hexdigest()}"

    def _in_session(self, asked: Asked, now: datetime) -> bool:
        until, _, proof = asked.cookies.get(COOKIE, "").partition(".")
        good = hmac.compare_digest(proof.encode(), _mac(self._token, until.encode()).hexdigest().encode())
        return good and until.isdigit() and int(until) > now.timestamp()

    def _bearer(self, asked: Asked) -> bool:
        kind, _, given = asked.headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.token_ok(given.strip())

    def _known_host(self, header: str) -> bool:
        """An address is safe: a page of another site can only reach us by a name that it made point here."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name in self._names or _is_address(name)

    def _foreign(self, asked: Asked, host: str) -> Denied | None:
        """An order must come from a page of ours; what another site can make a browser send has no such key."""
        headers = asked.headers
        origin = headers.get("origin")
        same = origin is None or _authority(origin) == host.lower()
        site = headers.get("sec-fetch-site", "same-origin")
        if not same or site not in ("same-origin", "none"):
            return Denied(403, "This order comes from another site.")
        if asked.path == "/login":
            return None
        if not hmac.compare_digest(headers.get("x-mqi-page", "").encode(), self._page_key.encode()):
            return Denied(403, "This order does not come from a page of this console.", "Load the page again.")
        return None


def over_tls(headers: Mapping[str, str]) -> bool:
    """Whether a browser reached us through TLS, as it says itself, or the proxy before us.

    Neither needs to be believed: who lies about it makes his own session useless, and no other.
    """
    forwarded = headers.get("x-forwarded-proto", "").partition(",")[0]
    return headers.get("origin", "").lower().startswith("https:") or forwarded.strip().lower() == "https"


def _mac(key: bytes, text: bytes) -> hmac.HMAC:
    return hmac.new(key, text, hashlib.sha256)


def _authority(origin: str) -> str:
    """Its ``host:port``; nothing where it is no address at all."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
