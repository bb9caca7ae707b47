"""A ledger that is damaged, foreign, locked or not to be written: refused in one sentence with the way back, as it is.

Each is caused on a real ledger in the file system, and told by the real command; P23.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from actors.ledger.backups import scheduled_backup
from actors.ledger.store import next_boot, open_store
from tests.integration.ledger.ledger_cases import must, running_case, whole_attempt
from tests.kit.daemon import Daemon, run_cli, until
from tests.kit.profiles import quick_profile

USAGE = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """A site whose ledger holds cases, a log beside it as a killed daemon leaves one, and a backup of an hour ago."""

    site: DemoSite
    backup: Path

    @property
    def ledger(self) -> Path:
        return self.site.ledger

    @property
    def log(self) -> Path:
        return self.ledger.with_name(f"{self.ledger.name}-wal")

    def bytes(self) -> dict[str, str]:
        """Hashes; who only looks may leave an empty log."""
        found = {path.name: path.read_bytes() for path in (self.ledger, self.log) if path.exists()}
        return {name: hashlib.sha256(data).hexdigest() for name, data in found.items() if data}


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    site = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path), interval_s=0.3, quiet_s=0.1)
    next_boot(site.ledger)
    with closing(open_store(site.ledger)) as database:
        for number in range(3):
            must(database, *running_case(f"c{number}"), *whole_attempt(f"c{number}", 2))
        backup = scheduled_backup(site.ledger, site.state / "backups", datetime.now(UTC))
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in range(3, 12):
            must(database, *running_case(f"c{number}"))
        left = [shutil.copy(path, f"{path}.left") for path in site.state.glob("ledger.sqlite*")]
    for copy in map(Path, left):
        copy.replace(copy.with_suffix(""))
    site.ledger.with_name(f"{site.ledger.name}-shm").unlink(missing_ok=True)
    return Kept(site, backup)


def refusal(kept: Kept, *, code: int = USAGE) -> str:
    """What ``start`` says, in at most three lines."""
    done = run_cli("start", "--conf", str(kept.site.conf))
    assert done.returncode == code, done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith(("mqi-actors:", "  "))]
    assert 1 <= len(said) <= 3, done.stderr
    assert "Traceback" not in done.stderr
    return "\n".join(said)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x41
    path.write_bytes(data)


def flip_text(path: Path, text: bytes, place: int = 1) -> None:
    """One byte within every place where the text stands."""
    data = path.read_bytes()
    assert text in data
    spoiled = bytearray(text)
    spoiled[place] ^= 0x41
    path.write_bytes(data.replace(text, bytes(spoiled)))


def merged(kept: Kept) -> None:
    """All in one file."""
    with closing(sqlite3.connect(kept.ledger)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def header(kept: Kept) -> None:
    merged(kept)
    flip(kept.ledger, 3)


def page(kept: Kept) -> None:
    merged(kept)
    with closing(sqlite3.connect(kept.ledger)) as database:
        (size,) = database.execute("PRAGMA page_size").fetchone()
        (root,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'cases'").fetchone()
    flip(kept.ledger, (root - 1) * size)


def column(kept: Kept) -> None:
    merged(kept)
    flip_text(kept.ledger, b'"deliveries": [')


def state(kept: Kept) -> None:
    merged(kept)
    flip_text(kept.ledger, b"running", 0)


def boot_counter(kept: Kept) -> None:
    merged(kept)
    with closing(sqlite3.connect(kept.ledger, isolation_level=None)) as database:
        database.execute("UPDATE meta SET value = 'A' WHERE key = 'boot'")


def behind(kept: Kept) -> None:
    """A counter of starts that lies behind the writers' epochs."""
    merged(kept)
    with closing(sqlite3.connect(kept.ledger, isolation_level=None)) as database:
        database.execute("UPDATE fences SET epoch = ?", (9 << 32,))


def log_frame(kept: Kept) -> None:
    flip(kept.log, 32 + 24 + 4096 + 24 + 100)


def log_header(kept: Kept) -> None:
    flip(kept.log, 18)


