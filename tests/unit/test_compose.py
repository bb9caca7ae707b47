"""tests/compose.yml and its recipe without an engine: syntax, names, paths, users; its keys are made for real."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from actors.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
COMPOSE: dict[str, Any] = yaml.safe_load((TESTS / "compose.yml").read_text(encoding="utf-8"))
RECIPE = TESTS / "Dockerfile-site"
KNOWN = {"FROM", "RUN", "WORKDIR", "COPY", "USER", "CMD", "EXPOSE"}
INSIDE = Path("/opt/mqi-communicator")


def instructions() -> list[tuple[str, str]]:
    """(instruction, the rest), continued lines joined."""
    text = re.sub(r"\\\n\s*", "", RECIPE.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def stages() -> dict[str, list[tuple[str, str]]]:
    """Name of a stage → what it does, with what the stage that it is made from does before."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = ""
    for instruction, rest in instructions():
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = list(found.get(base, []))
        else:
            found[name].append((instruction, rest))
    return found


def services() -> Iterator[tuple[str, dict[str, Any]]]:
    yield from COMPOSE["services"].items()


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load(TESTS / "compose.toml", {})


def test_the_recipe_has_known_instructions_and_stages() -> None:
    assert instructions()[0][0] == "FROM"
    assert {instruction for instruction, _ in instructions()} <= KNOWN
    bases = [rest.split()[0] for instruction, rest in instructions() if instruction == "FROM"]
    assert set(bases) <= {"debian:bookworm-slim", *stages()}
    for _, rest in (one for one in instructions() if one[0] == "CMD"):
        assert isinstance(json.loads(rest), list), "a list: no shell between, signals reach the program"
    for _, rest in (one for one in instructions() if one[0] == "RUN"):
        assert subprocess.run(["sh", "-n"], input=rest, text=True, check=False).returncode == 0, rest


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    lines = (TESTS / "Dockerfile-site.dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = [line[1:] for line in lines if line.startswith("!")]
    assert lines[0] == "*"
    for _, rest in (one for one in instructions() if one[0] == "COPY"):
        *sources, _target = shlex.split(rest)
        for source in sources:
            assert (ROOT / source).exists(), source
            assert any(fnmatch.fnmatch(source, pattern) for pattern in let_in), f"{source} is kept from the builder"
    copied = {word for one in instructions() if one[0] == "COPY" for word in shlex.split(one[1])[:-1]}
    assert set(let_in) == copied
    program = (ROOT / "bin" / "mqi-actors").read_text()
    for used in re.findall(r"\$root/(conf/[\w.-]+)", program):
        assert (ROOT / used).exists()


def test_every_service_is_built_from_a_stage_that_there_is() -> None:
    for name, service in services():
        build = service["build"]
        assert (TESTS / build["context"]).resolve() == ROOT, name
        assert (ROOT / build["dockerfile"]) == RECIPE, name
        assert build["target"] in stages(), name
        assert set(service) <= {"build", "image", "command", "init", "depends_on", "volumes", "stop_grace_period"}


def test_dependencies_and_volumes_exist() -> None:
    names, volumes = set(COMPOSE["services"]), set(COMPOSE["volumes"])
    used = set()
    for _, service in services():
        assert set(service.get("depends_on", {})) <= names
        for volume in service["volumes"]:
            source, target, *mode = volume.split(":")
            used.add(source)
            assert target.startswith("/")
            assert mode in ([], ["ro"])
    assert used == volumes


def test_the_hosts_of_the_configuration_are_the_services(settings: Settings) -> None:
    hosts = {host.name: host for host in settings.hosts}
    assert set(hosts) == {name for name, service in services() if service.get("command") is None} - {"daemon"}
    made = " ".join(rest for _, rest in stages()["host"])
    for name, host in hosts.items():
        assert host.address == name
        assert host.gpus == 2, "slots: nobody asks for a GPU"
        assert f" {host.user}" in made
        assert host.workspace in made
    known = (TESTS / "compose-keys.sh").read_text()
    assert f"{','.join(sorted(hosts))} %s" in known


def test_the_daemons_folders_are_its_own_and_on_a_volume(settings: Settings) -> None:
    made = next(rest for instruction, rest in stages()["daemon"] if "install -d -o mqi" in rest)
    folders = [settings.daemon.state_dir, settings.daemon.log_dir, settings.results.dir, *settings.scan.roots]
    mounts = [volume.split(":")[1] for volume in COMPOSE["services"]["daemon"]["volumes"]]
    for folder in folders:
        assert f" {folder}" in made, f"{folder} belongs to the daemon's user"
        assert any(folder.is_relative_to(mount) for mount in mounts)
    copies = dict(
        shlex.split(rest) for one, rest in stages()["daemon"] if one == "COPY" and len(shlex.split(rest)) == 2
    )
    assert copies["tests/compose.toml"] == "/etc/mqi-actors/mqi-actors.toml", "where start looks by itself"


def test_programs_that_are_started_are_copied() -> None:
    command = COMPOSE["services"]["keys"]["command"]
    assert (ROOT / Path(command[1]).relative_to(INSIDE)).is_file()
    start = json.loads(next(rest for one, rest in stages()["daemon"] if one == "CMD"))
    assert (ROOT / start[0]).is_file()
    assert ("WORKDIR", str(INSIDE)) in stages()["daemon"]


def test_its_keys_are_made_once_and_name_the_hosts(tmp_path: Path) -> None:
    order = ["sh", str(TESTS / "compose-keys.sh"), str(tmp_path), str(os.getuid())]
    if subprocess.run(["sh", "-c", "command -v ssh-keygen"], capture_output=True, check=False).returncode:
        pytest.skip("ssh-keygen is not installed (Debian: openssh-client)")
    subprocess.run(order, check=True)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"host_key", "host_key.pub", "client_key", "client_key.pub", "known_hosts"}
    assert (tmp_path / "host_key").stat().st_mode & 0o077 == 0
    found = subprocess.run(
        ["ssh-keygen", "-F", "gpu2", "-f", str(tmp_path / "known_hosts")], capture_output=True, text=True, check=False
    )
    assert b" ".join(before["host_key.pub"].split()[:2]).decode() in found.stdout
    subprocess.run(order, check=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
