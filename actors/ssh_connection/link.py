"""One connection to a host: commands under /bin/sh whatever the login shell is, and streams. For task threads."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import paramiko

from actors.errors import MqiError
from actors.ssh_connection import framing, troubles
from actors.ssh_connection.connecting import Connection, OnCancel, Window, connect
from actors.ssh_connection.target import Target

SESSIONS = 4
"""Of one connection at once; OpenSSH grants ten (MaxSessions)."""
_IDLE_SHELLS = 2
"""Kept for the next command: it then costs neither a new session nor the login's start-up files."""
_LONGEST_ANSWER = 16 * 1024 * 1024
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a script ended, and what it said."""

    exit_code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output; bytes that are no UTF-8 are kept as surrogates."""
        return self.stdout.decode("utf-8", "surrogateescape")


def _never() -> bool:
    return False


def open_link(
    target: Target,
    on_cancel: OnCancel = lambda _closer: lambda: None,
    *,
    window: Window | None = None,
    sessions: int = SESSIONS,
) -> Link:
    """Connect and log in. Raises MqiError: blame HOST, kind and remedy as in ``troubles``; MqiError too when cancelled.

    ``on_cancel`` is ``TaskScope.on_cancel``: it is told how to cut the attempt short.
    """
    return Link(target, connect(target, on_cancel, window or Window()), sessions)


class Link:
    """An open connection. Every method may be called from any task thread; ``close`` makes all of them return."""

    def __init__(self, target: Target, connection: Connection, sessions: int) -> None:
        self.target = target
        self._connection = connection
        self._sessions = _Sessions(sessions)
        self._idle: list[_Shell] = []
        self._lock = threading.Lock()

    @property
    def transport(self) -> paramiko.Transport:
        """For transfers that speak to it directly."""
        return self._connection.transport

    @property
    def alive(self) -> bool:
        """Not known to be lost. A stalled connection is alive until a heartbeat is missed."""
        return self._connection.alive

    def cut(self) -> None:
        """Make every call on it end at once; quick, from any thread. ``close`` follows."""
        self._connection.cut()

    def close(self) -> None:
        """End the connection and everything on it."""
        self._connection.close()
        with self._lock:
            self._idle.clear()

    def run(
        self, script: str, *, stdin: bytes | None = None, timeout_s: float, cancel: Callable[[], bool] = _never
    ) -> Outcome:
        """Run ``script`` under /bin/sh and wait for its end. ``cancel`` is asked several times a second.

        With ``stdin`` the script reads these bytes; without, nothing. Raises MqiError: ``link-lost``,
        ``command-timeout`` (the script may still run), ``session-refused``, ``shell-unfit``.
        """
        limit = _Limit(self, timeout_s, cancel)
        if stdin is not None:
            return self._run_alone(script, stdin, limit)
        shell = self._shell(limit)
        try:
            outcome = shell.run(script, limit)
        except BaseException:
            shell.close()
            raise
        self._put_back(shell)
        return outcome

    def channel(self, script: str, *, timeout_s: float = 30.0, cancel: Callable[[], bool] = _never) -> Channel:
        """Start ``script`` under /bin/sh and leave its input and output to the caller, who closes the channel."""
        limit = _Limit(self, timeout_s, cancel)
        channel = self._open(limit)
        try:
            word = framing.nonce()
            channel.write(framing.stream(script, word), timeout_s)
            channel.skip_to(framing.begin_mark(word), limit)
        except BaseException:
            channel.close()
            raise
        return channel

    # -- sessions

    def _run_alone(self, script: str, stdin: bytes, limit: _Limit) -> Outcome:
        word = framing.nonce()
        with contextlib.closing(self._open(limit)) as channel:
            inner = f"(\n{script}\n)\nset -- $?\nprintf '\\nmqi-end-%s %s\\n' {word} \"$1\""
            channel.write(framing.stream(inner, word), limit.left_s)
            channel.skip_to(framing.begin_mark(word), limit)
            with contextlib.suppress(MqiError):  # a script that ends without reading all of it has its reasons
                channel.write(stdin, limit.left_s)
                channel.end_input()
            output = framing.begin_mark(word) + channel.read_all(limit)
            found = framing.answered(output, word)
            if found is None:
                raise self.broken("the answer has no end")
            return Outcome(found[1], found[0], channel.errors)

    def _shell(self, limit: _Limit) -> _Shell:
        with self._lock:
            while self._idle:
                shell = self._idle.pop()
                if shell.usable:
                    return shell
                shell.close()
        return _Shell(self, self._open(limit))

    def _put_back(self, shell: _Shell) -> None:
        with self._lock:
            if shell.usable and len(self._idle) < _IDLE_SHELLS:
                self._idle.append(shell)
                return
        shell.close()

    def _spare(self) -> bool:
        """Give up an idle shell for the sake of another session."""
        with self._lock:
            shell = self._idle.pop() if self._idle else None
        if shell is not None:
            shell.close()
        return shell is not None

    def _open(self, limit: _Limit) -> Channel:
        """A session in which the login shell was asked to become /bin/sh."""
        while True:
            limit.check()
            if not self._sessions.take():
                if not self._spare():
                    self._sessions.wait(_POLL_S)
                continue
            try:
                raw = self._session(limit)
            except BaseException:
                self._sessions.give_back()
                raise
            if raw is not None:
                return Channel(self, raw, self._sessions.give_back)
            self._spare()

    def _session(self, limit: _Limit) -> paramiko.Channel | None:
        """A new session; None when the server has too many of ours and some of them will end."""
        seconds = min(self.target.patience.session_s, limit.left_s)
        guard = threading.Timer(seconds + 1.0, self.cut)  # paramiko waits for an answer to exec for ever
        guard.daemon = True
        guard.start()
        try:
            raw = self.transport.open_session(timeout=seconds)
            raw.exec_command(framing.BECOME_SH)
        except paramiko.ChannelException as error:
            if self._sessions.refused():
                return None
            raise troubles.session_refused(self.target.host, error.text or "MaxSessions?") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise self.broken(str(error) or "no session was opened") from error
        finally:
            guard.cancel()
        return raw

    def broken(self, why: str) -> MqiError:
        """The fault for an answer that did not come."""
        reason = self.transport.get_exception() if not self.alive else None
        return troubles.lost(self.target.host, f"{why}: {reason}" if reason else why)


