"""What systemd is told of the daemon's life (sd_notify(3)): ready, alive, stopping. Without systemd nobody is told."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping


class ServiceManager:
    """Whoever started the process with ``NOTIFY_SOCKET`` in its environment; ``WATCHDOG_USEC`` asks for signs."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        microseconds = environ.get("WATCHDOG_USEC", "")
        self._every_s = int(microseconds) / 1e6 / 3 if microseconds.isdigit() else 0.0
        self._told = float("-inf")

    def ready(self) -> None:
        """The tree is started."""
        self._tell("READY=1")

    def alive(self) -> None:
        """Told three times within the time after which systemd would start the process anew."""
        now = time.monotonic()
        if self._every_s and now - self._told >= self._every_s:
            self._told = now
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """It ends in order."""
        self._tell("STOPPING=1")

    def _tell(self, words: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link,
        ):
            link.setblocking(False)
            link.sendto(words.encode(), self._address)
