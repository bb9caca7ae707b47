"""A ledger of the first release is brought forward: nothing of it is lost, and a backup is beside it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from actors.ledger import Reader, open_store
from actors.ledger.migrations import STEPS
from actors.ledger.schema import SCHEMA_VERSION, schema_version
from messages.states import CaseState
from tests.integration.ledger.ledger_cases import memory_ledger

FIRST = Path(__file__).with_name("schema_1.sql")
CONTENT = (
    "INSERT INTO meta VALUES ('schema', '1')",
    "INSERT INTO meta VALUES ('boot', '41')",
    (
        'INSERT INTO cases ("case", identity, state, path, priority, seen) '
        "VALUES ('c1', 'i', 'failed', '/share/c1', 3, '2026-11-23T01:02:03.000004+00:00')"
    ),
    "INSERT INTO beams (\"case\", number, name, state, attempt) VALUES ('c1', 2, 'two', 'failed', 1)",
    (
        'INSERT INTO attempts (key, "case", beam, attempt, state, host, gpu, worker, epoch, run_dir, request) '
        "VALUES ('c1/2/1', 'c1', 2, 1, 'failed', 'h', 'GPU-a', 'h/gpu-0', 7, '/ws', '{}')"
    ),
    "INSERT INTO events (at, \"case\", what) VALUES ('2026-11-23T01:02:03.000004+00:00', 'c1', 'case: seen')",
    (
        'INSERT INTO gpus (host, "index", uuid, state, at) '
        "VALUES ('h', 0, 'GPU-a', 'idle', '2026-11-23T01:02:03.000004+00:00')"
    ),
    (
        'INSERT INTO commands ("order", kind, subject, "user", at) '
        "VALUES ('o1', 'retry', 'c1', 'kim', '2026-11-23T01:02:03.000004+00:00')"
    ),
)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """A file that the first release wrote."""
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as database, database:
        database.executescript(FIRST.read_text())
        for statement in CONTENT:
            database.execute(statement)
    return path


def tables(database: sqlite3.Connection) -> dict[str, set[tuple[object, ...]]]:
    """Every table with its columns (name, type, not null, default, key)."""
    names = [row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {
        name: {tuple(row)[1:] for row in database.execute(f"PRAGMA table_info({name})")}
        for name in names
        if not name.startswith("sqlite_")
    }


def others(database: sqlite3.Connection) -> set[tuple[str, str]]:
    """Indexes and triggers."""
    found = database.execute("SELECT type, name FROM sqlite_schema WHERE type IN ('index', 'trigger')")
    return {(kind, name) for kind, name in found if not name.startswith("sqlite_")}


def test_it_becomes_what_a_new_ledger_is(first: Path) -> None:
    with closing(open_store(first)) as old, closing(memory_ledger()) as new:
        assert schema_version(old) == SCHEMA_VERSION
        assert tables(old) == tables(new)
        assert others(old) == others(new)


def test_nothing_of_it_is_lost_and_the_old_file_is_kept(first: Path) -> None:
    open_store(first).close()
    reader = Reader(first)
    row = reader.case("c1")
    assert row is not None
    assert (row.priority, row.beams[0].name, row.beams[0].forgiven) == (3, "two", 0)
    assert [attempt.key for attempt in reader.attempts("c1")] == ["c1/2/1"]
    assert [event.what for event in reader.events("c1")] == ["case: seen"]
    assert [(gpu.uuid, gpu.model) for gpu in reader.gpus()] == [("GPU-a", "")]
    assert [order.user for order in reader.orders()] == ["kim"]
    assert reader.halts() == ()
    assert reader.meta()["boot"] == "41"
    assert (reader.counts()[CaseState.FAILED], sum(reader.counts().values())) == (1, 1)
    with closing(sqlite3.connect(first)) as database:
        assert [*database.execute("SELECT * FROM counts")] == [
            ("beam", "", "failed", 1),
            ("case", "delivery", "failed", 1),
        ]
    backup = first.parent / "backups" / f"before-version-{SCHEMA_VERSION}.sqlite"
    with closing(sqlite3.connect(backup)) as old:
        assert schema_version(old) == 1


@pytest.mark.parametrize("version", range(2, SCHEMA_VERSION + 1))
def test_a_migration_that_is_cut_short_leaves_the_old_file_and_begins_again(
    first: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """Whole or not at all: the program that wrote it can go on, and so can this one. So it stays with the backup, which
    a second try takes anew."""

    def cut(_database: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("actors.ledger.migrations.migrate.__defaults__", ({**STEPS, version: cut}, SCHEMA_VERSION))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            open_store(first)
        for file in (first, first.parent / "backups" / f"before-version-{SCHEMA_VERSION}.sqlite"):
            with closing(sqlite3.connect(file)) as database:
                assert schema_version(database) == 1
    monkeypatch.undo()
    with closing(open_store(first)) as database, closing(memory_ledger()) as new:
        assert tables(database) == tables(new)
