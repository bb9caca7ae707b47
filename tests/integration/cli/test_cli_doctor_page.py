"""``check`` on the page: its address, its token, who could reach it."""

from __future__ import annotations

import socket
from pathlib import Path

from actors.cli.doctor.finding import Finding
from actors.cli.doctor.page import check_page
from tests.integration.console.around import free_port, site

TOKEN = "0123456789abcdef01234567"


def found(folder: Path, more: str = "") -> list[Finding]:
    return list(check_page(site(folder, more), folder))


def test_no_page_is_no_fault(tmp_path: Path) -> None:
    (finding,) = found(tmp_path)
    assert finding.ok
    assert "there is none" in finding.text


def test_an_address_that_can_be_had_and_one_that_cannot(tmp_path: Path) -> None:
    listen = f'listen = "127.0.0.1:{free_port()}"'
    assert [finding.ok for finding in found(tmp_path, listen)] == [True]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        (finding,) = found(tmp_path, f'listen = "127.0.0.1:{taken.getsockname()[1]}"')
    assert not finding.ok
    assert "in use" in finding.text
    (finding,) = found(tmp_path, 'listen = "192.0.2.1:80"\ntoken_file = "x"')[1:2]
    assert not finding.ok


def test_a_page_for_other_machines_is_warned_of(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    findings = found(tmp_path, f'listen = "0.0.0.0:{free_port()}"\ntoken_file = "{token}"')
    assert all(finding.ok for finding in findings)
    assert "in clear" in findings[-1].text
    assert "TLS" in findings[-1].remedy
    assert TOKEN not in "".join(finding.line() for finding in findings)
    token.chmod(0o644)
    bad = found(tmp_path, f'listen = "127.0.0.1:{free_port()}"\ntoken_file = "{token}"')[0]
    assert not bad.ok
    assert "chmod 600" in bad.remedy
