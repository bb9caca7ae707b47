"""A real OpenSSH server on loopback, private to a test: own keys, own configuration, any login shell."""

from __future__ import annotations

import contextlib
import getpass
import itertools
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from actors.demo.loopback import prepare_machine, server_lines, server_program
from actors.ssh_connection import Target
from tests.kit.waiting import wait_until

SERVER = server_program()
KEY_TYPES = ("ed25519",)


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
_ports = itertools.cycle(range(20_000 + 1_000 * (_WORKER % 10), 21_000 + 1_000 * (_WORKER % 10)))


def free_port() -> int:
    """A port that nobody listens on now, and no other process of this run of the tests is given."""
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", next(_ports)))
            return int(probe.getsockname()[1])


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A key pair, in place of one that is there."""
    path.unlink(missing_ok=True)
    size = ["-b", "2048"] if kind == "rsa" else []
    order = ["ssh-keygen", "-q", "-t", kind, *size, "-N", passphrase, "-C", path.name, "-f", str(path)]
    subprocess.run(order, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return path


class Sshd:
    """One server below ``folder``. ``options`` are lines of its sshd_config; ``port`` 0 finds a free one.

    ``login_shell`` runs every command as sshd would with that shell in the password file, with ``home`` as the home
    directory, so that its start-up files can be a test's own. ``environment`` is added to every session.
    """

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        *,
        options: Sequence[str] = (),
        key_types: Sequence[str] = KEY_TYPES,
        login_shell: str = "",
        home: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        if SERVER is None:
            pytest.skip("no sshd here: apt-get install openssh-server")
        self.folder = folder
        self.port = port or free_port()
        self.user = getpass.getuser()
        self.home = home or folder / "home"
        self.log = folder / "sshd.log"
        self._options = tuple(options)
        self._key_types = tuple(key_types)
        self._login_shell = login_shell
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(parents=True, exist_ok=True)
        self.client_key = folder / "client_key"
        self.known_hosts = folder / "known_hosts"
        self.authorized = folder / "authorized_keys"
        if not self.client_key.exists():
            make_key(self.client_key)
        self.authorized.write_bytes(self.client_key.with_suffix(".pub").read_bytes())
        if not any(self._host_key(kind).exists() for kind in self._key_types):
            self.change_host_key()
        self.trust()

    # -- its life

    def start(self) -> Sshd:
        """Until it accepts connections."""
        assert SERVER is not None
        config = self.folder / "sshd_config"
        config.write_text("\n".join(self._config()) + "\n")
        prepare_machine()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command([SERVER, "-D", "-e", "-f", str(config)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._listens, 10, f"sshd on port {self.port}; {self.log.read_text('utf-8', 'replace')[-2000:]}")
        return self

    def command(self, server: list[str]) -> list[str]:
        """How the server is run."""
        return server

    def stop(self) -> None:
        """The server and every session of it, at once; what runs detached (a job) lives on."""
        if self._process is None:
            return
        for session in self.sessions():
            with contextlib.suppress(psutil.NoSuchProcess):
                session.kill()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        """Of the server, while it runs."""
        assert self._process is not None
        return self._process.pid

    def restart(self) -> None:
        self.stop()
        self.start()

    def __enter__(self) -> Sshd:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def sessions(self) -> list[psutil.Process]:
        """The server's own processes, one or two for each connection that is open."""
        if self._process is None:
            return []
        try:
            below = psutil.Process(self._process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [process for process in below if _is_sshd(process)]

    def cut(self) -> None:
        """Every connection ends without a word; the server goes on."""
        for session in self.sessions():
            with contextlib.suppress(psutil.NoSuchProcess):
                session.kill()

    # -- who trusts whom

    def change_host_key(self) -> None:
        """New host keys; a running server shows them after a restart."""
        for kind in self._key_types:
            make_key(self._host_key(kind), kind)

    def host_keys(self) -> list[str]:
        """``type key`` of each of its public keys."""
        files = [self._host_key(kind).with_suffix(".pub") for kind in self._key_types]
        return [" ".join(file.read_text().split()[:2]) for file in files]

    def trust(self, *, hashed: bool = False, name: str = "") -> None:
        """Write its keys into ``known_hosts``, in place of what is there."""
        name = name or f"[127.0.0.1]:{self.port}"
        self.known_hosts.write_text("".join(f"{name} {key}\n" for key in self.host_keys()))
        if hashed:
            subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(self.known_hosts)], check=True, capture_output=True)
            self.known_hosts.with_suffix(".old").unlink(missing_ok=True)

    def authorize(self, key: Path) -> None:
        """This key too may log in."""
        with self.authorized.open("ab") as file:
            file.write(key.with_suffix(".pub").read_bytes())

    def target(self, **fields: object) -> Target:
        """How to get in."""
        given: dict[str, object] = {
            "host": "gpu1",
            "address": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "key_file": self.client_key,
            "known_hosts": self.known_hosts,
            "config": self.folder / "ssh_config",
            **fields,
        }
        return Target(**given)  # type: ignore[arg-type]

    def openssh(self, program: str = "ssh") -> list[str]:
        """The same with OpenSSH's own ``ssh``, ``scp`` or ``sftp``: the command up to the host's name."""
        port = "-p" if program == "ssh" else "-P"
        options = {
            "IdentityFile": self.client_key,
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": self.known_hosts,
            "StrictHostKeyChecking": "yes",
            "BatchMode": "yes",
        }
        settings = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return [program, "-q", "-F", "none", port, str(self.port), *settings]

    # -- inner

    def _host_key(self, kind: str) -> Path:
        return self.folder / f"host_key_{kind}"

    def _config(self) -> list[str]:
        lines = [
            *self._options,  # the first word on a matter counts
            *server_lines(self.folder, self.port, map(self._host_key, self._key_types), self.authorized),
            "LogLevel VERBOSE",
            f"Subsystem sftp {_sftp_server()}",
        ]
        if self._environment:
            lines.append("SetEnv " + " ".join(f'{name}="{value}"' for name, value in self._environment.items()))
        if self._login_shell:
            inner = f"env -u SHLVL HOME={shlex.quote(str(self.home))} {self._login_shell} -c"
            lines.append(f'ForceCommand exec {inner} "$SSH_ORIGINAL_COMMAND"')
        return lines

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"sshd ended: {self.log.read_text('utf-8', 'replace')[-2000:]}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _is_sshd(process: psutil.Process) -> bool:
    try:
        return process.name().startswith("sshd")
    except psutil.NoSuchProcess:
        return False


def _sftp_server() -> str:
    places = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server")
    return next((place for place in places if Path(place).exists()), "internal-sftp")


class Agent:
    """A private ssh-agent, ended with the test."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "agent.sock"
        self._process = subprocess.Popen(
            ["ssh-agent", "-D", "-a", str(self.socket)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        wait_until(self.socket.exists, 5, "the agent's socket")

    def add(self, key: Path, passphrase: str = "") -> None:
        """Load a key; the passphrase is asked as ssh-add asks it without a terminal."""
        asker = key.with_name("asker.sh")
        asker.write_text(f"#!/bin/sh\nprintf '%s\\n' {shlex.quote(passphrase)}\n")
        asker.chmod(0o700)
        environment = {**os.environ, "SSH_AUTH_SOCK": str(self.socket), "SSH_ASKPASS": str(asker)}
        environment |= {"SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
        order = ["ssh-add", "-q", str(key)]
        subprocess.run(order, check=True, env=environment, stdin=subprocess.DEVNULL, capture_output=True)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
