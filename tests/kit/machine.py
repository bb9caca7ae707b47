"""A machine that can be rebooted: a server in name spaces of its own, with a boot id of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.kit.sshd import Sshd
from tests.kit.waiting import wait_until

_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_INSIDE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


class Machine(Sshd):
    """As Sshd; whatever runs there ends with it, as when the power goes, and process numbers begin anew."""

    def __init__(self, folder: Path, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._boot_file = folder / "boot_id"
        self._new_boot()
        if os.geteuid() != 0 or shutil.which("unshare") is None or not self._can():
            pytest.skip("only root may give a server name spaces and a boot id of its own")
        home = folder / "home"  # its own: a login's start-up files that are killed half-way would hurt the tester's
        super().__init__(folder, environment={"HOME": str(home)}, home=home, **options)

    @property
    def boot_id(self) -> str:
        """What its kernel says now."""
        return self._boot_file.read_text().strip()

    def reboot(self) -> None:
        """All of its processes end at once, and it starts with another boot id."""
        self.stop()
        self._new_boot()
        self.start()

    def sessions(self) -> list[psutil.Process]:
        """Without the server itself, which is the machine's first process."""
        server = self._first()
        return [process for process in super().sessions() if process.pid not in server]

    def stop(self) -> None:
        """The power goes."""
        first = self._first()
        super().stop()
        wait_until(lambda: not any(psutil.pid_exists(pid) for pid in first), 10, "the machine is off")

    def _first(self) -> list[int]:
        if self._process is None or self._process.poll() is not None:
            return []
        return [process.pid for process in psutil.Process(self._process.pid).children()]

    def command(self, server: list[str]) -> list[str]:
        script = f'mount --bind "$0" {_BOOT_ID} && exec "$@"'
        return [*_INSIDE, "sh", "-c", script, str(self._boot_file), *server]

    def _new_boot(self) -> None:
        self._boot_file.write_text(f"{uuid.uuid4()}\n")

    def _can(self) -> bool:
        done = subprocess.run(self.command(["cat", _BOOT_ID]), capture_output=True, check=False)
        return done.returncode == 0 and done.stdout.decode().strip() == self.boot_id
