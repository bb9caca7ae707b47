"""Who the server is: every kind of entry, every refusal with the command that mends it, against a real sshd."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from actors.errors import MqiError
from actors.ssh_connection.link import open_link
from actors.ssh_connection.target import Target
from messages.faults import Fault
from tests.kit.sshd import Sshd


def entered(target: Target) -> str:
    link = open_link(target)
    try:
        return link.run("echo here", timeout_s=10).text
    finally:
        link.close()


def refusal(target: Target) -> Fault:
    with pytest.raises(MqiError) as caught:
        open_link(target).close()
    return caught.value.fault


@pytest.mark.promise("P32")
@pytest.mark.parametrize("hashed", [False, True])
def test_a_known_key_is_taken_plain_or_hashed_on_an_odd_port(tmp_path: Path, hashed: bool) -> None:
    with Sshd(tmp_path / "sshd") as server:
        server.trust(hashed=hashed)
        assert ("|1|" in server.known_hosts.read_text()) == hashed
        assert entered(server.target()) == "here\n"


@pytest.mark.promise("P32")
@pytest.mark.parametrize("known", ["ed25519", "ecdsa", "rsa"])
def test_the_server_is_asked_for_the_type_of_key_that_we_know(tmp_path: Path, known: str) -> None:
    with Sshd(tmp_path / "sshd", key_types=("ed25519", "ecdsa", "rsa")) as server:
        lines = server.known_hosts.read_text().splitlines()
        server.known_hosts.write_text(next(line for line in lines if known in line) + "\n")
        assert entered(server.target()) == "here\n"


@pytest.mark.promise("P32")
def test_an_unknown_key_is_refused_and_the_remedy_mends_it(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        server.known_hosts.unlink()
        fault = refusal(server.target())
        assert fault.kind == "host-key-unknown"
        assert "SHA256:" in fault.what
        command = fault.remedy.rpartition("then: ")[2]
        assert command == f"ssh-keyscan -p {server.port} 127.0.0.1 >> {server.known_hosts}"
        subprocess.run(command, shell=True, check=True, capture_output=True)
        assert entered(server.target()) == "here\n"


@pytest.mark.promise("P32")
def test_a_changed_key_is_refused_and_the_remedy_mends_it(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        assert entered(server.target()) == "here\n"
        server.change_host_key()
        server.restart()
        fault = refusal(server.target())
        assert fault.kind == "host-key-changed"
        assert fault.what.count("SHA256:") == 2
        assert "CHANGED" in fault.what
        command = fault.remedy.rpartition("Only if it was: ")[2]
        assert command.startswith(f"ssh-keygen -R '[127.0.0.1]:{server.port}' -f {server.known_hosts} && ssh-keyscan")
        subprocess.run(command, shell=True, check=True, capture_output=True)
        assert entered(server.target()) == "here\n"


@pytest.mark.promise("P32")
def test_a_revoked_key_is_refused(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        known = server.known_hosts.read_text()
        server.known_hosts.write_text(known + f"@revoked * {server.host_keys()[0]}\n")
        assert refusal(server.target()).kind == "host-key-revoked"


@pytest.mark.promise("P32")
def test_nothing_of_ours_is_offered_to_a_server_that_is_not_known(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        server.known_hosts.write_text("")
        refusal(server.target())
        assert "Accepted" not in server.log.read_text()
        assert "publickey" not in server.log.read_text()
