"""``init --service``: units for this installation, which systemd and supervisord read; found ones are checked."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from actors.cli.entry import run
from actors.cli.failures import CommandError
from actors.cli.units import SUPERVISORD, SYSTEMD, Place, compare, release_folder, units
from actors.settings import SHIPPED

ROOT = SHIPPED.parent
PARSE = """
import sys
from supervisor.options import ServerOptions
options = ServerOptions()
options.realize(["-n", "-c", sys.argv[1]])
(group,) = options.process_group_configs
(program,) = group.process_configs
import json
print(json.dumps([program.command, program.directory, program.uid, program.environment, program.stopasgroup]))
"""


def init(folder: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, object]]:
    code = run(["init", str(folder), "--service", "--json", *words])
    document: dict[str, object] = json.loads(capsys.readouterr().out)
    return code, document


@pytest.fixture(autouse=True)
def no_venv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MQI_VENV", raising=False)


def test_both_units_are_written_beside_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = init(tmp_path / "site", capsys)
    assert code == 0
    assert said["written"] is True
    assert said["user"] == getpass.getuser()
    conf = tmp_path / "site" / "mqi-actors.toml"
    assert conf.read_text() == (SHIPPED / "mqi-actors.toml").read_text()
    start = f"{ROOT}/bin/mqi-actors start --conf {conf}"
    assert f"\nExecStart={start}\n" in (tmp_path / "site" / SYSTEMD).read_text()
    assert f"\ncommand={start}\n" in (tmp_path / "site" / SUPERVISORD).read_text()
    conf.write_text("edited")
    code, said = init(tmp_path / "site", capsys)
    assert (code, said["written"]) == (0, False), "what is right stays, and so does the configuration"
    assert conf.read_text() == "edited"
    assert [unit["problems"] + unit["notes"] for unit in said["units"]] == [[], []]  # type: ignore[attr-defined]


def test_units_that_would_run_something_else_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path, capsys)
    systemd, supervisord = tmp_path / SYSTEMD, tmp_path / SUPERVISORD
    text = systemd.read_text()
    systemd.write_text(text.replace("KillMode=process", "KillMode=mixed").replace("RestartSec=5", "RestartSec=7"))
    supervisord.write_text(supervisord.read_text().replace("start --conf", "start --conf /elsewhere"))
    assert run(["init", str(tmp_path), "--service"]) == 1
    out = capsys.readouterr().out
    assert "WRONG" in out
    assert "KillMode=mixed" in out
    assert "differs" in out
    assert "RestartSec=7" in out
    assert "/elsewhere" in out
    assert systemd.read_text() != text, "what is there is never written over"


def test_systemd_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    folder = tmp_path / "my site 50%"
    init(folder, capsys)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(folder / SYSTEMD)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert SYSTEMD not in done.stderr, done.stderr
    assert 'my site 50%%/mqi-actors.toml"' in (folder / SYSTEMD).read_text()


def test_supervisord_reads_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    python = "/usr/bin/python3"
    if shutil.which("supervisord") is None:
        pytest.skip("supervisord is not installed (Debian: supervisor)")
    folder = tmp_path / "my site 50%"
    init(folder, capsys)
    whole = tmp_path / "whole.conf"
    whole.write_text("[supervisord]\n" + (folder / SUPERVISORD).read_text())
    done = subprocess.run([python, "-c", PARSE, str(whole)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    command, directory, *_, stopasgroup = json.loads(done.stdout)
    assert command == f"{ROOT}/bin/mqi-actors start --conf '{folder}/mqi-actors.toml'"
    assert directory == str(ROOT)
    assert stopasgroup is False


def test_the_users_own_environment_goes_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MQI_VENV", "/opt/venvs/mqi")
    assert init(tmp_path, capsys, "--user", "nobody")[0] == 0
    assert 'User=nobody\nEnvironment="MQI_VENV=/opt/venvs/mqi"\n' in (tmp_path / SYSTEMD).read_text()
    assert '\nenvironment=MQI_VENV="/opt/venvs/mqi"\n' in (tmp_path / SUPERVISORD).read_text()
    monkeypatch.delenv("MQI_VENV")
    code, _ = init(tmp_path, capsys, "--user", "nobody")
    assert code == 1, "units that bring an environment along run something else"


def test_a_user_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["init", str(tmp_path), "--service", "--user", "no-such-user"]) == 0
    assert "useradd" in capsys.readouterr().out


@pytest.mark.parametrize("bad", ["/a\nb", '/a"b', "/a\\b", "/a ;b", "/a #b"])
def test_a_path_that_a_unit_cannot_carry_is_refused(bad: str) -> None:
    with pytest.raises(CommandError, match="cannot stand in a unit"):
        units(Place(Path("/opt/x"), Path(bad), "mqi"))


def test_a_release_behind_a_link_is_named_by_the_link(tmp_path: Path) -> None:
    release = tmp_path / "release-1"
    release.mkdir()
    assert release_folder(release) == release
    (tmp_path / "current").symlink_to("release-1")
    assert release_folder(release) == tmp_path / "current"
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to("release-2")
    assert release_folder(release) == release


def test_a_unit_that_cannot_be_read_or_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unit = tmp_path / SYSTEMD
    unit.write_text("no section")
    assert "cannot be read" in compare(unit, "").problems[0]
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / SYSTEMD).symlink_to("/no/such/folder/unit")
    assert run(["init", str(tmp_path / "site"), "--service"]) == 2
    assert "cannot be written or read" in capsys.readouterr().err
