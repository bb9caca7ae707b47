"""The ledger as a file and as columns."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from actors.ledger import Reader as LedgerReader
from actors.ledger.backups import newest_backup
from actors.ledger.migrations import create_schema
from actors.ledger.store import open_store
from messages.ledger import NoteEvent
from tests.fuzz.reader import Reader
from tests.fuzz.readers.places import scratch
from tests.integration.ledger.ledger_cases import must, running_case, whole_attempt

_COLUMNS = (
    ("cases", "source"),
    ("cases", "delivery_keys"),
    ("cases", "state"),
    ("cases", "seen"),
    ("cases", "path"),
    ("cases", "held_from"),
    ("beams", "state"),
    ("beams", "progress"),
    ("attempts", "state"),
    ("attempts", "run_dir"),
    ("events", "at"),
    ("meta", "value"),
)


@cache
def _whole(rows: int) -> bytes:
    """A ledger's file, all of it in one file."""
    path = scratch("ledger") / f"whole-{rows}.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA page_size = 1024")
        create_schema(database)
        for number in range(rows):
            case, note = f"c{number}", NoteEvent("", "started", "by test")
            must(database, *running_case(case), *whole_attempt(case, 2), note)
    return path.read_bytes()


def _read_everything(path: Path) -> list[object]:
    reader = LedgerReader(path)
    found: list[object] = [reader.cases(), reader.known_cases(), reader.hosts(), reader.gpus(), reader.alarms()]
    found += [reader.orders(), reader.counts(), reader.meta(), reader.events(""), reader.events_after(0)]
    return found + [(reader.attempts(row.case), reader.events(row.case)) for row in reader.cases()]


def _file(data: bytes) -> object:
    folder = scratch("ledger-file")
    path = folder / "ledger.sqlite"
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    path.write_bytes(data)
    newest_backup(folder / "backups")
    open_store(path, folder / "backups").close()
    return _read_everything(path)


@cache
def _table() -> Path:
    path = scratch("ledger-columns") / "ledger.sqlite"
    path.write_bytes(_whole(1))
    return path


def _columns(data: bytes) -> object:
    """The first byte chooses the column, the rest is its value (text, or bytes where it is none)."""
    pristine, path = _table(), scratch("ledger-columns") / "spoiled.sqlite"
    shutil.copyfile(pristine, path)
    table, column = _COLUMNS[data[0] % len(_COLUMNS)] if data else _COLUMNS[0]
    value: str | bytes = data[1:]
    try:
        value = data[1:].decode()
    except UnicodeDecodeError:
        value = data[1:]
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA ignore_check_constraints = ON")
        try:
            database.execute(f"UPDATE {table} SET {column} = ?", (value,))
        except sqlite3.IntegrityError:
            return None  # SQLite keeps such a value out
    return _read_everything(path)


def _column_seeds() -> list[bytes]:
    with closing(sqlite3.connect(_table())) as database:
        return [
            bytes([number]) + str(database.execute(f"SELECT {column} FROM {table}").fetchone()[0]).encode()
            for number, (table, column) in enumerate(_COLUMNS)
        ]


_JSON_WORDS = (
    b"1e400",
    b"NaN",
    b"-1",
    b"null",
    b"true",
    b"[[[[",
    b'{"',
    b"\\ud800",
    b"\\u0000",
    b"9" * 30,
    b"irradiated",
    b"missing",
)

READERS = (
    Reader(
        "ledger-file",
        "the ledger's file (SQLite)",
        lambda: [_whole(1)],
        _file,
        ("actors.ledger",),
        longest=131072,
        limit_s=5.0,
    ),
    Reader(
        "ledger-columns",
        "JSON, states and times in the ledger's columns",
        _column_seeds,
        _columns,
        ("actors.ledger", "json"),
        words=_JSON_WORDS,
    ),
)
