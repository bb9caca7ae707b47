"""Backup and restore of the ledger."""

from __future__ import annotations

import os
import sqlite3
from datetime import datetime
from pathlib import Path

from actors.cli.commands import say
from actors.cli.failures import CommandError, ExitCode
from actors.cli.site import Site


def backup(conf: Path | None, file: Path | None, *, as_json: bool) -> None:
    """Copy the ledger, daemon up or down, to ``file`` or to a dated one among the backups."""
    from actors.ledger import backup_to

    site = Site(conf, os.environ)
    settings = site.settings
    if not settings.ledger_path.exists():
        where, remedy = str(settings.ledger_path), "There is nothing to back up before the first start."
        raise CommandError(ExitCode.USAGE, "There is no ledger yet.", where, remedy, "no-ledger")
    now = datetime.now().astimezone()
    target = file or settings.backups_dir / f"ledger-by-hand-{now:%Y%m%dT%H%M%S}.sqlite"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        backup_to(settings.ledger_path, target)
    except (OSError, sqlite3.Error) as error:
        what, remedy = f"The ledger cannot be copied: {error}.", "Make room there, or name another file."
        raise CommandError(ExitCode.USAGE, what, str(target), remedy, "backup-failed") from error
    say({"path": str(target.absolute())}, f"backup: {target}", as_json=as_json)


def restore(conf: Path | None, file: Path, *, as_json: bool) -> None:
    """Put a backup in the place of the ledger; the daemon must be down. What was there is kept beside it."""
    from actors.cli.daemon.lock import StateLock
    from actors.console import control_socket
    from actors.ledger import restore as put_back

    settings = Site(conf, os.environ).settings
    settings.daemon.state_dir.mkdir(parents=True, exist_ok=True)
    with StateLock(settings.daemon.state_dir, control_socket(settings.daemon.state_dir, os.environ)):
        try:
            aside = put_back(file, settings.ledger_path)
        except (OSError, sqlite3.Error) as error:
            what, remedy = f"The backup cannot be restored: {error}.", "Nothing was changed; look at file and disk."
            raise CommandError(ExitCode.USAGE, what, str(file), remedy, "restore-failed") from error
    kept = f"; what was there is now {aside}" if aside else ""
    text = f"restored: {settings.ledger_path} from {file}{kept}. Start the daemon: mqi-actors start"
    say({"path": str(settings.ledger_path), "kept": str(aside) if aside else ""}, text, as_json=as_json)
