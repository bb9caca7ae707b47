"""One connection to a host: commands under /bin/sh whatever the login shell is, and streams. For task threads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

import paramiko

from actors.crash_points import effect
from actors.errors import MqiError
from actors.ssh_connection import framing, troubles
from actors.ssh_connection.channel import Channel, Limit
from actors.ssh_connection.connecting import Connection, OnCancel, Window, connect
from actors.ssh_connection.inflow import Inflow
from actors.ssh_connection.outcome import Outcome
from actors.ssh_connection.sessions import Sessions, Shell
from actors.ssh_connection.target import Target

__all__ = ["SESSIONS", "Channel", "Link", "Outcome", "open_link"]

SESSIONS = 4
"""Of one connection at once; OpenSSH grants ten (MaxSessions)."""
_ENDS_WITHIN_S = 3.0


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
    with effect("link.connect"):
        connection = connect(target, on_cancel, window or Window())
    return Link(target, connection, sessions)


class Link:
    """An open connection. Every method may be called from any task thread; ``close`` makes all of them return."""

    def __init__(self, target: Target, connection: Connection, sessions: int) -> None:
        self.target = target
        self._connection = connection
        self._sessions = Sessions(sessions)
        self._preparing: threading.Thread | None = None
        self._grudging = False
        """The server refused a session: none is opened but for somebody who needs it."""
        self._opening = threading.Lock()
        """Paramiko keeps one exception for all who open at once: the one who did not fail may get it."""

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
        if self._preparing is not None:
            self._preparing.join(_ENDS_WITHIN_S)

    def run(
        self,
        script: str,
        *,
        stdin: bytes | None = None,
        timeout_s: float,
        cancel: Callable[[], bool] = _never,
        prelude: str = "",
    ) -> Outcome:
        """Run ``script`` under /bin/sh and wait for its end. ``cancel`` is asked several times a second.

        With ``stdin`` the script reads these bytes; without, nothing. ``prelude`` is shell text that the script builds
        on; it crosses the link only where the shell does not have it yet. Raises MqiError: ``link-lost``,
        ``command-timeout`` (the script may still run), ``session-refused``, ``shell-unfit``.
        """
        limit = Limit(self, timeout_s, cancel)
        if stdin is not None:
            with effect("link.run"):
                return self._run_alone(f"{prelude}\n{script}", stdin, limit)
        shell = self._shell(limit)
        try:
            with effect("link.run"):
                outcome = shell.run(script, limit, prelude)
        except BaseException:
            shell.close()
            raise
        self._sessions.keep(shell)
        return outcome

    def channel(
        self, script: str, *, timeout_s: float = 30.0, cancel: Callable[[], bool] = _never, waiting: bool = False
    ) -> Channel:
        """Start ``script`` under /bin/sh and leave its input and output to the caller, who closes the channel.

        ``waiting``: in a shell that waits already, if there is one (see ``prepare``), which it uses up.
        """
        limit = Limit(self, timeout_s, cancel)
        shell = self._sessions.taken() if waiting else None
        fresh = shell is None or shell.fresh
        channel = self._open(limit) if shell is None else shell.handed_over()
        try:
            word = framing.nonce()
            with effect("link.stream"):
                channel.write(framing.stream(script, word), timeout_s)
                channel.skip_to(framing.begin_mark(word), limit, fresh=fresh)
        except BaseException:
            channel.close()
            raise
        return channel

    def prepare(self, ready: int) -> None:
        """Have so many shells ready, opened aside: who comes next then waits for no login's start-up files.

        Nobody is told when that fails: whoever needs a shell opens one, and hears why not.
        """
        if self._grudging or (self._preparing is not None and self._preparing.is_alive()):
            return
        if not self._sessions.wanted(ready):
            return
        self._preparing = threading.Thread(target=self._prepare, name=f"shell {self.target.host}", daemon=True)
        try:
            self._preparing.start()
        except RuntimeError:  # there are no threads to be had now
            self._preparing = None
            self._sessions.give_back()

    # -- sessions

    def _prepare(self) -> None:
        with contextlib.suppress(MqiError):
            channel = self._begin(Limit(self, self.target.patience.session_s, _never), aside=True)
            if channel is None:
                self._grudging = True
            else:
                self._sessions.keep(Shell(self, channel))

    def _run_alone(self, script: str, stdin: bytes, limit: Limit) -> Outcome:
        word = framing.nonce()
        with contextlib.closing(self._open(limit)) as channel:
            channel.write(framing.stream(framing.ended(script, word), word), limit.left_s)
            channel.skip_to(framing.begin_mark(word), limit)
            with contextlib.suppress(MqiError):  # a script that ends without reading all of it has its reasons
                channel.write(stdin, limit.left_s)
                channel.end_input()
            found = framing.answered(framing.begin_mark(word) + channel.read_all(limit), word)
            if found is None:
                raise self.broken("the answer has no end")
            return Outcome(found[1], found[0], channel.errors)

    def _shell(self, limit: Limit) -> Shell:
        while True:
            shell = self._sessions.shell(limit)
            if shell is not None:
                return shell
            channel = self._begin(limit)
            if channel is not None:
                return Shell(self, channel)

    def _open(self, limit: Limit) -> Channel:
        """A session in which the login shell was asked to become /bin/sh."""
        while True:
            self._sessions.room(limit)
            channel = self._begin(limit)
            if channel is not None:
                return channel
            self._sessions.spare()

    def _begin(self, limit: Limit, *, aside: bool = False) -> Channel | None:
        """The session that was counted; None when the server has too many of ours now, after a short wait.

        A server that grants few (MaxSessions) counts one for a moment longer than we do. ``aside``: nobody waits for
        it, and what was sent before may be long on its way: too late it is given up alone, not the link with it.
        """
        seconds = min(self.target.patience.session_s, limit.left_s)
        opened: list[paramiko.Channel] = []

        def give_up() -> None:
            if aside:
                for raw in opened:
                    raw.close()
            else:
                self.cut()

        guard = threading.Timer(seconds + 1.0, give_up)  # paramiko waits for an answer to exec for ever
        guard.daemon = True
        guard.start()
        try:
            with self._opening, effect("link.session"):
                raw = _taking_as_it_comes(self.transport.open_session(timeout=seconds))
                opened.append(raw)
                raw.exec_command(framing.BECOME_SH)
        except paramiko.ChannelException as error:
            self._sessions.give_back()
            if limit.refused(alone=self._sessions.alone):
                raise troubles.session_refused(self.target.host, error.text or "MaxSessions?") from error
            return None
        except (paramiko.SSHException, EOFError, OSError) as error:
            self._sessions.give_back()
            raise self.broken(str(error) or "no session was opened") from error
        finally:
            guard.cancel()
            guard.join()
        return Channel(self, raw, self._sessions.give_back)

    def broken(self, why: str) -> MqiError:
        """The fault for an answer that did not come."""
        reason = self.transport.get_exception() if not self.alive else None
        return troubles.lost(self.target.host, f"{why}: {reason}" if str(reason or "") else why)


def _taking_as_it_comes(raw: paramiko.Channel) -> paramiko.Channel:
    """A session that was just opened, on which nothing came yet."""
    raw.in_buffer = Inflow()
    if raw.closed or raw.eof_received:  # in the meantime, and only the pipe before it knows
        raw.in_buffer.close()
    return raw
