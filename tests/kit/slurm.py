"""A real one-node Slurm of Debian's packages, private to a test: own key, sockets, spool, and GPUs in name."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import psutil
import pytest

from tests.kit import leaks
from tests.kit.sshd import free_port
from tests.kit.waiting import wait_until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")
SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def lacking() -> str:
    """Why no cluster can be started here; empty: it can."""
    if missing := [name for name in PROGRAMS if shutil.which(name, path=SEARCHED) is None]:
        return f"no {missing[0]} here: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "a cluster of one's own is started by root only"
    return ""


class Slurm:
    """One cluster of one node below ``folder``: ``gpus`` GPUs in name (character devices), ``cpus`` in name.

    ``options`` are lines of slurm.conf. Its commands find it by SLURM_CONF alone (``environment``).
    """

    def __init__(
        self, folder: Path, *, gpus: int = 4, cpus: int = 16, options: Mapping[str, str] | None = None
    ) -> None:
        if why := lacking():
            pytest.skip(why)
        self.folder = folder
        self._gpus, self._cpus = gpus, cpus
        self._options = dict(options or {})
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for part in ("", "munge", "state", "spool", "log", "run"):
            (folder / part).mkdir(mode=0o755, parents=True, exist_ok=True)
        self._ports = (free_port(), free_port())

    @classmethod
    @contextlib.contextmanager
    def shared(cls) -> Iterator[Slurm]:
        """The cluster of all tests of this process that want no other; its commands find it by SLURM_CONF."""
        with tempfile.TemporaryDirectory(prefix="mqi-slurm-") as folder, cls(Path(folder) / "cluster") as cluster:
            leaks.KEPT.update(cluster.pids)
            os.environ.update(cluster.environment)
            try:
                yield cluster
            finally:
                os.environ.pop("SLURM_CONF")
                leaks.KEPT.difference_update(cluster.pids)

    # -- what the tests use

    @property
    def pids(self) -> set[int]:
        return {process.pid for process in self._processes.values()}

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.conf)}

    def command(self, *words: str, check: bool = True) -> str:
        """Standard output of one of Slurm's commands."""
        given = {**os.environ, **self.environment}
        done = subprocess.run(words, env=given, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0 or not check, f"{words}: {done.stderr}"
        return done.stdout

    def jobs(self) -> list[tuple[str, str, str]]:
        """(number, name, state) of every job that the controller remembers, oldest first."""
        lines = self.command("squeue", "-h", "-t", "all", "-o", "%i|%j|%T").splitlines()
        found = [tuple(line.split("|")) for line in lines]
        return sorted(((a, b, c) for a, b, c in found), key=lambda job: int(job[0]))

    # -- its life

    def __enter__(self) -> Slurm:
        try:
            self._write()
            self._start_munge()
            self.start_controller()
            self._run("slurmd", "-D", "-f", str(self.conf))
            wait_until(self._idle, 20, "the node is idle")
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(subprocess.SubprocessError, AssertionError):
            self.command("scancel", "--me", check=False)
        self._stop()

    def start_controller(self) -> None:
        """slurmctld; what it knew before, it knows again."""
        self._run("slurmctld", "-D", "-f", str(self.conf))
        wait_until(lambda: "UP" in self.command("scontrol", "ping", check=False), 20, "slurmctld answers")

    def kill_controller(self) -> None:
        """As a crash would, just after it saved its jobs: one that forgets some gives their numbers to others."""
        saved = self.folder / "state" / "job_state"
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        with contextlib.suppress(AssertionError):  # nothing has changed: there is nothing to save
            wait_until(lambda: saved.exists() and saved.stat().st_mtime_ns != before, 8, "its state is saved")
        process = self._processes.pop("slurmctld")
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def _idle(self) -> bool:
        return self.command("sinfo", "-h", "-o", "%T", check=False).strip() == "idle"

    def _run(self, name: str, *words: str) -> None:
        program = shutil.which(name, path=SEARCHED)
        assert program is not None
        with (self.folder / "log" / f"{name}.out").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [program, *words], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._surroundings()
            )

    def _surroundings(self) -> dict[str, str]:
        return {**os.environ, **self.environment}

    def _start_munge(self) -> None:
        key, place = self.folder / "munge.key", self.folder / "munge"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = (("key-file", key), ("socket", self._socket), ("pid-file", place / "munged.pid"))
        options = [
            f"--{name}={path}" for name, path in (*files, ("log-file", place / "log"), ("seed-file", place / "seed"))
        ]
        self._run("munged", "--foreground", "--force", "--num-threads=2", *options)
        wait_until(lambda: self._answers(self._socket), 10, "munged answers")

    @property
    def _socket(self) -> Path:
        return self.folder / "munge" / "s"

    @staticmethod
    def _answers(path: Path) -> bool:
        with socket.socket(socket.AF_UNIX) as line:
            return line.connect_ex(str(path)) == 0

    def _write(self) -> None:
        node = socket.gethostname().split(".")[0]
        for number in range(self._gpus):
            os.mknod(self.folder / f"gpu{number}", 0o666 | 0o020000, os.makedev(1, 3))
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self.folder}/gpu[0-{self._gpus - 1}]\n")
        settings = {
            "ClusterName": "tests",
            "SlurmctldHost": f"{node}(127.0.0.1)",
            "SlurmctldPort": str(self._ports[0]),
            "SlurmdPort": str(self._ports[1]),
            "AuthType": "auth/munge",
            "CryptoType": "crypto/munge",
            "AuthInfo": f"socket={self._socket}",
            "SlurmUser": "root",
            "SlurmdUser": "root",
            "StateSaveLocation": str(self.folder / "state"),
            "SlurmdSpoolDir": str(self.folder / "spool"),
            "SlurmctldPidFile": str(self.folder / "run" / "slurmctld.pid"),
            "SlurmdPidFile": str(self.folder / "run" / "slurmd.pid"),
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_CPU",
            "GresTypes": "gpu",
            "SlurmdParameters": "config_overrides",
            "AccountingStorageType": "accounting_storage/none",
            "JobAcctGatherType": "jobacct_gather/none",
            "ReturnToService": "2",
            "MpiDefault": "none",
            "SwitchType": "switch/none",
            "SchedulerParameters": "batch_sched_delay=0,sched_interval=1,sched_min_interval=0,requeue_setup_env_fail",
            "KillWait": "2",
            "MessageTimeout": "3",
            "SlurmctldTimeout": "10",
            "SlurmdTimeout": "6",
            **self._options,
        }
        lines = [f"{name}={value}" for name, value in settings.items() if value]
        gres = f"Gres=gpu:{self._gpus}"
        lines.append(f"NodeName={node} NodeAddr=127.0.0.1 Port={self._ports[1]} CPUs={self._cpus} {gres} State=UNKNOWN")
        lines.append("PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP")
        self.conf.write_text("\n".join(lines) + "\n")

    def _stop(self) -> None:
        """Every daemon, and every job step that it left."""
        for name in ("slurmctld", "slurmd", "munged"):
            process = self._processes.pop(name, None)
            if process is not None:
                process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                process.kill()
                process.wait()
        wait_until(lambda: not self._left(), 10, "nothing of the cluster is left")

    def _left(self) -> list[int]:
        marker, found = str(self.folder), list[int]()
        for process in psutil.process_iter(["cmdline", "cwd"]):
            with contextlib.suppress(psutil.Error):
                where = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
                stepd = "slurmstepd" in " ".join(where) and process.environ().get("SLURM_CONF") == str(self.conf)
                if process.pid != os.getpid() and (stepd or any(marker in word for word in where)):
                    found.append(process.pid)
                    process.kill()
        return found
