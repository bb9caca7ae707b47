"""A restore that is killed at any of its points: no ledger appears that is neither the old nor the restored one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.errors import MqiError
from actors.ledger import Reader, next_boot, open_store
from actors.ledger.backups import BOOT_JUMP, scheduled_backup
from tests.integration.ledger.test_ledger_store import NOW

RESTORE = """
import sys
from pathlib import Path
from actors.ledger import restore
restore(Path(sys.argv[1]), Path(sys.argv[2]))
"""
KILLED = """
import os, sys
from pathlib import Path
from actors.ledger import open_store, queries
database = open_store(Path(sys.argv[1]))
database.execute(queries.COUNT_UP, {"key": "boot"}).fetchone()
os.kill(os.getpid(), 9)
"""
POINTS = [
    *(f"restore.aside:{side}#{nth}" for nth in (1, 2, 3) for side in ("before", "after")),
    *(f"backup.copy:{side}" for side in ("before", "after")),
    *(f"backup.rename:{side}#{nth}" for nth in (1, 2) for side in ("before", "after")),
]


def restored(backup: Path, ledger: Path, at: str = "") -> int:
    """Restore in a process of its own, killed at a point; its exit status."""
    environment = {**os.environ, **({"MQI_CRASH_AT": at} if at else {})}
    environment.pop("MQI_CRASH_DAEMON", None)
    order: Sequence[str] = (sys.executable, "-c", RESTORE, str(backup), str(ledger))
    return subprocess.run(order, env=environment, check=False).returncode


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a ledger that went on since, and whose daemon was killed: its last commit is in its log only."""
    ledger = tmp_path / "ledger.sqlite"
    assert next_boot(ledger) == 1
    made = scheduled_backup(ledger, tmp_path / "elsewhere", NOW)
    assert subprocess.run([sys.executable, "-c", KILLED, str(ledger)], check=False).returncode == -signal.SIGKILL
    assert ledger.with_name("ledger.sqlite-wal").stat().st_size
    return made


@pytest.mark.promise("P23")
@pytest.mark.parametrize("at", POINTS)
def test_a_killed_restore_is_given_again(tmp_path: Path, backup: Path, at: str) -> None:
    """In between the ledger is the whole one of before, the restored one, or refused; never another."""
    ledger = tmp_path / "ledger.sqlite"
    assert restored(backup, ledger, at) == -signal.SIGKILL
    try:
        open_store(ledger).close()
        assert int(Reader(ledger).meta()["boot"]) in (2, 1 + BOOT_JUMP)
    except MqiError as refusal:
        assert refusal.fault.kind == "ledger-missing"
        assert "restore" in refusal.fault.remedy
    assert restored(backup, ledger) == 0
    assert int(Reader(ledger).meta()["boot"]) == 1 + BOOT_JUMP
    assert next_boot(ledger) == 2 + BOOT_JUMP
    assert not [path.name for path in tmp_path.iterdir() if "partial" in path.name or path.name.endswith(".restored")]
