"""Cases arrive while the daemon runs: good ones are published once, wrong ones say in one sentence what is wrong."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.demo.factory import make_case, write_case, write_demo_case
from actors.demo.recipe import CaseFault, CaseRecipe, Interruption
from actors.demo.site import DemoSite, make_site
from actors.results import verify_published
from messages.ledger import CaseRow
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile

INCOMING, FAILED, DONE = CaseState.INCOMING, CaseState.FAILED, CaseState.DONE

EXPECTED: dict[CaseFault, tuple[CaseState, str]] = {
    CaseFault("missing-layer"): (INCOMING, "beam 3: the .ptn file of layer 2 is missing"),
    CaseFault("missing-mgn"): (INCOMING, "beam 3: the .mgn file of layer 2 is missing"),
    CaseFault("extra-layer"): (FAILED, "Beam 3 has a layer file that PlanRange.txt does not name"),
    CaseFault("unplanned-layer"): (FAILED, "beam 3 has 3 layers, the delivery layer 4"),
    CaseFault("doubled-layer"): (FAILED, "PlanRange.txt names layer 2 twice"),
    CaseFault("truncated-ptn"): (INCOMING, "beam 3: the .ptn file of layer 2 is not whole"),
    CaseFault("short-ptn"): (FAILED, "Beam 3: layer 2 is not whole"),
    CaseFault("empty-ptn"): (INCOMING, "beam 3: the .ptn file of layer 2 is not whole"),
    CaseFault("truncated-mgn"): (INCOMING, "beam 3: the .mgn file of layer 2 is not whole"),
    CaseFault("truncated-plan"): (INCOMING, "no RTPLAN of this study yet"),
    CaseFault("wrong-energy"): (INCOMING, "layer 2 of beam 3 has"),
    CaseFault("unknown-machine"): (FAILED, "'G7' is not a known gantry"),
    CaseFault("unknown-range-code"): (FAILED, "Beam 3, layer 2 has the monitor range code 7"),
    CaseFault("swapped-axes"): (FAILED, "Beam 3 was delivered x and y swapped"),
    CaseFault("mirrored"): (FAILED, "Beam 3 was delivered mirrored in x"),
    CaseFault("missing-beam"): (INCOMING, "beam 5 '2:RPO' was not delivered"),
    CaseFault("missing-plan"): (INCOMING, "no RTPLAN"),
    CaseFault("two-plans"): (FAILED, "matches 2 plans"),
    CaseFault("range-shifter"): (FAILED, "RS40"),
    CaseFault("compensator"): (FAILED, "a range compensator"),
    CaseFault("block"): (FAILED, "a block (aperture)"),
    CaseFault("mlc"): (FAILED, "MLCX reaches into the field"),
    CaseFault("patient-position"): (FAILED, "the patient position is FFP"),
    CaseFault("scan-mode"): (FAILED, "the scan mode UNIFORM"),
    CaseFault("high-energy"): (FAILED, "layer 1 has 247.00 MeV"),
    CaseFault("wrong-patient"): (INCOMING, "another patient"),
    CaseFault("positions-off-plan"): (INCOMING, "beside this plan"),
    CaseFault("no-planinfo"): (INCOMING, "there is no PlanInfo.txt yet"),
    CaseFault("bad-planinfo"): (INCOMING, "DICOM_BEAM_NUMBER"),
    CaseFault("no-planrange"): (INCOMING, "there is no PlanRange.txt yet"),
    CaseFault("qa-plan"): (DONE, "VERIFICATION"),
    CaseFault("unapproved"): (DONE, "UNAPPROVED"),
    CaseFault("bolus"): (DONE, "bolus"),
    CaseFault("shifted-layer"): (DONE, "positions off plan: layer 1 by up to 5.0 mm"),
    CaseFault("high-off-counts"): (DONE, "0.30% of the counts"),
    CaseFault("suspect-off-counts"): (DONE, "0.80% of the counts"),
    CaseFault("wrong-mu"): (DONE, "MU off plan: layer 1 by +8"),
}


@pytest.fixture
def site(tmp_path: Path) -> DemoSite:
    folder = tmp_path / "site"
    folder.mkdir()
    return make_site(folder, gpus=3, profile=quick_profile(folder), interval_s=0.5, quiet_s=0.3)


def by_folder(site: DemoSite, rows: dict[str, CaseRow]) -> dict[str, list[CaseRow]]:
    found: dict[str, list[CaseRow]] = {}
    for row in rows.values():
        found.setdefault(Path(row.path).relative_to(site.incoming).parts[0], []).append(row)
    return found


@pytest.mark.promise("P2")
@pytest.mark.promise("P6")
@pytest.mark.promise("P11")
@pytest.mark.promise("P39")
def test_every_fault_is_named_and_disturbs_no_other_case(site: DemoSite) -> None:
    with Daemon(site) as daemon:
        for n, fault in enumerate(EXPECTED):
            write_demo_case(site.incoming / fault.value, beams=2, layers=3, spots=20, seed=n + 1, fault=fault)
        write_demo_case(site.incoming / "good", beams=2, layers=3, spots=20, seed=1000)

        def settled() -> bool:
            found = by_folder(site, daemon.rows())
            return all(
                any(_as_expected(row, state, words) for row in found.get(fault.value, []))
                for fault, (state, words) in EXPECTED.items()
            ) and any(row.state == DONE for row in found.get("good", []))

        try:
            until(settled, 90)
        except AssertionError:
            found = by_folder(site, daemon.rows())
            wrong = {
                fault.value: [(row.state, row.reason, row.verdict) for row in found.get(fault.value, [])]
                for fault, (state, words) in EXPECTED.items()
                if not any(_as_expected(row, state, words) for row in found.get(fault.value, []))
            }
            raise AssertionError(wrong) from None
        told = {case["case"]: case["state"] for case in daemon.cli("cases")}
        assert told == {row.case: row.state for row in daemon.rows().values()}
        published = {folder.name for folder in site.results.iterdir()}
        assert published == {case for case, state in told.items() if state == DONE}


def _as_expected(row: CaseRow, state: CaseState, words: str) -> bool:
    return row.state == state and words in (row.verdict if state == DONE else row.reason)


def slowly(recipe: CaseRecipe, folder: Path, order: str) -> Iterator[None]:
    """One file after the other, each in two pieces, in whatever order the share brings them."""
    for step in make_case(recipe, folder).ordered(order, seed=7):  # type: ignore[arg-type]
        yield from step.pieces(4096)


@pytest.mark.promise("P10")
@pytest.mark.promise("P12")
@pytest.mark.promise("P13")
def test_slow_doubled_and_resumed_cases_are_published_once(site: DemoSite) -> None:
    small = {"beams": 2, "layers": 3, "spots": 20}
    with Daemon(site) as daemon:
        arriving = [
            slowly(CaseRecipe(**small, seed=n, patient=n), site.incoming / f"slow-{n}", order)
            for n, order in enumerate(("machine", "shuffled", "plan-last"), start=1)
        ]
        while arriving:
            for arrival in list(arriving):
                if next(arrival, StopIteration) is StopIteration:
                    arriving.remove(arrival)
        resumed = CaseRecipe(**small, seed=4, patient=4, interruption=Interruption())
        write_case(resumed, site.incoming / "resumed")
        for n in range(5, 9):
            write_demo_case(site.incoming / f"plain-{n}", **small, seed=n)
        rows = daemon.until_ended(8)
        # the same deliveries again: elsewhere under the root, under another name, and touched
        shutil.copytree(site.incoming / "plain-5", site.incoming / "again-5")
        (site.incoming / "plain-6").rename(site.incoming / "renamed-6")
        for path in (site.incoming / "plain-7").rglob("*"):
            path.touch()
        write_demo_case(site.incoming / "last", **small, seed=9)
        rows = daemon.until_ended(9)
        assert {row.state for row in rows.values()} == {DONE}
        assert {folder.name for folder in site.results.iterdir()} == set(rows)
        assert all(beam.attempt == 1 for row in rows.values() for beam in row.beams)
    for case in rows:
        assert verify_published(site.results / case) == ()
