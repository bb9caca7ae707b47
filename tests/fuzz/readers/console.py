"""The operator API, through its ASGI application."""

from __future__ import annotations

from tests.fuzz.reader import Reader

READERS: tuple[Reader, ...] = ()
