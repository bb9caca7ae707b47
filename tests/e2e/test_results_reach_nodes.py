"""Results on their way out of the real daemon: to a node that is down and comes back, a folder, and by order."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from actors.results import verify_published
from tests.kit.daemon import Daemon, run_cli, until
from tests.kit.dicom_nodes import CALLED, storescp
from tests.kit.profiles import ct_profile
from tests.kit.sshd import free_port


def _node(name: str, port: int, when: str) -> str:
    return f'\n[[send]]\nname = "{name}"\nhost = "127.0.0.1"\nport = {port}\ncalled = "{CALLED}"\nwhen = "{when}"\n'


def _drop(folder: Path) -> str:
    return f'\n[[send]]\nname = "drop"\nkind = "folder"\nfolder = "{folder}"\nwhen = "accepted"\n'


def sendings(daemon: Daemon, case: str) -> dict[str, str]:
    """Node → state."""
    return {row.node: str(row.state) for row in Reader(daemon.site.ledger).sendings(case)}


def ordered(site: DemoSite, *words: str, code: int = 0) -> str:
    done = run_cli("send", *words, "--json", "--conf", str(site.conf))
    assert done.returncode == code, (done.stdout, done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout)
    return str(answer["outcome"])


@pytest.mark.timeout(200)
def test_an_accepted_result_reaches_a_folder_and_a_node_that_comes_back(tmp_path: Path) -> None:
    port, drop = free_port(), tmp_path / "drop"
    drop.mkdir()
    more = _node("pacs", port, "accepted") + _drop(drop) + _node("archive", port, "approved")
    site = make_site(tmp_path / "site", profile=ct_profile(tmp_path), more=more, interval_s=0.2, quiet_s=0.1)
    write_demo_case(site.incoming / "p1", beams=1, layers=1, spots=6, seed=1, ct=True)
    with Daemon(site) as daemon:
        (case,) = daemon.until_ended(1)
        until(lambda: sendings(daemon, case) == {"drop": "sent", "pacs": "due"}, 30, "the folder has it")
        assert verify_published(drop / case) == ()
        until(lambda: Reader(site.ledger).sendings(case)[-1].reason, 30, "the node was tried")
        reason = daemon.cli("show", case)["sendings"][1]["reason"]
        assert re.search(r"ARCHIVE at 127\.0\.0\.1:\d+ cannot be reached", reason)
        assert f"to be sent to pacs, tried 1 times in vain ({CALLED} at" in daemon.cli("why", case)["why"]
        daemon.kill()
        with storescp(tmp_path / "scp", port=port):
            daemon.start()
            until(lambda: sendings(daemon, case)["pacs"] == "sent", 60, "the node has it after all")
            checked = run_cli("check", "--conf", str(site.conf)).stdout
            assert f"ok    node pacs: {CALLED} at 127.0.0.1:{port} is ready" in checked
            refused = ordered(site, case, "archive", code=1)
            assert refused.startswith("refused: not to archive: the node takes approved results only")
            for words in (("review", case), ("approve", case, "--reason", "looked at")):
                assert run_cli(*words, "--conf", str(site.conf)).returncode == 0, words
            until(lambda: sendings(daemon, case)["archive"] == "sent", 60, "an approved result goes by itself")
        events = [event["what"] for event in daemon.cli("show", case)["events"]]
        assert events.count("sending: sent") == 3
        assert daemon.cli("why", case)["why"].endswith("sent to archive; sent to drop; sent to pacs.")
    received = {str(dcmread(file).SOPInstanceUID) for file in (tmp_path / "scp").iterdir()}
    published = site.results / case
    assert received == {str(dcmread(file).SOPInstanceUID) for file in published.glob("*.dcm")}
    assert f"FAIL  node pacs: {CALLED} at" in run_cli("check", "--conf", str(site.conf)).stdout


@pytest.mark.timeout(150)
def test_a_phantom_dose_stays_until_somebody_orders_it(tmp_path: Path) -> None:
    with storescp(tmp_path / "scp") as port:
        more = _node("pacs", port, "accepted")
        site = make_site(tmp_path / "site", more=more, interval_s=0.2, quiet_s=0.1)
        write_demo_case(site.incoming / "p1", beams=1, layers=1, spots=6, seed=1)
        with Daemon(site) as daemon:
            (case,) = daemon.until_ended(1)
            until(lambda: sendings(daemon, case) == {"pacs": "withheld"}, 30)
            assert "not sent to pacs: its dose is in a phantom: it goes by order only" in daemon.cli("why", case)["why"]
            assert list((tmp_path / "scp").iterdir()) == []
            assert ordered(site, case, "tape", code=1) == "refused: there is no node tape; there are pacs"
            assert ordered(site, case) == "done: it goes to pacs"
            until(lambda: sendings(daemon, case) == {"pacs": "sent"}, 60)
    files = list((tmp_path / "scp").iterdir())
    assert {str(dcmread(file).PatientID) for file in files} == {f"PHANTOM-{case}"}
    assert len(files) == 2
