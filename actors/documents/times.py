"""Times as outside programs read them. Pure."""

from __future__ import annotations

from datetime import datetime


def iso(at: datetime | None) -> str | None:
    """ISO 8601 with this machine's offset."""
    return None if at is None else at.astimezone().isoformat(timespec="seconds")
