"""The ledger's file: made whole, refused when it cannot be trusted, brought forward, backed up, restored."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from actors.errors import MqiError
from actors.ledger import Reader, backup_to, next_boot, open_store, restore
from actors.ledger import disk as ledger_disk
from actors.ledger.backups import BOOT_JUMP, clear_unfinished, last_scheduled, newest_backup, scheduled_backup
from actors.ledger.migrations import migrate
from actors.ledger.reader import _snapshot
from actors.ledger.schema import SCHEMA_VERSION, schema_version
from messages.ledger import NoteEvent, RaiseAlarm
from messages.states import CaseState
from tests.integration.ledger.ledger_cases import NOW, admission, must


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def written(path: Path) -> Path:
    """A ledger with one case in it, closed."""
    next_boot(path)
    with closing(open_store(path)) as database:
        must(database, admission("c1"), NoteEvent("c1", "noted"))
    return path


def refusal(path: Path) -> MqiError:
    with pytest.raises(MqiError) as caught:
        open_store(path)
    return caught.value


def test_a_new_ledger_is_durable_by_its_settings(path: Path) -> None:
    with closing(open_store(path)) as database:
        settings = {
            name: database.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    assert set(Database(path).table_names()) >= {
        "cases",
        "beams",
        "attempts",
        "events",
        "hosts",
        "gpus",
        "commands",
        "meta",
    }


def test_boots_are_counted(path: Path) -> None:
    assert [next_boot(path) for _ in range(3)] == [1, 2, 3]
    assert Reader(path).meta()["boot"] == "3"


def test_a_network_file_system_is_refused_with_the_remedy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Mount:
        mountpoint, fstype = "/", "nfs4"

    monkeypatch.setattr(ledger_disk.psutil, "disk_partitions", lambda **_all: [Mount])
    fault = refusal(path).fault
    assert fault.kind == "ledger-network"
    assert "state_dir" in fault.remedy
    assert not path.exists()


def damage_header(file: Path) -> None:
    file.write_bytes(b"\x00" * 100 + file.read_bytes()[100:])


def damage_page(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(content)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def another_database(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE other (x)")


@pytest.mark.promise("P23")
@pytest.mark.parametrize("damage", [damage_header, damage_page, empty, cut_off, another_database])
@pytest.mark.parametrize("backed_up", [True, False])
def test_a_damaged_ledger_is_refused_with_the_way_back(written: Path, damage: object, backed_up: bool) -> None:
    backups = written.parent / "backups"
    last = scheduled_backup(written, backups, NOW) if backed_up else None
    damage(written)  # type: ignore[operator]
    content = written.read_bytes()
    for _ in range(2):
        fault = refusal(written).fault
        assert fault.kind == "ledger-damaged", fault
        assert (f"restore {last}" if last else "no backup") in fault.remedy
        assert written.read_bytes() == content, "it was changed"
    with pytest.raises(MqiError) as caught:
        next_boot(written)
    assert caught.value.fault.kind == "ledger-damaged"
    if last is not None:
        aside = restore(last, written)
        assert aside is not None
        assert aside.read_bytes() == content, "the damaged one is kept"
        assert Reader(written).counts()[CaseState.QUEUED] == 1


@pytest.mark.promise("P23")
def test_a_damaged_ledger_is_named_by_the_reader_too(written: Path) -> None:
    damage_page(written)
    with pytest.raises(MqiError) as caught:
        Reader(written).cases()
    assert caught.value.fault.kind == "ledger-damaged"
    another_database(written)
    with pytest.raises(MqiError) as caught:
        Reader(written).cases()
    assert caught.value.fault.kind == "ledger-damaged"


@pytest.mark.promise("P23")
def test_a_ledger_that_is_gone_is_not_silently_replaced(written: Path) -> None:
    last = scheduled_backup(written, written.parent / "backups", NOW)
    written.unlink()
    fault = refusal(written).fault
    assert fault.kind == "ledger-missing"
    assert str(last) in fault.remedy
    assert not written.exists()


def test_a_newer_ledger_is_refused(written: Path) -> None:
    with closing(sqlite3.connect(written)) as database, database:
        database.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    assert refusal(written).fault.kind == "ledger-newer"
    with pytest.raises(MqiError) as caught:
        Reader(written).cases()
    assert caught.value.fault.kind == "ledger-newer"
    with pytest.raises(MqiError):
        restore(written, written.with_name("other.sqlite"))


def test_a_file_that_cannot_be_opened_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").mkdir()
    assert refusal(tmp_path / "ledger.sqlite").fault.kind == "ledger-unusable"


# --- migration ---

NEXT = SCHEMA_VERSION + 1


def add_note_column(database: Database) -> None:
    database.table("hosts").add_column("note", str, not_null_default="")


def break_a_reference(database: Database) -> None:
    add_note_column(database)
    database.execute("DELETE FROM cases")


def test_an_older_ledger_is_brought_forward_with_its_content(written: Path) -> None:
    with closing(open_store(written)) as database:
        migrate(database, SCHEMA_VERSION, {NEXT: add_note_column}, NEXT)
        assert schema_version(database) == NEXT
        assert "note" in Database(database).table("hosts").columns_dict
        assert database.execute("SELECT count(*) FROM beams").fetchone()[0] == 2


@pytest.mark.parametrize("failing", [break_a_reference, lambda _database: 1 / 0])
def test_a_migration_that_fails_leaves_the_version_before_it(written: Path, failing: object) -> None:
    with closing(open_store(written)) as database:
        with pytest.raises((sqlite3.IntegrityError, ZeroDivisionError)):
            migrate(database, SCHEMA_VERSION, {NEXT: failing}, NEXT)  # type: ignore[dict-item]
        assert schema_version(database) == SCHEMA_VERSION
        assert "note" not in Database(database).table("hosts").columns_dict
        assert database.execute("SELECT count(*) FROM cases").fetchone()[0] == 1
        assert database.execute("PRAGMA foreign_keys").fetchone()[0] == 1


def test_opening_an_older_ledger_backs_it_up_then_migrates(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {SCHEMA_VERSION + 1: add_note_column}
    monkeypatch.setattr("actors.ledger.store.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setattr("actors.ledger.schema.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    monkeypatch.setattr(
        "actors.ledger.store.migrate", lambda database, version: migrate(database, version, steps, SCHEMA_VERSION + 1)
    )
    with closing(open_store(written)) as database:
        assert schema_version(database) == SCHEMA_VERSION + 1
    before = written.parent / "backups" / f"before-version-{SCHEMA_VERSION + 1}.sqlite"
    with closing(sqlite3.connect(before)) as old:
        assert schema_version(old) == SCHEMA_VERSION


def test_a_reader_asks_for_the_daemon_when_the_ledger_is_older(written: Path) -> None:
    with closing(sqlite3.connect(written)) as database, database:
        database.execute("UPDATE meta SET value = '0' WHERE key = 'schema'")
    with pytest.raises(MqiError) as caught:
        Reader(written).cases()
    assert caught.value.fault.kind == "ledger-older"


# --- backups ---


@pytest.mark.promise("P23")
def test_a_backup_of_a_ledger_in_use_is_whole_and_one_file(written: Path, tmp_path: Path) -> None:
    with closing(open_store(written)) as database:
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO events (at, \"case\", what) VALUES ('x', '', 'uncommitted')")
        target = backup_to(written, tmp_path / "copy.sqlite")
        database.execute("ROLLBACK")
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_file()] == ["copy.sqlite"]
    reader = Reader(target)
    assert reader.cases() == Reader(written).cases()
    assert [event.what for event in reader.events("")] == []


def test_the_newest_backups_are_kept(written: Path) -> None:
    backups = written.parent / "backups"
    made = [scheduled_backup(written, backups, NOW + timedelta(hours=hour), keep=3) for hour in range(5)]
    assert sorted(backups.iterdir()) == made[2:]
    assert last_scheduled(backups) == NOW + timedelta(hours=4)
    assert last_scheduled(backups / "none") is None
    (backups / "ledger-strange.sqlite").write_bytes(b"")
    assert last_scheduled(backups) == NOW + timedelta(hours=4)


@pytest.mark.promise("P23")
def test_backups_of_a_time_to_come_neither_postpone_nor_push_out_those_of_a_clock_that_was_set_right(
    written: Path,
) -> None:
    backups = written.parent / "backups"
    ahead = [scheduled_backup(written, backups, NOW + timedelta(days=4000 + day), keep=3) for day in range(3)]
    assert last_scheduled(backups, NOW) is None
    made = [scheduled_backup(written, backups, NOW + timedelta(hours=hour), keep=3) for hour in range(2)]
    assert sorted(backups.iterdir()) == [*made, ahead[-1]]
    assert last_scheduled(backups, NOW + timedelta(hours=5)) == NOW + timedelta(hours=1)


def test_backups_that_a_person_took_are_no_scheduled_ones(written: Path) -> None:
    backups = written.parent / "backups"
    backups.mkdir()
    by_hand = [backup_to(written, backups / f"ledger-by-hand-2026010{day}T000000.sqlite") for day in range(1, 5)]
    made = [scheduled_backup(written, backups, NOW + timedelta(hours=hour), keep=2) for hour in range(3)]
    assert sorted(backups.iterdir()) == [*made[1:], *by_hand]


def test_what_a_killed_backup_left_goes_and_nothing_else(written: Path) -> None:
    backups = written.parent / "backups"
    made = scheduled_backup(written, backups, NOW)
    left = [backups / f".ledger-20260101T000000Z.sqlite.partial{suffix}" for suffix in ("", "-journal")]
    other = backups / ".ledger-by-hand-20260101T000000.sqlite.partial"  # somebody takes it at this moment
    for file in (*left, other):
        file.write_bytes(b"half")
    clear_unfinished(backups)
    assert sorted(backups.iterdir()) == [other, made]
    clear_unfinished(backups / "none")


def test_the_newest_good_backup_is_offered(written: Path) -> None:
    backups = written.parent / "backups"
    good = scheduled_backup(written, backups, NOW)
    bad = scheduled_backup(written, backups, NOW + timedelta(hours=1))
    bad.write_bytes(bad.read_bytes()[:5000])
    os.utime(good, (1, 1))
    assert newest_backup(backups) == good
    ahead = scheduled_backup(written, backups, NOW + timedelta(days=4000))
    os.utime(ahead, (1 << 33, 1 << 33))
    assert newest_backup(backups) == good, "the clock was wrong when it was made"


@pytest.mark.promise("P23")
def test_restore_keeps_what_was_there_and_never_reuses_an_epoch(written: Path) -> None:
    backup = scheduled_backup(written, written.parent / "backups", NOW)
    later = [next_boot(written) for _ in range(3)]
    with closing(open_store(written)) as database:
        must(database, RaiseAlarm("a", "after the backup"))
        aside = restore(backup, written, datetime(2026, 1, 2, tzinfo=UTC))
    assert aside == written.with_name("ledger-replaced-20260102T000000Z.sqlite")
    assert Reader(aside).alarms() != ()
    assert Reader(written).alarms() == ()
    assert next_boot(written) == 1 + BOOT_JUMP + 1 > max(later)


def test_a_bad_backup_changes_nothing(written: Path, tmp_path: Path) -> None:
    before = written.read_bytes()
    for content in (b"", b"not a database" * 100, None):
        bad = tmp_path / "bad.sqlite"
        bad.unlink(missing_ok=True)
        if content is not None:
            bad.write_bytes(content)
        with pytest.raises(MqiError) as caught:
            restore(bad, written)
        assert caught.value.fault.kind == "backup-bad"
    assert written.read_bytes() == before
    assert [entry.name for entry in written.parent.iterdir()] == ["ledger.sqlite"]


def test_restoring_where_there_is_no_ledger_yet(written: Path, tmp_path: Path) -> None:
    backup = backup_to(written, tmp_path / "b.sqlite")
    assert restore(backup, tmp_path / "new" / "ledger.sqlite") is None
    assert Reader(tmp_path / "new" / "ledger.sqlite").counts()[CaseState.QUEUED] == 1


# --- readers ---


def test_a_ledger_that_was_never_made_reads_as_an_empty_one(path: Path) -> None:
    reader = Reader(path)
    assert reader.cases() == ()
    assert set(reader.counts().values()) == {0}
    assert (reader.case("x"), reader.attempts("x"), reader.events(""), reader.orders()) == (None, (), (), ())
    assert (reader.hosts(), reader.gpus(), reader.alarms(), reader.known_cases()) == ((), (), (), ())
    assert not path.exists()


def test_a_reader_sees_what_is_committed_while_the_ledger_is_written(written: Path) -> None:
    reader = Reader(written)
    with closing(open_store(written)) as database:
        must(database, admission("c2"))
        database.execute("BEGIN IMMEDIATE")
        database.execute("UPDATE cases SET state = 'failed'")
        assert {row.case: row.state for row in reader.cases()} == {"c1": CaseState.QUEUED, "c2": CaseState.QUEUED}
        database.execute("COMMIT")
    assert reader.cases(CaseState.QUEUED) == ()
    assert len(reader.cases(CaseState.FAILED)) == 2
    assert [event.what for event in reader.events_after(1, 1)] == ["noted"]


def test_readers_write_nothing(written: Path) -> None:
    with _snapshot(written) as database, pytest.raises(sqlite3.OperationalError):
        database.execute("DELETE FROM beams")


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """As root every folder is writable: become somebody who may only read."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("crashed", [False, True])
def test_who_may_only_read_can_read(tmp_path: Path, crashed: bool, request: pytest.FixtureRequest) -> None:
    """The daemon is down, the folder not ours to write: WAL's own files cannot be made, and need not be."""
    folder = Path(tempfile.mkdtemp(prefix="mqi-ro-"))  # pytest's own folders are closed to others
    try:
        path = folder / "ledger.sqlite"
        database = open_store(path)
        must(database, admission("c1"))
        if crashed:  # what a killed daemon leaves: the log not yet moved into the file
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", tmp_path / f"kept{suffix}")
        database.close()
        if crashed:
            for suffix in ("", "-wal"):
                shutil.copy(tmp_path / f"kept{suffix}", f"{path}{suffix}")
        for file in folder.iterdir():
            file.chmod(0o444)
        folder.chmod(0o555)
        request.getfixturevalue("as_nobody")
        assert [row.case for row in Reader(path).cases()] == ["c1"]
        assert not os.access(folder, os.W_OK, effective_ids=True)
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(stat.S_IRWXU)
        shutil.rmtree(folder)


def test_what_may_not_be_read_is_told_with_the_remedy(written: Path, request: pytest.FixtureRequest) -> None:
    folder = Path(tempfile.mkdtemp(prefix="mqi-no-"))
    folder.chmod(0o755)
    try:
        shutil.copy(written, folder / "ledger.sqlite")
        (folder / "ledger.sqlite").chmod(0)
        request.getfixturevalue("as_nobody")
        with pytest.raises(MqiError) as caught:
            Reader(folder / "ledger.sqlite").cases()
        assert caught.value.fault.kind == "ledger-unreadable"
        assert "daemon's user" in caught.value.fault.remedy
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        shutil.rmtree(folder)
