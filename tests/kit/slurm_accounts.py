"""A cluster of the tests that keeps accounts: a real slurmdbd of Debian's packages, before a MariaDB of its own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from tests.kit.slurm import SEARCHED, Slurm
from tests.kit.sshd import free_port
from tests.kit.waiting import wait_until

PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", "mariadb", "sacct")


class AccountedSlurm(Slurm):
    """The same cluster; what ended is remembered by ``sacct``, however soon the controller forgets it."""

    def __init__(self, folder: Path, **given: object) -> None:
        if missing := [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]:
            pytest.skip(f"no {missing[0]} here: apt-get install slurmdbd mariadb-server")
        self._dbd, self._sql = free_port(), free_port()
        accounts = {
            "AccountingStorageType": "accounting_storage/slurmdbd",
            "AccountingStorageHost": "localhost",
            "AccountingStoragePort": str(self._dbd),
            "AccountingStoragePass": str(folder / "munge" / "s"),  # of munge: with it, this is its socket
            "MinJobAge": "2",
        }
        super().__init__(folder, options={**accounts, **given.pop("options", {})}, **given)  # type: ignore[arg-type, dict-item]

    def _start_munge(self) -> None:
        """And what else must be there before the controller."""
        super()._start_munge()
        self._start_database()
        settings = {
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self._socket}",
            "DbdHost": "localhost",
            "DbdPort": str(self._dbd),
            "SlurmUser": "root",
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "127.0.0.1",
            "StoragePort": str(self._sql),
            "StorageUser": "slurm",
            "StoragePass": "accounts",
            "StorageLoc": "accounts",
            "PidFile": str(self.folder / "run" / "slurmdbd.pid"),
        }
        conf = self.folder / "slurmdbd.conf"
        conf.touch(mode=0o600)
        conf.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self._run("slurmdbd", "-D")
        wait_until(lambda: _listens(self._dbd), 30, "slurmdbd answers")

    def _start_database(self) -> None:
        data, door = self.folder / "data", self.folder / "sql"
        words = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", "--user=root"]
        subprocess.run(
            [*words, "--auth-root-authentication-method=normal"], check=True, capture_output=True, timeout=60
        )
        where = [f"--datadir={data}", f"--socket={door}", "--bind-address=127.0.0.1", f"--port={self._sql}"]
        self._run("mariadbd", "--no-defaults", *where, "--user=root", f"--pid-file={self.folder / 'run' / 'sql.pid'}")
        wait_until(lambda: door.exists() and self._answers(door), 30, "the database answers")
        made = "CREATE DATABASE accounts; GRANT ALL ON accounts.* TO slurm@'127.0.0.1' IDENTIFIED BY 'accounts';"
        ask = ["mariadb", "--no-defaults", f"--socket={door}", "--user=root", f"--execute={made}"]
        subprocess.run(ask, check=True, capture_output=True, timeout=30)

    def _stop(self) -> None:
        """Those of the accounts last: the controller tells them its last jobs."""
        later = {name: self._processes.pop(name, None) for name in ("slurmdbd", "mariadbd")}
        super()._stop()
        for process in filter(None, later.values()):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            process.kill()
            process.wait()
        shutil.rmtree(self.folder / "data", ignore_errors=True)  # a hundred megabytes


def _listens(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0
