"""A private OpenSSH server on this machine's loopback, so that the demo's host is reached as a real one would be."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STARTS_WITHIN_S = 10.0


class NoServerError(Exception):
    """The server cannot be had here; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Loopback:
    """How to get in: strict host key, one key of its own, nobody else's files."""

    port: int
    user: str
    key_file: Path
    known_hosts: Path


def server_program() -> str | None:
    """OpenSSH's server, where it usually lies; None when it is not installed."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def server_lines(folder: Path, port: int, host_keys: Iterable[Path], authorized: Path) -> tuple[str, ...]:
    """The sshd_config of a server of one's own: loopback only, keys only, nothing of the machine's own accounts."""
    return (
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        *(f'HostKey "{key}"' for key in host_keys),
        f'AuthorizedKeysFile "{authorized}"',
        f'PidFile "{folder / "sshd.pid"}"',
        "StrictModes no",
        "UsePAM no",
        "UseDNS no",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PubkeyAuthentication yes",
        "PermitRootLogin prohibit-password",
        "PrintMotd no",
    )


def prepare_machine() -> None:
    """As root sshd refuses to start without this folder."""
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)


@contextmanager
def loopback_server(folder: Path) -> Iterator[Loopback]:
    """Run the server below ``folder``; it listens on 127.0.0.1 only, and is gone at the end. Raises NoServerError."""
    server = server_program()
    if server is None or shutil.which("ssh-keygen") is None:
        raise NoServerError("sshd is not installed. Ask for: apt-get install openssh-server")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    door = _prepare(folder)
    prepare_machine()
    log = folder / "sshd.log"
    with log.open("ab") as sink:
        process = subprocess.Popen(
            [server, "-D", "-e", "-f", str(folder / "sshd_config")], stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    try:
        _wait_until_it_listens(process, door.port, log)
        yield door
    finally:
        process.terminate()
        process.wait()


def _prepare(folder: Path) -> Loopback:
    host_key, client_key = folder / "host_key", folder / "client_key"
    for key in (host_key, client_key):
        key.unlink(missing_ok=True)
        order = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key.name, "-f", str(key)]
        subprocess.run(order, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    known_hosts, authorized = folder / "known_hosts", folder / "authorized_keys"
    known_hosts.write_text(f"[127.0.0.1]:{port} {host_key.with_suffix('.pub').read_text()}")
    authorized.write_bytes(client_key.with_suffix(".pub").read_bytes())
    (folder / "sshd_config").write_text("\n".join(server_lines(folder, port, [host_key], authorized)) + "\n")
    return Loopback(port, getpass.getuser(), client_key, known_hosts)


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    last = (log.read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"])[-1]
    raise NoServerError(f"sshd did not start: {last}. The whole story is in {log}")
