"""Small files of the daemon's own, which another program or a power cut may have spoiled."""

from __future__ import annotations

from actors.cli.daemon.lock import _told
from tests.fuzz.reader import Reader


def _lock(data: bytes) -> object:
    found = _told(data, 7)
    assert found.pid == 7
    return found


READERS = (
    Reader(
        "lock",
        "the lock that says who holds the state folder",
        lambda: [b'{"pid": 7, "since": "2026-03-02T09:30:15+09:00", "boot": 3, "socket": "/s/control.sock"}\n'],
        _lock,
        ("actors.cli.daemon.lock", "json"),
    ),
)
