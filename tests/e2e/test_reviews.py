"""Somebody answers for a result, or has it computed again: by orders to the real daemon, killed on the way."""

from __future__ import annotations

import getpass
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite
from actors.ledger import Reader
from actors.results import verify_published
from messages.states import CaseState, ReviewState
from tests.e2e.test_orders import cli
from tests.faults.test_kills import counted_site, engines, starts
from tests.kit.daemon import Daemon, run_cli, until

ME = getpass.getuser()


def reporting_site(folder: Path, *, seconds: float) -> DemoSite:
    """With the physicist's report of each case."""
    site = counted_site(folder, seconds=seconds, gpus=1)
    text = site.conf.read_text()
    assert "[report]\nenabled = false" in text
    site.conf.write_text(text.replace("[report]\nenabled = false", "[report]\nenabled = true"))
    return site


def told(site: DemoSite, case: str) -> dict[str, Any]:
    """What the report says, once it is made; nothing before."""
    row = Reader(site.ledger).report(case)
    path = site.results / case / "report" / "report.json"
    if row is None or row.state != "made" or not path.exists():
        return {}
    assert hashlib.sha256((path.parent / "manifest.json").read_bytes()).hexdigest() == row.manifest_sha256
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def review(site: DemoSite, case: str) -> ReviewState:
    row = Reader(site.ledger).case(case)
    assert row is not None
    return row.review


def published(site: DemoSite, case: str) -> dict[str, str]:
    """Every file of a result but for its report, with its hash."""
    folder = site.results / case
    files = [path for path in folder.iterdir() if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def done(daemon: Daemon, case: str) -> bool:
    row = daemon.rows().get(case)
    return row is not None and row.state is CaseState.DONE


@pytest.mark.promise("P34")
@pytest.mark.promise("P15")
@pytest.mark.timeout(300)
def test_a_result_is_reviewed_and_approved_by_name(tmp_path: Path) -> None:
    site = reporting_site(tmp_path / "site", seconds=0.5)
    write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=12, seed=1)
    with Daemon(site) as daemon:
        (case,) = daemon.until_ended(1)
        assert run_cli("reject", case, "--conf", str(site.conf)).returncode == 2, "a rejection needs a reason"
        refused = cli(site, "approve", case, code=1)["outcome"]
        assert refused == f"refused: nobody has reviewed it: mqi-actors review {case}"
        until(lambda: told(site, case), 60, "its report is made")
        assert told(site, case)["review"]["state"] == "computed"
        files = published(site, case)
        assert cli(site, "review", case)["outcome"] == f"done: it is reviewed by {ME}"
        assert cli(site, "review", case)["outcome"].startswith(f"nothing to do: it is reviewed already, by {ME}")
        # killed right after the order is in the ledger, and while the report is made anew
        answer = cli(site, "approve", case, "--reason", "measured by film")
        daemon.kill()
        daemon.start()
        until(lambda: Reader(site.ledger).order(answer["order"]).outcome, 20)  # type: ignore[union-attr]
        assert review(site, case) is ReviewState.APPROVED
        until(lambda: told(site, case).get("review", {}).get("state") == "approved", 60, "it stands on the report")
        said = told(site, case)["review"]["steps"]
        assert [(one["state"], one["user"], one["reason"]) for one in said] == [
            ("reviewed", ME, ""),
            ("approved", ME, "measured by film"),
        ]
        assert b"APPROVED" in (site.results / case / "report" / "report.html").read_bytes()
        assert published(site, case) == files
        assert verify_published(site.results / case) == ()
        show = daemon.cli("show", case)
        assert (show["review"], [one["state"] for one in show["reviews"]]) == ("approved", ["reviewed", "approved"])
    assert len(starts(site)) == 1


@pytest.mark.promise("P34")
def test_a_rejection_given_while_it_is_down_stands_at_the_next_start(tmp_path: Path) -> None:
    site = counted_site(tmp_path / "site", seconds=0.5, gpus=1)
    write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=12, seed=1)
    with Daemon(site) as daemon:
        (case,) = daemon.until_ended(1)
        daemon.kill()
        assert cli(site, "reject", case, "the wrong CT")["outcome"] is None
        assert review(site, case) is ReviewState.COMPUTED
        daemon.start()
        until(lambda: review(site, case) is ReviewState.REJECTED, 20)
        assert cli(site, "review", case, code=1)["outcome"].startswith("refused: it is rejected already")
        plan = daemon.cli("plan", case)
        assert (plan["whole"], plan["not_counted"]) == (0, 1)
        assert plan["sessions"][0]["why_not"] == f"rejected by {ME}: the wrong CT"


