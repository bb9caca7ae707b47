"""Where the control socket lies, and how it is opened: mode 0600 from its first instant."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from actors.crash_points import effect
from actors.errors import MqiError
from messages.faults import Blame, Fault

_ASIDE = ".new"
LONGEST = 107 - len(_ASIDE)
"""Bytes of a path that Linux takes for a socket (sun_path, less its end), with room for the name it is opened under."""
_BACKLOG = 32


def control_socket(state_dir: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """``<state_dir>/control.sock``; where that is too long for a socket, one in a short runtime folder of this user."""
    usual = state_dir / "control.sock"
    if len(os.fsencode(usual)) <= LONGEST:
        return usual
    base = Path(environ.get("XDG_RUNTIME_DIR") or "")
    if not base.is_absolute() or not base.is_dir() or len(os.fsencode(base)) > LONGEST - 40:
        base = Path(tempfile.gettempdir())
    name = hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:16]
    return base / f"mqi-{os.getuid()}" / f"{name}.sock"


def open_socket(path: Path) -> socket.socket:
    """A listening socket at ``path``; what an earlier daemon left there is replaced (the caller holds the state lock).

    Raises MqiError when the folder is not ours alone, OSError when there can be no socket.
    """
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.name != "control.sock":
        _refuse_foreign(folder)
    aside = path.with_name(path.name + _ASIDE)
    aside.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listening.fileno(), 0o600)  # before it has a name: nobody can open it in between
        listening.bind(os.fspath(aside))
        aside.chmod(0o600)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
        with effect("console.bind"):
            aside.rename(path)  # who sees the name is answered
    except BaseException:
        listening.close()
        raise
    return listening


def open_tcp(listen: str) -> socket.socket:
    """A listening socket at ``host:port``. Raises OSError."""
    host, _, port = listen.rpartition(":")
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _refuse_foreign(folder: Path) -> None:
    """In a folder for everybody's files, another user may have been first."""
    there = folder.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.getuid() or there.st_mode & 0o077:
        raise MqiError(
            Fault(
                "The runtime folder for the control socket is not this user's alone.",
                where=str(folder),
                remedy="Remove it, or choose a shorter daemon.state_dir.",
                blame=Blame.OURS,
                kind="console-folder",
            )
        )
