"""The examination of a host for ``check``, on a real sshd: what is good, and each thing that is not with its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.ssh_connection import CheckLine, check_host
from tests.kit.nvidia_smi import NvidiaSmi
from tests.kit.sshd import Sshd, make_key


def bad(lines: tuple[CheckLine, ...]) -> dict[str, CheckLine]:
    assert all(line.remedy for line in lines if not line.ok)
    return {line.name: line for line in lines if not line.ok}


def test_a_host_on_which_all_is_well(tmp_path: Path) -> None:
    smi = NvidiaSmi(tmp_path / "bin")
    with Sshd(tmp_path / "sshd", environment=smi.environment) as server:
        words = {"command": ("sh", "in/input.txt"), "version_command": ("echo", "engine 1.2")}
        lines = check_host(server.target(), str(tmp_path / "ws"), gpus="auto", **words)
    assert not bad(lines)
    names = [line.name for line in lines]
    for name in ("name", "port", "host key", "login", "shell", "workspace", "free space", "clock", "tools", "engine"):
        assert name in names
    assert "GPU 1" in names
    assert "engine 1.2" in next(line.text for line in lines if line.name == "engine")
    assert not list((tmp_path / "ws" / ".wrappers").glob(".check*"))


def test_what_stands_before_a_failure_is_said_to_be_good(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        stranger = check_host(server.target(key_file=make_key(tmp_path / "key")), str(tmp_path / "ws"))
        assert list(bad(stranger)) == ["login"]
        assert [line.name for line in stranger if line.ok] == ["ssh config", "name", "port", "host key"]
        server.known_hosts.write_text("")
        assert list(bad(check_host(server.target(), str(tmp_path / "ws")))) == ["host key"]
    assert list(bad(check_host(server.target(), str(tmp_path / "ws")))) == ["port"]
    assert list(bad(check_host(server.target(address="no-such.invalid"), str(tmp_path / "ws")))) == ["name"]


def test_a_workspace_an_engine_and_gpus_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    smi = NvidiaSmi(tmp_path / "bin")
    with Sshd(tmp_path / "sshd", environment=smi.environment) as server:
        lines = check_host(
            server.target(),
            str(tmp_path / "file" / "ws"),
            gpus=(0, 7),
            command=("/no/such=engine",),
            version_command=("x",),
        )
        found = bad(lines)
        assert "Not a directory" in found["workspace"].text
        smi.say("what?\n", code=3)
        more = bad(check_host(server.target(), str(tmp_path / "ws"), gpus="auto", command=("/no/such=engine",)))
    assert "is not there" in found["GPU 7"].text
    assert [line.gpu for line in lines if line.gpu] == ["GPU-aaaa"]
    assert "code 3" in more["GPUs"].text
    assert "no such program" in more["engine"].text


def test_an_engine_that_tells_no_version(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        lines = check_host(
            server.target(), str(tmp_path / "ws"), command=("sh",), version_command=("sh", "-c", "echo oops; exit 4")
        )
    assert "oops" in bad(lines)["engine"].text


def test_a_login_that_is_no_shell(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", options=["ForceCommand echo closed"]) as server:
        lines = check_host(server.target(), str(tmp_path / "ws"))
    assert list(bad(lines)) == ["shell"]
    assert "closed" in bad(lines)["shell"].text


@pytest.mark.promise("P32")
def test_the_remedy_for_a_changed_key_stands_in_the_line(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        server.change_host_key()
        server.restart()
        lines = check_host(server.target(), str(tmp_path / "ws"))
    assert "ssh-keygen -R" in bad(lines)["host key"].remedy
