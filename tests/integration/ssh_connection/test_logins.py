"""Keys, agent, ssh config, servers on the way, and every way in which no connection comes about."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

from actors.errors import MqiError
from actors.ssh_connection.link import Link, open_link
from actors.ssh_connection.target import Patience, Target
from actors.ssh_connection.troubles import LinkError
from messages.faults import Blame, Fault
from tests.kit.proxy import Proxy
from tests.kit.sshd import Agent, Sshd, free_port, make_key

SHORT = Patience(connect_s=0.3, banner_s=0.5, login_s=2.0, session_s=2.0, silence_s=1.0)


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "sshd") as server:
        yield server


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    agent = Agent(tmp_path)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent.socket))
    yield agent
    agent.stop()


def says(link: Link, script: str = "echo here") -> str:
    try:
        return link.run(script, timeout_s=10).text
    finally:
        link.close()


def refusal(target: Target) -> Fault:
    with pytest.raises(MqiError) as caught:
        open_link(target).close()
    assert caught.value.fault.blame is Blame.HOST
    assert caught.value.fault.remedy
    return caught.value.fault


def test_modern_ciphers_and_no_compression(server: Sshd) -> None:
    link = open_link(server.target())
    transport = link.transport
    assert "gcm" in str(transport.local_cipher)  # type: ignore[attr-defined]
    assert transport.local_compression == "none"  # type: ignore[attr-defined]
    assert says(link) == "here\n"


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_file_of_every_type(server: Sshd, tmp_path: Path, kind: str) -> None:
    key = make_key(tmp_path / "key", kind)
    server.authorize(key)
    assert says(open_link(server.target(key_file=key))) == "here\n"


def test_a_key_with_a_passphrase_needs_the_agent_and_the_agent_has_it(
    server: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, agent: Agent
) -> None:
    key = make_key(tmp_path / "locked", passphrase="correct horse")
    server.authorize(key)
    fault = refusal(server.target(key_file=key))
    assert fault.kind == "key-unusable"
    assert f"ssh-add {key}" in fault.remedy
    agent.add(key, "correct horse")
    assert says(open_link(server.target(key_file=key))) == "here\n"
    monkeypatch.delenv("SSH_AUTH_SOCK")
    assert refusal(server.target(key_file=key)).kind == "key-unusable"


def test_the_agent_alone_is_enough(server: Sshd, tmp_path: Path, agent: Agent) -> None:
    key = make_key(tmp_path / "in_agent")
    server.authorize(key)
    agent.add(key)
    key.unlink()
    target = server.target(key_file=None)
    assert says(open_link(target)) == "here\n"


@pytest.mark.promise("P32")
def test_a_refused_login_names_user_and_key(server: Sshd, tmp_path: Path) -> None:
    stranger = make_key(tmp_path / "stranger")
    fault = refusal(server.target(key_file=stranger))
    assert fault.kind == "login-refused"
    assert f"user {server.user}" in fault.what
    assert str(stranger) in fault.what
    assert "authorized_keys" in fault.remedy
    assert "PRIVATE" not in str(fault)


@pytest.mark.promise("P31")
def test_a_link_that_is_cut_during_the_login_is_no_refused_login(server: Sshd) -> None:
    """A refusal waits for a person and is tried again after minutes; a cut is over at once."""
    kinds = Counter[str]()
    for carried in range(3000, 4600, 100):  # the exchange of keys is over, the login is not
        with Proxy(server.port, cut_every=carried) as proxy:
            server.trust(name=f"[127.0.0.1]:{proxy.port}")
            try:
                open_link(server.target(port=proxy.port)).close()
            except LinkError as error:
                kinds[error.fault.kind] += 1
    server.trust()
    assert kinds["link-lost"]
    assert "login-refused" not in kinds


@pytest.mark.promise("P31")
def test_a_login_that_cannot_be_sent_is_no_refused_login(server: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is gone, and the library's own thread has yet to notice."""

    def broken(*_: object) -> list[str]:
        raise EOFError

    monkeypatch.setattr(paramiko.Transport, "auth_publickey", broken)
    with pytest.raises(LinkError) as caught:
        open_link(server.target())
    assert caught.value.fault.kind == "link-lost"