def cut(kept: Kept) -> None:
    merged(kept)
    os.truncate(kept.ledger, kept.ledger.stat().st_size // 2)


def empty(kept: Kept) -> None:
    kept.log.unlink()
    os.truncate(kept.ledger, 0)


def foreign(kept: Kept) -> None:
    kept.log.unlink()
    kept.ledger.write_bytes(b"This is a letter to the clinic.\n" * 200)


def no_tables(kept: Kept) -> None:
    kept.log.unlink()
    kept.ledger.unlink()
    with closing(sqlite3.connect(kept.ledger)) as database:
        database.execute("CREATE TABLE other (x)")


DAMAGES = (header, page, column, state, boot_counter, behind, log_frame, log_header, cut, empty, foreign, no_tables)


@pytest.mark.promise("P23")
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_ledger_is_refused_with_the_way_back_and_left_as_it_is(
    kept: Kept, damage: Callable[[Kept], None]
) -> None:
    damage(kept)
    before = kept.bytes()
    said = refusal(kept)
    assert "The ledger is damaged" in said
    assert str(kept.ledger) in said
    assert f"mqi-actors restore {kept.backup}" in said
    assert kept.bytes() == before, "the evidence is not touched"


@pytest.mark.promise("P23")
def test_after_the_restore_that_was_named_the_daemon_starts_and_goes_on(kept: Kept) -> None:
    page(kept)
    command = refusal(kept).split("mqi-actors ")[-1].split()
    done = run_cli(*command, "--conf", str(kept.site.conf))
    assert done.returncode == 0, done.stderr
    assert {row.case for row in Reader(kept.ledger).cases()} == {"c0", "c1", "c2"}
    assert list(kept.site.state.glob("ledger-replaced-*")), "what was there is kept"
    with Daemon(kept.site) as daemon:
        assert daemon.cli("status")["daemon"]["state"] == "running"


@pytest.mark.promise("P23")
def test_a_log_that_was_only_torn_by_a_power_cut_is_no_damage(kept: Kept) -> None:
    """The last transaction was never acknowledged: whatever is left of it, the rest is there."""
    with closing(sqlite3.connect(f"{kept.ledger.as_uri()}?mode=ro", uri=True)) as database:
        assert database.execute("SELECT count(*) FROM cases").fetchone() == (12,)
    os.truncate(kept.log, kept.log.stat().st_size - 2000)
    next_boot(kept.ledger)
    assert {f"c{number}" for number in range(11)} <= {row.case for row in Reader(kept.ledger).cases()}


@pytest.mark.promise("P23")
def test_a_ledger_of_a_newer_version_is_refused_by_its_number(kept: Kept) -> None:
    merged(kept)
    with closing(sqlite3.connect(kept.ledger, isolation_level=None)) as database:
        database.execute("UPDATE meta SET value = '9000' WHERE key = 'schema'")
    before = kept.bytes()
    assert "version 9000" in refusal(kept)
    assert kept.bytes() == before


HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Another program that holds the ledger locked."""
    holders: list[subprocess.Popen[str]] = []

    def held(ledger: Path) -> subprocess.Popen[str]:
        holder = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(ledger)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder

    yield held
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_a_start_with_a_ledger_that_another_program_has_locked_names_that(
    kept: Kept, hold: Callable[[Path], subprocess.Popen[str]]
) -> None:
    hold(kept.ledger)
    said = refusal(kept)
    assert "locked by another program" in said
    assert "fuser" in said


@pytest.mark.promise("P20")
def test_a_ledger_that_another_program_locks_for_a_while_loses_nothing(
    tmp_path: Path, hold: Callable[[Path], subprocess.Popen[str]]
) -> None:
    from actors.demo.factory import write_demo_case  # noqa: PLC0415

    site = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path), interval_s=0.3, quiet_s=0.1)
    with Daemon(site) as daemon:
        holder = hold(site.ledger)
        write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=8, seed=1)
        until(lambda: "ledger-write" in {alarm["id"] for alarm in daemon.cli("status")["alarms"]}, 30, "the alarm")
        assert "locked" in json.dumps(daemon.cli("status")["alarms"])
        holder.kill()
        rows = daemon.until_ended(1)
        assert [row.state for row in rows.values()] == ["done"]
        until(lambda: not daemon.cli("status")["alarms"], 20, "the alarm is over")


def test_a_read_only_ledger_is_refused_with_what_to_do(kept: Kept) -> None:
    from tests.kit.disks import read_only  # noqa: PLC0415

    merged(kept)
    with read_only(kept.site.state):
        said = refusal(kept)
    assert "state_dir" in said or "writable" in said
    assert "read-only" in said or "writable" in said
