"""``check`` on hosts over SSH, from the configuration file to the finding: it tries what the daemon will use."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.cli.doctor.finding import Finding
from actors.cli.doctor.hosts import check_hosts
from actors.demo.loopback import Loopback
from actors.demo.site import local_host, make_site
from actors.settings import load
from tests.kit.profiles import profile
from tests.kit.sshd import Sshd

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "sshd") as server:
        yield server


def findings(
    folder: Path, server: Sshd, host_python: str = "", command: str = '["sh", "{input}"]', more: str = ""
) -> dict[str, Finding]:
    """By name, of a site whose one host is behind the server; with ``host_python`` it interprets there."""
    engine = profile(folder, command=command)
    if host_python:
        text = engine.read_text()
        text = re.sub("(?m)^interpret = .*$", 'interpret = "host"', text)
        engine.write_text(re.sub("(?m)^host_python = .*$", f'host_python = "{host_python}"', text))
    door = Loopback(server.port, server.user, server.client_key, server.known_hosts)
    site = make_site(folder, gpus=1, profile=engine, door=door, more=more)
    found = list(check_hosts(load(site.conf, {}), site.conf))
    assert all(finding.remedy for finding in found if not finding.ok)
    return {finding.name: finding for finding in found}


def python(folder: Path, text: str) -> str:
    """A Python of the host, as a script."""
    path = folder / "host-python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_host_is_entered_as_the_configuration_says(tmp_path: Path, server: Sshd) -> None:
    found = findings(tmp_path, server, more=local_host(tmp_path / "workspace-2", 1, "here"))
    assert all(finding.ok for name, finding in found.items() if not name.endswith(("free space", "engine")))
    for stage in ("name", "port", "host key", "login", "shell", "workspace", "clock", "tools", "engine", "GPUs"):
        assert f"host loopback, {stage}" in found
    assert found["host loopback, login"].text == f"as {server.user}"
    assert "host loopback, interpreter" not in found, "no step runs there"
    assert "this machine" in found["host here"].text


@pytest.mark.promise("P32")
def test_what_is_wrong_with_a_host_is_said_with_its_name_and_remedy(tmp_path: Path, server: Sshd) -> None:
    server.authorized.write_text("")
    assert not findings(tmp_path, server)["host loopback, login"].ok
    server.known_hosts.write_text("")
    found = findings(tmp_path, server)
    assert [name for name, finding in found.items() if not finding.ok] == ["host loopback, host key"]
    assert "ssh-keyscan" in found["host loopback, host key"].remedy


def test_an_engine_that_is_not_on_the_host_is_named(tmp_path: Path, server: Sshd) -> None:
    found = findings(tmp_path, server, command='["/no/such/engine", "{input}"]')
    assert found["host loopback, engine"].text == "there is no such program on the host"


def test_the_python_of_steps_that_run_there_is_tried(tmp_path: Path, server: Sshd) -> None:
    ours = python(tmp_path, f'PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"')
    found = findings(tmp_path, server, ours)["host loopback, interpreter"]
    assert found.ok
    assert found.text == f"{ours} has this release"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'No module named actors' >&2; exit 1", "does not run the interpreter: No module named actors"),
        ("exit 0", "does not run the interpreter: it says nothing"),
        ("echo release numpy = 0.1", "numpy 0.1 instead of"),
    ],
)
def test_a_python_that_would_fail_the_first_case_is_found_before(
    tmp_path: Path, server: Sshd, script: str, said: str
) -> None:
    found = findings(tmp_path, server, python(tmp_path, script))["host loopback, interpreter"]
    assert not found.ok
    assert said in found.text
    assert "host_python" in found.remedy


def test_a_python_that_is_not_there_is_named(tmp_path: Path, server: Sshd) -> None:
    found = findings(tmp_path, server, "/no/such/python")["host loopback, interpreter"]
    assert found.text == "there is no /no/such/python on the host"
