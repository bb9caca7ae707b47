"""A case interpreted on a host is the case interpreted here: same bytes, same sentences, whatever dies on the way."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pydicom
import pytest

from actors.demo.factory import write_demo_case
from actors.demo.loopback import Loopback
from actors.demo.recipe import CaseFault
from actors.demo.site import DemoSite, make_site
from messages.ledger import CaseRow
from messages.states import CaseState
from tests.kit.daemon import Daemon, engine_processes, until
from tests.kit.profiles import profile
from tests.kit.sshd import Sshd

ROOT = Path(__file__).resolve().parents[2]
GOOD, WRONG = "good", "wrong"


def engine(folder: Path, *, far: bool, python: str = "") -> Path:
    """A quick engine that notes each start; with ``far`` the logs are interpreted on a host."""
    starts = folder / "starts"
    starts.touch()
    path = profile(
        folder,
        command=f"""["sh", "-c", 'echo "$MQI_ATTEMPT" >>"$1"; exec sh "$2" "$3"', "counted", "{starts}",\
 "{{root}}/actors/demo/quick_engine.sh", "{{input}}"]""",
        grid=(20, 20, 30),
    )
    if far:
        text = path.read_text()
        text = re.sub("(?m)^interpret = .*$", 'interpret = "host"', text)
        path.write_text(re.sub("(?m)^host_python = .*$", f'host_python = "{python or host_python(folder)}"', text))
    return path


def host_python(folder: Path) -> Path:
    """The host's Python: this one. It notes its start, and waits while ``<folder>/gate`` is there."""
    path = folder / "host-python"
    gate, noted = folder / "gate", folder / "interpreted"
    noted.touch()
    path.write_text(
        f'#!/bin/sh\necho "$MQI_ATTEMPT" >>"{noted}"\nwhile [ -e "{gate}" ]; do sleep 0.02; done\n'
        f'PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"\n'
    )
    path.chmod(0o755)
    return path


def site_of(folder: Path, server: Sshd | None = None, *, far: bool = True, python: str = "") -> DemoSite:
    folder.mkdir(exist_ok=True)
    door = server and Loopback(server.port, server.user, server.client_key, server.known_hosts)
    return make_site(
        folder,
        gpus=2,
        profile=engine(folder, far=far, python=python),
        door=door or None,
        interval_s=0.3,
        quiet_s=0.1,
        attempts=1,
    )


def noted(site: DemoSite, name: str) -> list[str]:
    return (site.folder / name).read_text().split()


def lines_of_result(site: DemoSite, row: CaseRow) -> object:
    """What must not depend on where the case was interpreted."""
    folder = site.results / row.case
    pixels = [(file.name, pydicom.dcmread(file).PixelData) for file in sorted(folder.glob("*.dcm"))]
    manifest = json.loads((folder / "manifest.json").read_text())
    staged = [(beam["run_inputs"], beam["seed"]) for beam in manifest["beams"]]
    interpretation = row.interpretation.replace(str(site.folder), "")
    return pixels, manifest["inputs"], staged, json.loads(interpretation)


def outcome(daemon: Daemon) -> dict[str, object]:
    """Both cases to their end; of the good one its result, of the wrong one the sentence."""
    site, rows = daemon.site, daemon.until_ended(2)
    until(lambda: not list(site.workspace.glob("2*")), 20, "hosts are left clean")
    by_state = {str(row.state): row for row in rows.values()}
    assert set(by_state) == {CaseState.DONE, CaseState.FAILED}, rows
    assert set(Counter(noted(site, "starts")).values()) == {1}
    return {GOOD: lines_of_result(site, by_state[CaseState.DONE]), WRONG: by_state[CaseState.FAILED].reason}


def share(site: DemoSite, incoming: Path) -> DemoSite:
    """Its cases arrive in this folder."""
    site.conf.write_text(site.conf.read_text().replace(str(site.incoming), str(incoming)))
    return site


@pytest.mark.promise("P25")
def test_on_a_host_the_result_and_the_sentence_are_those_of_here(tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    write_demo_case(incoming / GOOD, beams=2, layers=2, spots=20, seed=1)
    write_demo_case(incoming / WRONG, beams=1, layers=2, spots=20, seed=2, fault=CaseFault.RANGE_SHIFTER)
    with ExitStack() as stack:
        server = stack.enter_context(Sshd(tmp_path / "sshd"))
        sites = [
            site_of(tmp_path / "here", far=False),
            site_of(tmp_path / "beside"),
            site_of(tmp_path / "away", server),
        ]
        daemons = [Daemon(share(site, incoming)) for site in sites]
        for daemon in daemons:
            stack.enter_context(daemon)
        here, beside, away = map(outcome, daemons)
    assert "range shifter" in str(here[WRONG]).lower()
    assert beside == here
    assert away == here
    for site in sites[1:]:
        assert len(noted(site, "interpreted")) == 2, "each case was interpreted once, on a host"


@pytest.mark.promise("P16")
def test_neither_a_killed_daemon_nor_a_cut_link_costs_an_interpretation_or_a_run(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        site = site_of(tmp_path / "site", server)
        gate = site.folder / "gate"
        gate.touch()
        write_demo_case(site.incoming / GOOD, beams=1, layers=2, spots=20, seed=1)
        with Daemon(site) as daemon:
            until(lambda: noted(site, "interpreted"), 20, "the interpreter runs on the host")
            server.cut()
            daemon.kill()
            server.restart()
            assert engine_processes(site), "the interpreter outlives link and daemon"
            daemon.start()
            server.cut()
            gate.unlink()
            (row,) = daemon.until_ended(1, 40).values()
    assert row.state == CaseState.DONE, row.reason
    assert len(noted(site, "interpreted")) == 1
    assert len(noted(site, "starts")) == 1


def test_a_host_without_the_package_is_named_with_what_it_said(tmp_path: Path) -> None:
    site = site_of(tmp_path / "site", python="/usr/bin/false")
    write_demo_case(site.incoming / GOOD, beams=1, layers=2, spots=20, seed=1)
    with Daemon(site) as daemon:
        text = until(lambda: said(daemon, "gave no answer"), 20, "the host is named")
    assert "interpreter on this gave no answer: exit code 1" in text
    assert "host_python" in text


def said(daemon: Daemon, words: str) -> str:
    if not daemon.site.log.exists():
        return ""
    return next((line for line in daemon.site.log.read_text().splitlines() if words in line), "")