@pytest.mark.promise("P13")
@pytest.mark.promise("P15")
@pytest.mark.timeout(300)
def test_a_case_is_computed_again_beside_its_old_result_by_an_order_alone(tmp_path: Path) -> None:
    site = reporting_site(tmp_path / "site", seconds=2.0)
    write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=12, seed=1)
    with Daemon(site) as daemon:
        (case,) = daemon.until_ended(1)
        again = f"{case}-v2"
        files = published(site, case)
        assert cli(site, "recalculate", case, "new calibration")["outcome"] == f"done: it is computed again, as {again}"
        until(lambda: engines(site), 40)
        assert cli(site, "recalculate", case, "new calibration")["outcome"].startswith(f"nothing to do: {again} was")
        assert again in cli(site, "approve", case, code=1)["outcome"]
        daemon.kill()  # in the middle of its run
        daemon.start()
        until(lambda: done(daemon, again), 60)
        keys = starts(site)
        assert sorted(key.split("/")[0] for key in keys) == [case, again], "one run of each, whatever was killed"
        # the old result is what it was, and says that there is a newer one
        assert published(site, case) == files
        assert verify_published(site.results / case) == verify_published(site.results / again) == ()
        show = daemon.cli("show", case)
        assert (show["superseded_by"], show["state"]) == (again, "done")
        newer = daemon.cli("show", again)
        assert newer["supersedes"] == case
        assert newer["recalculation"] == {"because": "new calibration", "by": ME}
        manifest = json.loads((site.results / again / "manifest.json").read_text())
        assert manifest["recalculation"] == {"of": case, "because": "new calibration", "by": ME}
        old, new = (dcmread(site.results / name / "sum.dcm") for name in (case, again))
        assert old.SOPInstanceUID != new.SOPInstanceUID
        assert (old.pixel_array == new.pixel_array).all()
        # a session counts once
        plan = daemon.cli("plan", manifest["plan"]["sop_instance_uid"])
        assert (plan["whole"], [one["case"] for one in plan["sessions"]]) == (1, [again])
        assert [one["case"] for one in plan["sessions"][0]["versions"]] == [case, again]
        until(lambda: told(site, case).get("superseded_by") == again, 60, "its report says so")
        course = until(lambda: told(site, again).get("course"), 60)
        assert course["counted"] == [again]


@pytest.mark.promise("P13")
def test_nothing_runs_again_by_itself_or_from_files_that_are_others_now(tmp_path: Path) -> None:
    site = counted_site(tmp_path / "site", seconds=0.5, gpus=1)
    write_demo_case(site.incoming / "p1", beams=1, layers=2, spots=12, seed=1)
    with Daemon(site) as daemon:
        (case,) = daemon.until_ended(1)
        again = f"{case}-v2"
        folder = Path(daemon.rows()[case].path)
        cli(site, "recalculate", case, "new calibration")
        until(lambda: done(daemon, again), 60)
        keys = starts(site)
        taken = cli(site, "submit", str(folder))
        assert taken["cases"] == [again], "the latest version holds what was delivered"
        (folder / "touched").write_text("x")
        refused = cli(site, "recalculate", case, "once more", code=1)["outcome"]
        assert refused.startswith(f"refused: it is superseded by {again}")
        plan_file = next(path for path in folder.iterdir() if path.suffix == ".dcm")
        content = plan_file.read_bytes()
        plan_file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        refused = cli(site, "recalculate", again, "once more", code=1)["outcome"]
        assert "is not what it was computed from; nothing is computed again" in refused
        shutil.rmtree(folder)
        refused = cli(site, "recalculate", again, "once more", code=1)["outcome"]
        assert refused.startswith("refused: its folder is gone: ")
        assert starts(site) == keys
        assert set(daemon.rows()) == {case, again}