class _Limit:
    """Until when, and whether, a call goes on."""

    def __init__(self, link: Link, timeout_s: float, cancel: Callable[[], bool]) -> None:
        self._link = link
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._cancel = cancel

    @property
    def left_s(self) -> float:
        return max(self._deadline - time.monotonic(), 0.0)

    def check(self) -> None:
        """Raise if there is nothing to wait for any more."""
        if self._cancel():
            raise self._link.broken("given up")
        if not self._link.alive:
            raise self._link.broken("the other side is gone")
        if self.left_s <= 0:
            raise troubles.slow_command(self._link.target.host, self._timeout_s)


class _Sessions:
    """Count of this connection's sessions; the bound shrinks to what the server grants."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._changed = threading.Condition()

    def take(self) -> bool:
        with self._changed:
            if self._used >= self._most:
                return False
            self._used += 1
            return True

    def give_back(self) -> None:
        with self._changed:
            self._used -= 1
            self._changed.notify_all()

    def refused(self) -> bool:
        """The session that was taken is not granted. True: others are, so it can be had when one of them ends."""
        with self._changed:
            if self._used <= 1:
                return False
            self._used -= 1
            self._most = max(self._used, 1)
            return True

    def wait(self, seconds: float) -> None:
        with self._changed:
            if self._used >= self._most:
                self._changed.wait(seconds)


class Channel:
    """Input and output of one script that runs on the host."""

    def __init__(self, link: Link, raw: paramiko.Channel, given_back: Callable[[], None]) -> None:
        self._link = link
        self._raw = raw
        self._given_back = given_back
        self._ahead = b""
        self._errors = bytearray()
        self._closed = threading.Lock()

    @property
    def open(self) -> bool:
        return self._link.alive and not self._raw.closed and not self._raw.eof_received

    @property
    def errors(self) -> bytes:
        """What came on standard error so far, the newest part of a flood."""
        with contextlib.suppress(OSError, EOFError):
            while self._raw.recv_stderr_ready():
                self._errors += self._raw.recv_stderr(65536)
        del self._errors[: -_LONGEST_ANSWER // 16]
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

    def end_input(self) -> None:
        """The script sees the end of its input."""
        with contextlib.suppress(OSError, EOFError):
            self._raw.shutdown_write()

    def exit_code(self, timeout_s: float) -> int | None:
        """How the script ended; None when that did not come in time, or never will."""
        deadline = time.monotonic() + timeout_s
        while not self._raw.exit_status_ready() and self._link.alive and time.monotonic() < deadline:
            self._raw.status_event.wait(min(_POLL_S, max(deadline - time.monotonic(), 0.0)))
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

    def skip_to(self, mark: bytes, limit: _Limit) -> None:
        """Pass over what a login prints, up to and with the mark."""
        seen = b""
        for block in self.blocks(limit):
            seen += block
            at = seen.find(mark)
            if at >= 0:
                self._ahead = seen[at + len(mark) :] + self._ahead
                return
            if len(seen) > _LONGEST_ANSWER:
                break
        raise troubles.shell_unfit(self._link.target.host, framing.heard(seen) or framing.heard(self.errors))

    def read_all(self, limit: _Limit) -> bytes:
        """Everything up to the end of output."""
        found = bytearray()
        for block in self.blocks(limit):
            found += block
            if len(found) > _LONGEST_ANSWER:
                raise self._link.broken("the answer is too long")
        return bytes(found)

    def blocks(self, limit: _Limit) -> Iterator[bytes]:
        """Output as it comes, until its end; standard error is taken aside meanwhile."""
        while True:
            limit.check()
            block = self.read(65536, min(_POLL_S, limit.left_s))
            if block == b"":
                return
            if block is None:
                _ = self.errors  # else a flood there fills the window that both share
                continue
            yield block


class _Shell:
    """A /bin/sh on the host that takes one script after another."""

    def __init__(self, link: Link, channel: Channel) -> None:
        self._link = link
        self._channel = channel
        self._fresh = True

    @property
    def usable(self) -> bool:
        return self._channel.open

    def run(self, script: str, limit: _Limit) -> Outcome:
        word = framing.nonce()
        fresh, self._fresh = self._fresh, False
        self._channel.forget_errors()
        self._channel.write(framing.command(script, word), limit.left_s)
        output = bytearray()
        for block in self._channel.blocks(limit):
            output += block
            if framing.may_end(output, len(block)) and (found := framing.answered(bytes(output), word)):
                return Outcome(found[1], found[0], self._errors(word, limit))
            if len(output) > _LONGEST_ANSWER:
                raise self._link.broken("the answer is too long")
        if fresh and framing.begin_mark(word) not in output:
            said = framing.heard(bytes(output)) or framing.heard(self._channel.errors)
            raise troubles.shell_unfit(self._link.target.host, said)
        raise self._link.broken("the shell on the host ended")

    def _errors(self, word: str, limit: _Limit) -> bytes:
        while (found := framing.complained(self._channel.errors, word)) is None:
            limit.check()
            time.sleep(0.001)
        return found

    def close(self) -> None:
        self._channel.close()
