"""The real daemon in a process of its own on a site in a temporary folder, for the end-to-end tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from actors.demo.site import DemoSite
from actors.ledger import Reader
from messages.ledger import CaseRow
from messages.states import CaseState

ENDED = frozenset({CaseState.DONE, CaseState.FAILED, CaseState.CANCELLED, CaseState.INCOMPLETE})


def until(condition: Callable[[], Any], timeout_s: float = 60.0, what: str = "") -> Any:
    """Poll until the condition holds, and give its value; the condition, not a pause, decides."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what or condition}")
        time.sleep(0.02)
    return value


class Daemon:
    """``bin/mqi-actors start`` on a site; as a context manager it never leaves a process behind."""

    def __init__(
        self, site: DemoSite, environment: Mapping[str, str] | None = None, *, module: str = "actors.cli"
    ) -> None:
        self.site = site
        self.module = module
        self.environment = dict(environment or {})
        self.before: Sequence[str] = ()
        """Words before its command, such as those that make it another user's."""
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Daemon:
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        for pid in engine_processes(self.site):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not engine_processes(self.site), 10, "engines of this site are gone")

    def start(self) -> Daemon:
        self.launch()
        until(self.answers, 20, "the daemon answers on its control socket")
        return self

    def launch(self) -> None:
        """Start the process without waiting for its answer."""
        with (self.site.folder / "daemon.txt").open("ab") as sink:
            self.process = subprocess.Popen(
                [*self.before, sys.executable, "-m", self.module, "start", "--conf", str(self.site.conf)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env={**os.environ, **self.environment},
            )

    def answers(self) -> bool:
        assert self.process is not None
        if (code := self.process.poll()) is not None:
            raise AssertionError(f"the daemon ended with {code}:\n{self.output()[-3000:]}")
        return bool(self.cli("status")["daemon"]["state"] == "running")

    def output(self) -> str:
        return (self.site.folder / "daemon.txt").read_text(errors="replace")

    def kill(self) -> None:
        """``kill -9``."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, limit_s: float = 12.0) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def cli(self, *words: str) -> Any:
        """A command with ``--json``, as an outside program would call it."""
        done = run_cli(*words, "--json", "--conf", str(self.site.conf))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def rows(self) -> dict[str, CaseRow]:
        if not self.site.ledger.exists():
            return {}
        return {row.case: row for row in Reader(self.site.ledger).cases()}

    def ended(self, count: int) -> dict[str, CaseRow] | None:
        rows = self.rows()
        return rows if len(rows) >= count and all(row.state in ENDED for row in rows.values()) else None

    def until_ended(self, count: int, timeout_s: float = 90.0) -> dict[str, CaseRow]:
        def check() -> dict[str, CaseRow] | None:
            assert self.process is not None
            assert self.process.poll() is None, self.output()[-3000:]
            return self.ended(count)

        try:
            rows: dict[str, CaseRow] = until(check, timeout_s, f"{count} cases ended")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.rows()}\n{self.output()[-5000:]}") from None
        return rows


def run_cli(*words: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "actors.cli", *words], capture_output=True, text=True, timeout=timeout_s, check=False
    )


def claims(site: DemoSite) -> list[Path]:
    """Every claim ever made on the host (run directories must still be there: look before they are cleaned)."""
    return sorted(site.workspace.glob("*/*/*/claim"))


def engine_processes(site: DemoSite) -> list[int]:
    """Processes whose run directory lies in this site's workspace: wrappers, engines and their children."""
    marker = os.fsencode(str(site.workspace))
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            folder = os.fsencode((entry / "cwd").readlink())
            state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except (OSError, IndexError):
            continue
        if state != "Z" and int(entry.name) != os.getpid() and (folder.startswith(marker) or marker in command):
            found.append(int(entry.name))
    return found


def states(rows: Iterable[CaseRow]) -> list[str]:
    return sorted(row.state for row in rows)
