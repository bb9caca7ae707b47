"""A byte that flips in the write-ahead log is found; what a power cut leaves of it is none (P23)."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from actors.ledger.wal import changed_frame

FRAME = 24 + 4096


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A database with 20 transactions in its log, as a killed process leaves it."""
    path, kept = tmp_path / "a.sqlite", tmp_path / "ledger.sqlite"
    random = Random(1)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        for _ in range(20):
            database.execute("INSERT INTO t VALUES (?)", (random.randbytes(2000),))
        shutil.copy(path, kept)
        shutil.copy(f"{path}-wal", f"{kept}-wal")
    return kept


def log_of(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}-wal")


def test_a_whole_log_and_none_are_no_damage(ledger: Path) -> None:
    assert changed_frame(ledger) is None
    log_of(ledger).write_bytes(b"")
    assert changed_frame(ledger) is None
    log_of(ledger).unlink()
    assert changed_frame(ledger) is None


@pytest.mark.promise("P23")
def test_a_flip_before_the_last_transactions_is_found_in_its_frame(ledger: Path) -> None:
    data, random = log_of(ledger).read_bytes(), Random(2)
    for _ in range(60):
        at = random.randrange(32, len(data) - 6 * FRAME)
        spoiled = bytearray(data)
        spoiled[at] ^= 1 << random.randrange(8)
        log_of(ledger).write_bytes(spoiled)
        found = changed_frame(ledger)
        assert found is not None
        assert found <= (at - 32) // FRAME + 1


@pytest.mark.promise("P23")
@pytest.mark.parametrize("at", [0, 2, 9, 17, 25])
def test_a_flip_in_the_header_is_found(ledger: Path, at: int) -> None:
    spoiled = bytearray(log_of(ledger).read_bytes())
    spoiled[at] ^= 0x10
    log_of(ledger).write_bytes(spoiled)
    assert changed_frame(ledger) == 0


def test_a_log_that_is_cut_anywhere_is_no_damage(ledger: Path) -> None:
    data, random = log_of(ledger).read_bytes(), Random(3)
    for _ in range(60):
        log_of(ledger).write_bytes(data[: random.randrange(len(data))])
        assert changed_frame(ledger) is None


def test_what_an_older_log_left_behind_is_no_damage(ledger: Path) -> None:
    """SQLite begins again at the front with other salts; the frames behind are of the log before."""
    old = log_of(ledger).read_bytes()
    with closing(sqlite3.connect(ledger, isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(RESTART)")
        database.execute("INSERT INTO t VALUES ('new')")
        data = log_of(ledger).read_bytes()
    log_of(ledger).write_bytes(data + old[len(data) :])
    assert changed_frame(ledger) is None
