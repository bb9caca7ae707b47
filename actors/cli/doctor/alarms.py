"""How alarms reach people who look at no page."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from actors.cli.doctor.finding import Finding
from actors.cli.version import program_version
from actors.settings import Settings


def check_alarms(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """The command can be run; a webhook is named by its host alone, and nothing is sent to it."""
    way = settings.alarms
    if way.command:
        found = shutil.which(way.command[0])
        text = f"told by {found}" if found else f"there is no program {way.command[0]}"
        yield Finding("alarms", ok=bool(found), text=text, remedy="" if found else "correct `command` in [alarms]")
    elif way.webhook:
        parts = urlsplit(way.webhook)
        open_way = parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1")
        remedy = "use https: alarms name hosts and folders" if open_way else ""
        yield Finding("alarms", ok=True, text=f"told to {parts.hostname} ({parts.scheme})", remedy=remedy)
    else:
        yield Finding("alarms", ok=True, text="shown only (log, status, page, metrics); [alarms] tells them elsewhere")


def check_telling(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """A trial is told in earnest: whoever gets alarms gets it."""
    from actors.notifier import tell_a_trial

    if not settings.alarms.wanted:
        remedy = "name a command or a webhook in [alarms]"
        yield Finding("alarms, a trial", ok=False, text="nobody is to be told", remedy=remedy)
        return
    why = tell_a_trial(settings.alarms, program_version())
    remedy = "correct [alarms]" if why else "ask those who get alarms whether it arrived"
    yield Finding("alarms, a trial", ok=not why, text=why or "it was taken", remedy=remedy)
