"""Input and output of one script on a host, and how long a call waits for it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import paramiko

from actors.errors import MqiError
from actors.ssh_connection import framing, troubles
from actors.ssh_connection.inflow import Inflow
from actors.ssh_connection.target import Target

LONGEST_ANSWER = 16 * 1024 * 1024
POLL_S = 0.1
_GATHERED = 1 << 19
REFUSED_S = 0.03
REFUSED_FOR_GOOD_S = 3.0


class Line(Protocol):
    """The link that a channel belongs to."""

    target: Target

    @property
    def alive(self) -> bool: ...

    def broken(self, why: str) -> MqiError:
        """The fault for an answer that did not come."""


class Limit:
    """Until when, and whether, a call goes on."""

    def __init__(self, link: Line, timeout_s: float, cancel: Callable[[], bool]) -> None:
        self._link = link
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._cancel = cancel
        self._refused_since = 0.0

    @property
    def left_s(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)

    def refused(self, *, alone: bool) -> bool:
        """The server grants no session now; waits a moment. True when that will not change: no other is open."""
        self.check()
        now = time.monotonic()
        self._refused_since = self._refused_since or now
        time.sleep(REFUSED_S)
        return alone and now - self._refused_since > REFUSED_FOR_GOOD_S

    def check(self) -> None:
        """Raise if there is nothing to wait for any more."""
        if self._cancel():
            raise self._link.broken("given up")
        if not self._link.alive:
            raise self._link.broken("the other side is gone")
        if self.left_s <= 0:
            raise troubles.slow_command(self._link.target.host, self._timeout_s)


class Channel:
    """Input and output of one script that runs on the host."""

    def __init__(self, link: Line, raw: paramiko.Channel, given_back: Callable[[], None]) -> None:
        self._link = link
        self._raw = raw
        self._given_back = given_back
        self._ahead = b""
        self._errors = bytearray()
        self._closed = threading.Lock()
        self._most_granted = int(raw.out_window_size)

    @property
    def open(self) -> bool:
        return self._link.alive and not self._raw.closed and not self._raw.eof_received

    @property
    def granted(self) -> int:
        """Bytes that the other end would take now; it changes as they are read there."""
        return int(self._raw.out_window_size)

    def in_bulk(self) -> None:
        """What comes is much, and nobody waits for its first byte."""
        if isinstance(self._raw.in_buffer, Inflow):
            self._raw.in_buffer.gather = _GATHERED

    @property
    def errors(self) -> bytes:
        """What came on standard error so far, the newest part of a flood."""
        with contextlib.suppress(OSError, EOFError):
            while self._raw.recv_stderr_ready():
                self._errors += self._raw.recv_stderr(65536)
        del self._errors[: -LONGEST_ANSWER // 16]
        return bytes(self._errors)

    def forget_errors(self) -> None:
        """What came on standard error so far is of no interest."""
        _ = self.errors
        self._errors.clear()

    def read(self, size: int, timeout_s: float) -> bytes | None:
        """Up to ``size`` bytes; empty at the end of output, None when nothing came in time. MqiError when lost."""
        if self._ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
            return data
        self._raw.settimeout(timeout_s)
        try:
            data = self._raw.recv(size)
        except TimeoutError:
            return None
        except (OSError, EOFError) as error:
            raise self._link.broken(str(error)) from error
        if not data and not self._raw.eof_received:
            raise self._link.broken("it broke off")
        return data

    def write(self, data: bytes | memoryview, timeout_s: float) -> None:
        """All of it. Raises MqiError (``link-lost``) when it is not taken in time, or there is no reader any more."""
        self._raw.settimeout(timeout_s)
        try:
            self._raw.sendall(data)  # type: ignore[arg-type]  # the stubs know bytes only
        except TimeoutError as error:
            raise self._link.broken(f"nothing was taken for {timeout_s:g} s") from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._link.broken(str(error) or "the other end reads no more") from error

    def settle(self, most: int, timeout_s: float) -> None:
        """Wait until no more than ``most`` bytes are on their way. Raises MqiError when none was taken for so long."""
        deadline, granted = time.monotonic() + timeout_s, self.granted
        with self._raw.out_buffer_cv:
            while self._most_granted - self.granted > most and not self._raw.closed:
                if self.granted != granted:
                    deadline, granted = time.monotonic() + timeout_s, self.granted
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise self._link.broken(f"nothing was taken for {timeout_s:g} s")
                self._raw.out_buffer_cv.wait(left_s)

    def end_input(self) -> None:
        """The script sees the end of its input."""
        with contextlib.suppress(OSError, EOFError):
            self._raw.shutdown_write()

    def exit_code(self, timeout_s: float) -> int | None:
        """How the script ended; None when that did not come in time, or never will."""
        deadline = time.monotonic() + timeout_s
        while not self._raw.exit_status_ready() and self._link.alive and time.monotonic() < deadline:
            self._raw.status_event.wait(min(POLL_S, max(deadline - time.monotonic(), 0.0)))
        if not self._raw.exit_status_ready():
            return None
        code = self._raw.recv_exit_status()
        return code if code >= 0 else None

    def close(self) -> None:
        """Once or more, from any thread. The script on the host sees its input end and its output gone."""
        if self._closed.acquire(blocking=False):
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                self._raw.close()
            self._given_back()

    # -- for links and shells

    def skip_to(self, mark: bytes, limit: Limit, *, fresh: bool = True) -> None:
        """Pass over what a login prints, up to and with the mark. A ``fresh`` shell that does not print it is unfit."""
        seen = b""
        for block in self.blocks(limit):
            seen += block
            at = seen.find(mark)
            if at >= 0:
                self._ahead = seen[at + len(mark) :] + self._ahead
                return
            if len(seen) > LONGEST_ANSWER:
                break
        if not fresh:
            raise self._link.broken("the shell on the host ended")
        raise troubles.shell_unfit(self._link.target.host, framing.heard(seen) or framing.heard(self.errors))

    def read_all(self, limit: Limit) -> bytes:
        """Everything up to the end of output."""
        found = bytearray()
        for block in self.blocks(limit):
            found += block
            if len(found) > LONGEST_ANSWER:
                raise self._link.broken("the answer is too long")
        return bytes(found)

    def blocks(self, limit: Limit) -> Iterator[bytes]:
        """Output as it comes, until its end; standard error is taken aside meanwhile."""
        while True:
            limit.check()
            block = self.read(65536, min(POLL_S, limit.left_s))
            if block == b"":
                return
            if block is None:
                _ = self.errors  # else a flood there fills the window that both share
                continue
            yield block
