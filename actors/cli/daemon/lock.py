"""One daemon per state folder: a POSIX record lock, which the kernel drops with the process that holds it.

Such a lock is not inherited by child processes, so neither an engine nor a worker process that outlives the daemon
keeps it. Asking who holds it takes nothing (F_GETLK), so that a ``status`` never gets in the way of a ``start``.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType

from actors.cli.failures import CommandError, ExitCode
from messages.operators import Holder

_COMMAND = b'{"command": true}'
"""What a command writes that holds the lock for the moment in which it places an order."""
_MOMENT_S = 5.0
_FLOCK = struct.Struct("hhqqi0q")
"""``struct flock`` of 64-bit Linux: type, whence, start, length, pid."""


def holder(state_dir: Path) -> Holder | None:
    """Who holds the state folder; None: nobody. What a dead process left behind counts for nothing."""
    try:
        descriptor = os.open(state_dir / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        where, remedy = str(state_dir / "lock"), "Run this as the daemon's user."
        raise CommandError(ExitCode.USAGE, "The lock cannot be read.", where, remedy) from error
    try:
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))
        if kind == fcntl.F_UNLCK:
            return None
        text = os.pread(descriptor, 4096, 0)
        return None if _is_command(text) else _told(text, pid)
    finally:
        os.close(descriptor)


def _told(text: bytes, pid: int) -> Holder:
    """The pid is the kernel's word; the rest is what the holder wrote, if it has yet."""
    try:
        told = json.loads(text)
        return Holder(pid or int(told["pid"]), str(told["since"]), told.get("boot"), str(told["socket"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return Holder(pid, "", None, "")


def _is_command(text: bytes) -> bool:
    """A command holds it for a moment, to place an order: that is no daemon."""
    return text.startswith(_COMMAND)


class StateLock:
    """Holds the state folder from ``with`` to its end. Raises CommandError (LOCKED) that says who has it.

    The process must not open the lock file a second time: closing any descriptor of it would drop the lock.
    """

    def __init__(self, state_dir: Path, socket: Path, *, command: bool = False) -> None:
        self._path, self._socket, self._command = state_dir / "lock", socket, command
        self._since = datetime.now().astimezone().isoformat(timespec="seconds")
        self._descriptor = -1

    def __enter__(self) -> StateLock:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            self._take(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        if self._command:
            os.pwrite(descriptor, _COMMAND, 0)
        else:
            self.note(None)
        return self

    def _take(self, descriptor: int) -> None:
        """A command's moment is waited for by a daemon that begins."""
        deadline = time.monotonic() + (0.0 if self._command else _MOMENT_S)
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError) as error:
                told = os.pread(descriptor, len(_COMMAND), 0)  # nothing yet: whoever has it has just got it
                if time.monotonic() >= deadline or (told and not _is_command(told)):
                    raise self._taken() from error
                time.sleep(0.02)
            else:
                return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)

    def note(self, boot: int | None) -> None:
        """Write down who we are, for whoever asks."""
        told = {"pid": os.getpid(), "since": self._since, "boot": boot, "socket": str(self._socket)}
        text = json.dumps(told).encode() + b"\n"
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))

    def _taken(self) -> CommandError:
        other = holder(self._path.parent)
        who = f"pid {other.pid}, since {other.since or 'just now'}" if other else "it has ended this moment"
        return CommandError(
            ExitCode.LOCKED,
            f"Another daemon holds the state folder: {who}.",
            str(self._path.parent),
            "Stop it first (mqi-actors stop), or give this one a state_dir of its own.",
            kind="state-locked",
        )
