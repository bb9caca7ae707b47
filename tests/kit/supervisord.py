"""A real supervisord of its own in a folder, with the project's own program file, for tests of the daemon's life."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.kit.daemon import until

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = "mqi-actors"


def needed() -> None:
    """Skip where supervisord is not installed."""
    if shutil.which("supervisord") is None:
        pytest.skip("supervisord is not installed (Debian: supervisor)")


class Supervisord:
    """Runs ``command`` in ``directory`` as conf/supervisord.conf says; as a context manager it leaves nothing behind.

    Only paths, the user and the shortest time that counts as started differ from what operators copy.
    """

    def __init__(self, folder: Path, command: str, directory: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._short = Path(tempfile.mkdtemp(prefix="mqi-sv-"))  # a socket's path has to be short
        text = (ROOT / "conf" / "supervisord.conf").read_text(encoding="utf-8")
        text = re.sub(r"(?m)^command=.*$", lambda _: f"command={command}", text)
        text = re.sub(r"(?m)^directory=.*$", lambda _: f"directory={directory}", text)
        text = re.sub(r"(?m)^user=.*\n", "", text)
        text = re.sub(r"(?m)^startsecs=.*$", "startsecs=1", text)
        socket = self._short / "s"
        self._conf = folder / "supervisord.conf"
        self._conf.write_text(
            f"[supervisord]\nnodaemon=true\nlogfile={folder}/supervisord.log\npidfile={folder}/supervisord.pid\n"
            f"childlogdir={folder}\n[unix_http_server]\nfile={socket}\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"
            f"[supervisorctl]\nserverurl=unix://{socket}\n{text}",
            encoding="utf-8",
        )
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Supervisord:
        with (self._folder / "supervisord.out").open("ab") as sink:
            self.process = subprocess.Popen(["supervisord", "-c", str(self._conf)], stdout=sink, stderr=sink)
        until(lambda: self.state() not in ("", "refused"), 20, "supervisord answers")
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            shutil.rmtree(self._short, ignore_errors=True)

    def ctl(self, *words: str) -> str:
        """What ``supervisorctl`` says."""
        done = subprocess.run(
            ["supervisorctl", "-c", str(self._conf), *words], capture_output=True, text=True, timeout=60, check=False
        )
        return done.stdout + done.stderr

    def state(self) -> str:
        """``RUNNING``, ``EXITED``, ``FATAL`` …; empty: supervisord does not answer."""
        found = re.match(rf"{PROGRAM}\s+([A-Z]+)", self.ctl("status", PROGRAM))
        return found[1] if found else ""

    @property
    def pid(self) -> int:
        """Of the program; 0: it does not run."""
        words = self.ctl("pid", PROGRAM).strip()
        return int(words) if words.isdigit() else 0