@pytest.mark.parametrize("trouble", ["absent", "open", "no key"])
def test_a_key_that_cannot_be_used_says_why(server: Sshd, tmp_path: Path, trouble: str) -> None:
    key = make_key(tmp_path / "key")
    if trouble == "absent":
        key.unlink()
    elif trouble == "open":
        key.chmod(0o644)
    else:
        key.write_text("this is no key\n")
        key.chmod(0o600)
    fault = refusal(server.target(key_file=key))
    assert fault.kind == "key-unusable"
    assert str(key) in fault.what


def test_an_alias_of_the_ssh_config_says_everything(server: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    (tmp_path / "more").write_text(f"Host gpu-alias\n  Port {server.port}\n  User {server.user}\n")
    config.write_text(
        f"Include {tmp_path / 'more'}\n"
        "Host gpu-alias\n  HostName 127.0.0.1\n"
        f"  IdentityFile {server.client_key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {server.known_hosts}\n"
    )
    assert says(open_link(Target("gpu1", "gpu-alias", config=config))) == "here\n"


def test_a_server_on_the_way_is_gone_through(server: Sshd, tmp_path: Path) -> None:
    """Two real servers; the second one sees the first one's connection, not ours."""
    with Sshd(tmp_path / "gate") as gate:
        server.authorized.write_bytes(gate.client_key.with_suffix(".pub").read_bytes())
        known = tmp_path / "both"
        known.write_text(server.known_hosts.read_text() + gate.known_hosts.read_text())
        config = tmp_path / "config"
        config.write_text(
            f"Host inner\n  HostName 127.0.0.1\n  Port {server.port}\n  ProxyJump gate\n"
            f"Host gate\n  HostName 127.0.0.1\n  Port {gate.port}\n"
            f"Host *\n  User {gate.user}\n  IdentityFile {gate.client_key}\n  UserKnownHostsFile {known}\n"
        )
        target = Target("gpu1", "inner", config=config)
        port = says(open_link(target), "echo $SSH_CLIENT").split()[1]
        assert port not in gate.log.read_text()
        assert f"port {port}" in server.log.read_text()
        gate.stop()
        assert refusal(target).kind == "port-refused"
        gate.start()
        server.stop()
        fault = refusal(target)
        assert (fault.kind, "server before it" in fault.what) == ("host-unreachable", True)
        server.start()
        gate.known_hosts.write_text("")
        known.write_text(server.known_hosts.read_text())
        assert refusal(target).kind == "host-key-unknown"


def test_a_name_that_is_none(server: Sshd) -> None:
    fault = refusal(server.target(address="no-such-host.invalid"))
    assert fault.kind == "name-unresolved"
    assert "no-such-host.invalid" in fault.what


def test_a_port_that_is_closed(server: Sshd) -> None:
    assert refusal(server.target(port=free_port())).kind == "port-refused"


def test_a_port_on_which_nobody_speaks_ssh(server: Sshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        fault = refusal(server.target(port=mute.getsockname()[1], patience=SHORT))
    assert fault.kind == "no-ssh"


def test_a_host_that_does_not_answer_at_all(server: Sshd) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):  # the queue of connections is full: further ones are dropped without a word
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(full.getsockname())
            waiting.append(one)
        fault = refusal(server.target(port=full.getsockname()[1], patience=SHORT))
        for one in waiting:
            one.close()
    assert fault.kind == "connect-timeout"


def test_an_attempt_can_be_cut_short(server: Sshd) -> None:
    """By whoever cancels the task, while the other side keeps silent."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        closers = []

        def on_cancel(closer: object) -> object:
            closers.append(closer)
            threading.Timer(0.2, closer).start()  # type: ignore[arg-type]
            return lambda: None

        target = replace(server.target(port=mute.getsockname()[1]), patience=Patience())
        with pytest.raises(MqiError):
            open_link(target, on_cancel)  # type: ignore[arg-type]
    assert closers


def test_no_secret_and_no_thread_is_left_in_an_error(server: Sshd, tmp_path: Path) -> None:
    for number in range(3):
        refusal(server.target(key_file=make_key(tmp_path / f"key{number}")))
    assert not [thread for thread in threading.enumerate() if "paramiko" in type(thread).__module__]
