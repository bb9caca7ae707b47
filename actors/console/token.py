"""The token that requests over TCP must show: read from its file, and judged."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from actors.console.access import TOKEN_LENGTH
from actors.errors import MqiError
from messages.faults import Blame, Fault

_BYTES = 4096


def read_token(path: Path) -> str:
    """The token. Raises MqiError when there is none, it is short, or other users could read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(_BYTES).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise _unusable(path, f"cannot be read: {error}", "Write one: openssl rand -hex 24") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise _unusable(path, "can be read by other users", f"Close it: chmod 600 {path}")
    if len(text) < TOKEN_LENGTH or not text.isprintable() or " " in text:
        raise _unusable(
            path, f"must hold one word of {TOKEN_LENGTH} characters or more", f"openssl rand -hex 24 > {path}"
        )
    return text


def _unusable(path: Path, why: str, remedy: str) -> MqiError:
    return MqiError(Fault(f"The console's token file {why}.", str(path), remedy, Blame.OURS, "console-token"))
