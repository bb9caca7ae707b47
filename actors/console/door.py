"""What the endpoints may ask of the actor; every call returns at once, from any thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.console.books import Books
from actors.console.hub import Hub
from actors.console.looking import Health
from actors.settings import Settings
from messages.cases import FolderTaken
from messages.ledger import OrdersReport, Written
from messages.metrics import MetricsReport
from messages.operators import HealthReport, SettingsReloaded


@dataclass(frozen=True, slots=True)
class Door:
    """The console as its HTTP side sees it."""

    settings: Settings
    version: str
    books: Books
    hub: Hub
    facts: Callable[[], dict[str, Any]]
    """Of the process: pid, boot, since, actors."""
    heard: Callable[[], Health | None]
    """The monitor's last word."""
    health: Callable[[], Future[HealthReport]]
    """The monitor, asked now."""
    pulse: Callable[[], Future[OrdersReport]]
    """The ledger's actor, asked something small."""
    metrics: Callable[[], Future[MetricsReport]]
    stop: Callable[[str], None]
    """Argument: the user who asks."""
    reload: Callable[[str], Future[SettingsReloaded]]
    submit: Callable[[str, bool, str], Future[FolderTaken]]
    """Path, partial, user."""
    order: Callable[[str, str, str, str, str], Future[Written]]
    """Kind, subject, argument, user, and the order's id (empty: a new one); the answer comes when it is on the disk."""
    draw: Callable[[str, str, str], Future[Path]]
    """Case, name of a published RT Dose and hash of the publication; the path of a picture of it (PNG)."""
    clean: Callable[[str], str]
    """A text without what must not be shown: names of patients in paths, secrets."""
