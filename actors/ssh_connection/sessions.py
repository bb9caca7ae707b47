"""The sessions of one connection: how many there may be, and the shells that wait for the next command."""

from __future__ import annotations

import threading
import time

from actors.ssh_connection import framing, troubles
from actors.ssh_connection.channel import LONGEST_ANSWER, POLL_S, Channel, Limit, Line
from actors.ssh_connection.outcome import Outcome

IDLE_SHELLS = 2
"""Kept for the next command: it then costs neither a new session nor the login's start-up files."""


class Shell:
    """A /bin/sh on the host that takes one script after another."""

    def __init__(self, link: Line, channel: Channel) -> None:
        self._link = link
        self._channel = channel
        self._fresh = True
        self._prelude = ""

    @property
    def usable(self) -> bool:
        return self._channel.open

    @property
    def fresh(self) -> bool:
        """Nothing was asked of it yet: what its login printed is still to come, and whether it is fit is unknown."""
        return self._fresh

    def handed_over(self) -> Channel:
        """Its input and output, for a script that will be its last."""
        self._channel.forget_errors()
        return self._channel

    def run(self, script: str, limit: Limit, prelude: str = "") -> Outcome:
        """Run ``script``, after ``prelude`` if that was not the last one here."""
        word = framing.nonce()
        fresh, self._fresh = self._fresh, False
        self._channel.forget_errors()
        fresh_prelude, self._prelude = prelude if prelude != self._prelude else "", prelude
        self._channel.write(framing.command(script, word, fresh_prelude), limit.left_s)
        output = bytearray()
        for block in self._channel.blocks(limit):
            output += block
            if framing.may_end(output, len(block)) and (found := framing.answered(bytes(output), word)):
                return Outcome(found[1], found[0], self._errors(word, limit))
            if len(output) > LONGEST_ANSWER:
                raise self._link.broken("the answer is too long")
        if fresh and framing.begin_mark(word) not in output:
            said = framing.heard(bytes(output)) or framing.heard(self._channel.errors)
            raise troubles.shell_unfit(self._link.target.host, said)
        raise self._link.broken("the shell on the host ended")

    def _errors(self, word: str, limit: Limit) -> bytes:
        while (found := framing.complained(self._channel.errors, word)) is None:
            limit.check()
            time.sleep(0.001)
        return found

    def close(self) -> None:
        self._channel.close()


class Sessions:
    """Count of a connection's sessions, and those of them that are free for the next command."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._idle: list[Shell] = []
        self._changed = threading.Condition()

    def shell(self, limit: Limit) -> Shell | None:
        """A shell that is there; None: there is room for a new session, which is counted from here on."""
        while True:
            limit.check()
            dead: Shell | None = None
            with self._changed:
                if self._idle:
                    shell = self._idle.pop()
                    if shell.usable:
                        return shell
                    dead = shell
                elif self._used < self._most:
                    self._used += 1
                    return None
                else:
                    self._changed.wait(POLL_S)
            if dead is not None:
                dead.close()

    def taken(self) -> Shell | None:
        """A shell that is there already, for good; its session stays counted. None: there is none."""
        while True:
            with self._changed:
                shell = self._idle.pop() if self._idle else None
            if shell is None or shell.usable:
                return shell
            shell.close()

    def wanted(self, ready: int) -> bool:
        """Whether fewer shells than ``ready`` wait, and there is room for one more, which is counted from here on."""
        with self._changed:
            wanted = len(self._idle) < min(ready, IDLE_SHELLS) and self._used < self._most
            self._used += wanted
            return wanted

    def room(self, limit: Limit) -> None:
        """Wait until there is room for a session, which is counted from here on; idle shells make room."""
        while True:
            limit.check()
            with self._changed:
                if self._used < self._most:
                    self._used += 1
                    return
            if not self.spare():
                with self._changed:
                    self._changed.wait(POLL_S)

    def spare(self) -> bool:
        """End an idle shell, to make room; False when there is none."""
        with self._changed:
            shell = self._idle.pop() if self._idle else None
        if shell is not None:
            shell.close()
        return shell is not None

    @property
    def alone(self) -> bool:
        """No session of ours is open."""
        return self._used == 0

    def keep(self, shell: Shell) -> None:
        """The shell is free for the next command."""
        with self._changed:
            if shell.usable and len(self._idle) < IDLE_SHELLS:
                self._idle.append(shell)
                self._changed.notify()
                return
        shell.close()

    def give_back(self) -> None:
        """A session is over."""
        with self._changed:
            self._used -= 1
            self._changed.notify_all()
