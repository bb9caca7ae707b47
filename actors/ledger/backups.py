"""Backups of the ledger: taken while it is written, whole or not at all; and the way back."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from actors.crash_points import effect
from actors.errors import MqiError
from actors.ledger import queries as q
from actors.ledger.schema import refuse_newer, schema_version
from actors.ledger.transitions import refused

KEEP = 14
"""Scheduled backups that are kept."""
BOOT_JUMP = 100_000
"""A restored ledger counts its boots on from so much further: no epoch that was used after the backup comes again."""
_PATTERN = "ledger-[0-9]*.sqlite"
"""Of scheduled backups; those that a person took are named otherwise, and kept."""


def default_backups(path: Path) -> Path:
    """Where the backups of a ledger are when nobody says otherwise."""
    return path.parent / "backups"


def newest_backup(backups: Path) -> Path | None:
    """The latest backup that can be restored (scheduled, or made before a migration); None: there is none.

    One of a time to come was made while the clock was wrong: any other is later.
    """
    found = [entry for entry in backups.glob("*.sqlite") if entry.is_file()] if backups.is_dir() else []
    made = {entry: entry.stat().st_mtime_ns for entry in found}
    now = time.time_ns()
    for candidate in sorted(found, key=lambda entry: (made[entry] <= now, made[entry], entry.name), reverse=True):
        if not _finding(candidate):
            return candidate
    return None


def backup_to(path: Path, target: Path) -> Path:
    """Copy the ledger at ``path``, which may be in use, to the file ``target``: one file, checked, durable.

    Raises MqiError when the copy is not whole, sqlite3.Error or OSError when it cannot be made.
    """
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(partial, isolation_level=None)) as copy,
        ):
            with effect("backup.copy"):
                source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
        finding = _finding(partial)
        if finding:
            raise refused(f"The backup is not whole: {finding}.", kind="backup-bad", where=str(target))
        with effect("backup.rename"):
            make_durable(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def scheduled_backup(path: Path, backups: Path, now: datetime, keep: int = KEEP) -> Path:
    """One backup named after ``now`` (aware) in the folder ``backups``, and the oldest beyond ``keep`` removed.

    Those that bear a later time were taken while the clock was wrong: they are older than this one, and go first.
    """
    backups.mkdir(parents=True, exist_ok=True)
    made = backup_to(path, backups / f"ledger-{now.astimezone(UTC):%Y%m%dT%H%M%S}Z.sqlite")
    for old in sorted(backups.glob(_PATTERN), key=lambda file: (file.name <= made.name, file.name))[:-keep]:
        with effect("backup.prune"):
            old.unlink(missing_ok=True)
    return made


def clear_unfinished(backups: Path) -> None:
    """Remove what a scheduled backup left that was killed on its way: no later one has its name."""
    for leftover in backups.glob(f".{_PATTERN}.partial*"):
        with effect("backup.prune"):
            leftover.unlink(missing_ok=True)


def last_scheduled(backups: Path, now: datetime | None = None) -> datetime | None:
    """When the newest scheduled backup was taken, by its name; None: never.

    With ``now``, names of a later time do not count: the clock was wrong when they were given.
    """
    for name in sorted((entry.name for entry in backups.glob(_PATTERN)), reverse=True):
        try:
            taken = datetime.strptime(name, "ledger-%Y%m%dT%H%M%SZ.sqlite").replace(tzinfo=UTC)
        except ValueError:
            continue
        if now is None or taken <= now:
            return taken
    return None


def restore(backup: Path, path: Path, now: datetime | None = None) -> Path | None:
    """Put ``backup`` in the place of the ledger at ``path``; the daemon must be down (who calls holds its lock).

    What was there is moved aside, never removed; its new name is returned (None: there was nothing). Raises MqiError,
    having changed nothing, when the backup is damaged, no ledger, or of a newer version.
    """
    finding = _finding(backup)
    if finding:
        raise refused(
            f"The backup cannot be restored: {finding}.",
            kind="backup-bad",
            where=str(backup),
            remedy="Take an older one; nothing was changed.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    new = unfinished_restore(path)
    backup_to(backup, new)
    with closing(sqlite3.connect(new, isolation_level=None)) as database:
        row = database.execute(q.META_VALUE, {"key": "boot"}).fetchone()
        boot = (int(row[0]) if row else 0) + BOOT_JUMP
        database.execute(q.SET_META, {"key": "boot", "value": str(boot)})
    aside = _move_aside(path, now or datetime.now(UTC))
    with effect("backup.rename"):
        make_durable(new, path)
    return aside


def unfinished_restore(path: Path) -> Path:
    """What becomes the ledger at ``path``: while it is there, a restore was begun."""
    return path.with_name(f"{path.name}.restored")


def _move_aside(path: Path, now: datetime) -> Path | None:
    """Rename the present ledger with what lies beside it.

    The ledger first: who is killed on the way leaves none, which is refused, and never one without its latest commits.
    """
    aside = path.with_name(f"{path.stem}-replaced-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}{path.suffix}")
    for suffix in ("", "-wal", "-shm"):
        present = path.with_name(path.name + suffix)
        if present.exists():
            with effect("restore.aside"):
                present.replace(aside.with_name(aside.name + suffix))
    return aside if aside.exists() else None


def _finding(file: Path) -> str:
    """What is wrong with a backup in words; empty when it can be restored."""
    if not file.is_file():
        return "there is no such file"
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
            found = [row[0] for row in database.execute("PRAGMA integrity_check(1)")]
            version = schema_version(database)
            refuse_newer(version or 0, file)
    except (sqlite3.DatabaseError, MqiError, ValueError) as error:  # ValueError: a version that is no number
        return str(error)
    if found != ["ok"]:
        return " ".join(str(found[0]).split())
    if version is None:
        return "it is no ledger"
    return ""


def make_durable(file: Path, target: Path) -> None:
    """fsync, rename into place, fsync the folder."""
    with file.open("rb+") as handle:
        os.fsync(handle.fileno())
    file.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
