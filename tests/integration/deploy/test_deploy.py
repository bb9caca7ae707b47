"""bin/deploy on this machine and over a real sshd: a folder per release, examined, then one link that moves."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.sshd import Sshd

ROOT = Path(__file__).resolve().parents[3]
VENV = Path(sys.prefix)
FAKE = """#!/bin/sh
[ "$1" = --help ] && exit 0
echo "$0 $*" >>"$(dirname "$0")/../calls"
[ ! -e "$(dirname "$0")/../bad" ] && [ ! -e "$(dirname "$3")/bad-later" ]
"""
"""Stands for a release: its check passes or not, and is written down."""


def pack(folder: Path, name: str, *, bad: bool = False) -> Path:
    made = folder / name
    (made / "bin").mkdir(parents=True)
    (made / "bin" / "mqi-actors").write_text(FAKE)
    (made / "bin" / "mqi-actors").chmod(0o755)
    if bad:
        (made / "bad").touch()
    archive = folder / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(made, name)
    return archive


def deploy(*words: object, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("MQI_CONF", "MQI_VENV")}
    return subprocess.run(
        [str(ROOT / "bin" / "deploy"), *map(str, words)],
        env={**inherited, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def current(folder: Path) -> str:
    return str((folder / "current").readlink())


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "etc" / "mqi-actors.toml"
    path.parent.mkdir()
    path.touch()
    return path


def test_install_upgrade_and_a_release_that_does_not_pass(tmp_path: Path, conf: Path) -> None:
    one, two, bad = (pack(tmp_path, name, bad=name == "bad-3") for name in ("one-1", "two-2", "bad-3"))
    target = tmp_path / "opt $(touch pwned)' \";"
    done = deploy("--release", one, "--conf", conf, target)
    assert done.returncode == 0, done.stderr
    assert current(target) == "one-1"
    assert f"check --conf {conf}" in (target / "one-1" / "calls").read_text()
    assert deploy("--release", two, "--conf", conf, target).returncode == 0
    assert current(target) == "two-2"
    done = deploy("--release", bad, "--conf", conf, target, "--restart", "touch", tmp_path / "restarted")
    assert done.returncode == 1
    assert "two-2 stays in use" in done.stderr
    assert current(target) == "two-2"
    assert not (tmp_path / "restarted").exists()
    assert deploy("--release", one, "--conf", conf, target).returncode == 0, "what is there already is taken again"
    assert current(target) == "one-1"
    left = {path.name for path in target.iterdir()} - {".deploy.lock"}
    assert left == {"one-1", "two-2", "bad-3", "current"}
    assert not list(tmp_path.rglob("pwned")) and not (ROOT / "pwned").exists()


def test_a_restart_that_fails_brings_the_release_before_it_back(tmp_path: Path, conf: Path) -> None:
    target, log = tmp_path / "opt", tmp_path / "re started"
    assert deploy("--release", pack(tmp_path, "one-1"), "--conf", conf, target).returncode == 0
    note = ("--restart", "sh", "-c", 'readlink "$1" >>"$2"; ! grep -q "$3" "$2"', "sh", target / "current", log)
    done = deploy("--release", pack(tmp_path, "two-2"), "--conf", conf, target, *note, "two")
    assert done.returncode == 1
    assert "current is one-1 again" in done.stderr
    assert log.read_text() == "two-2\none-1\n", "restarted after the switch, and again after it was taken back"
    assert current(target) == "one-1"
    done = deploy("--release", pack(tmp_path, "three-3"), "--conf", conf, target, *note, "never")
    assert (done.returncode, current(target)) == (0, "three-3"), done.stderr
    later = ("--restart", "touch", conf.parent / "bad-later")
    done = deploy("--release", pack(tmp_path, "four-4"), "--conf", conf, target, *later)
    assert (done.returncode, current(target)) == (1, "three-3"), "examined once more after the restart"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--relase", "x", "/t"], "no option --relase"),
        (["/t", "/u"], "there is one target"),
        (["host:"], "no folder is named"),
        (["-oProxyCommand=touch:/x"], "no option"),
        (["/t\nx"], "control characters"),
        (["--release", "/no/such/file", "/t"], "there is no release"),
        (["/t", "--restart"], "needs a command"),
        (["--conf"], "needs a value"),
    ],
)
def test_wrong_usage_touches_nothing(words: list[str], said: str) -> None:
    done = deploy(*words)
    assert done.returncode == 2
    assert said in done.stderr


def test_what_is_no_release_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "opt"
    (tmp_path / "text.tar.gz").write_text("no archive")
    assert "is no release" in deploy("--release", tmp_path / "text.tar.gz", target).stderr
    (tmp_path / "empty").mkdir()
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "empty", "empty")
    assert "it has no bin/mqi-actors" in deploy("--release", tmp_path / "empty.tar.gz", target).stderr
    with tarfile.open(tmp_path / "two.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "empty", "a")
        tar.add(tmp_path / "empty", "b")
    assert "it has to hold one folder" in deploy("--release", tmp_path / "two.tar.gz", target).stderr
    (target / "current").mkdir()
    assert "is no link" in deploy("--release", pack(tmp_path, "one-1"), target).stderr


def test_two_at_once_do_not_mix(tmp_path: Path, conf: Path) -> None:
    target = tmp_path / "opt"
    assert deploy("--release", pack(tmp_path, "one-1"), "--conf", conf, target).returncode == 0
    with subprocess.Popen(
        ["flock", target / ".deploy.lock", "sh", "-c", "echo; read line"], stdin=-1, stdout=-1
    ) as held:
        assert held.stdout is not None
        held.stdout.readline()
        done = deploy("--release", pack(tmp_path, "two-2"), "--conf", conf, target)
        held.communicate(b"\n")
    assert (done.returncode, current(target)) == (2, "one-1")
    assert "under way" in done.stderr


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    with Sshd(tmp_path / "sshd") as started:
        yield started


def test_over_ssh(server: Sshd, tmp_path: Path, conf: Path) -> None:
    ssh_config = tmp_path / "ssh config"
    ssh_config.write_text(
        f"Host gpu1\n  HostName 127.0.0.1\n  Port {server.port}\n  User {server.user}\n  IdentitiesOnly yes\n"
        f"  IdentityFile {server.client_key}\n  UserKnownHostsFile {server.known_hosts}\n"
    )
    target = tmp_path / "far $(touch pwned)' \";"
    options = ("--ssh-config", ssh_config, "--conf", conf, f"gpu1:{target}")
    done = deploy("--release", pack(tmp_path, "one-1"), *options)
    assert done.returncode == 0, done.stderr
    assert current(target) == "one-1"
    note = ("--restart", "touch", tmp_path / "it's here; $(id)")
    assert deploy("--release", pack(tmp_path, "two-2"), *options, *note).returncode == 0
    assert current(target) == "two-2"
    assert (tmp_path / "it's here; $(id)").exists()
    done = deploy("--release", pack(tmp_path, "bad-3", bad=True), *options)
    assert (done.returncode, current(target)) == (1, "two-2")
    assert not list(tmp_path.rglob("pwned"))
    server.stop()
    done = deploy("--release", tmp_path / "one-1.tar.gz", *options)
    assert (done.returncode, current(target)) == (2, "two-2")
    assert "could not be sent to gpu1" in done.stderr


def test_this_release_itself(tmp_path: Path) -> None:
    """The real thing without a download: what is committed here, with the environment that is here."""
    pinned = "git show HEAD:conf/requirements.txt | cksum | tr -d ' '"
    wanted = subprocess.run(["sh", "-c", pinned], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    stamp = VENV / ".ready-requirements"
    if not (ROOT / ".git").exists() or not stamp.exists() or stamp.read_text() != wanted:
        pytest.skip("needs a git checkout whose pinned packages are those of this environment")
    target = tmp_path / "opt"
    done = deploy("--venv", VENV, target)
    assert done.returncode == 0, done.stderr
    assert "no configuration yet" in done.stdout
    assert current(target).startswith("mqi-communicator-")
    made = target / "current" / "bin" / "mqi-actors"
    said = subprocess.run(
        [made, "init", "--service", tmp_path / "site"],
        env={**os.environ, "MQI_VENV": str(VENV)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    unit = (tmp_path / "site" / "mqi-actors.service").read_text()
    assert f"ExecStart={target}/current/bin/mqi-actors start" in unit, (
        "its own code, and by the link that upgrades move"
    )
