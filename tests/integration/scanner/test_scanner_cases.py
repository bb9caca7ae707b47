"""From files on a share to cases in the ledger."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from actors.demo.recipe import CaseFault, CaseRecipe, Interruption
from actors.ledger import Reader
from actors.scanner import hints
from messages.cases import CaseAdmitted
from messages.metrics import RootsScanned
from messages.operators import AlarmCleared, AlarmRaised, CaseChanged, DiskState
from messages.states import CaseState
from tests.integration.scanner.conftest import SMALL, Site
from tests.kit import wait_until

Make = Callable[..., Site]


@pytest.fixture
def no_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """A share that tells no events, as network shares do."""
    monkeypatch.setattr(hints, "_why_not", lambda _root, _folders: "it tells no events")


def test_a_case_is_surveyed_in_a_process_of_its_own(site: Make) -> None:
    here = site(processes=True)
    path = here.write()
    row = here.admitted(30.0)
    assert row.source is not None
    assert (row.state, row.path, len(row.source.deliveries)) == (CaseState.QUEUED, str(path), 2)
    assert [beam.number for beam in row.beams] == [3, 5]
    assert row.source.machine == "G2"


@pytest.mark.promise("P10")
@pytest.mark.parametrize("order", ["machine", "shuffled", "plan-last"])
def test_nothing_starts_before_the_last_file(site: Make, order: Any) -> None:
    here = site()
    *steps, last = here.made().ordered(order, seed=3)
    for step in steps:
        step.run()
    here.row(CaseState.INCOMING)
    here.nothing_more_but(99)
    last.run()
    assert here.admitted().path == str(here.made().case.path)


@pytest.mark.promise("P10")
def test_a_file_that_grows_keeps_its_case_waiting(site: Make) -> None:
    here = site(quiet_s=0.6)
    *steps, last = here.made().steps
    for step in steps:
        step.run()
    for _ in last.pieces(len(last.content) // 4 + 1):
        here.row(CaseState.INCOMING, "still growing")
    written = time.monotonic()
    here.admitted()
    assert time.monotonic() - written >= 0.6


@pytest.mark.promise("P10")
def test_a_whole_case_waits_for_quiet_and_marker(site: Make) -> None:
    here = site(quiet_s=0.3, marker="_CASE_READY")
    path = here.write()
    here.row(CaseState.INCOMING, "complete, but still changing")
    here.row(CaseState.INCOMING, "waits for marker _CASE_READY")
    here.admission.none(CaseAdmitted)
    (path / "_CASE_READY").touch()
    here.admitted()


@pytest.mark.promise("P10")
def test_the_same_rule_holds_at_start_up(site: Make) -> None:
    here = site(quiet_s=0.4)
    here.stop()
    here.write()
    began = time.monotonic()
    here.start()
    here.admitted()
    assert time.monotonic() - began >= 0.4


@pytest.mark.promise("P11")
def test_what_is_missing_is_said_then_alarmed_and_the_rest_still_starts_it(site: Make) -> None:
    here = site(give_up_h=0.5 / 3600)
    made = here.made()
    missing = next(step for step in made.steps if step.path.suffix == ".ptn")
    for step in made.steps:
        if step is not missing:
            step.run()
    row = here.row(CaseState.INCOMPLETE, "beam 3: the .ptn file of layer 1 is missing")
    alarm = here.monitor.expect(AlarmRaised)
    assert (alarm.id, row.case in alarm.text) == (f"incomplete:{row.case}", True)
    here.stop()
    here.start()
    assert here.monitor.expect(AlarmRaised).id == alarm.id
    missing.run()
    assert here.admitted().case == row.case
    assert here.monitor.expect(AlarmCleared).id == alarm.id


@pytest.mark.promise("P11")
def test_a_plan_alone_and_a_delivery_alone_are_seen(site: Make) -> None:
    here = site()
    made = here.made()
    plan_step = made.steps[0]
    plan_step.run()
    first = here.row(CaseState.INCOMING, "no delivery yet")
    shutil.rmtree(here.root / made.case.path.relative_to(here.root).parts[0])
    here.row(CaseState.INCOMING, "its files are gone")
    made.case.deliveries[0].path.mkdir(parents=True)
    here.row(CaseState.INCOMING, "there is no PlanInfo.txt yet")
    for step in made.steps[1:]:
        step.run()
    here.row(CaseState.INCOMING, "no RTPLAN of this study yet")
    plan_step.run()
    assert here.admitted().case == first.case
    assert len(here.rows()) == 1


@pytest.mark.promise("P12")
def test_without_events_a_case_is_found_by_the_scan(site: Make, no_events: None, log_lines: list[str]) -> None:
    here = site()
    here.write()
    here.admitted()
    said = wait_until(lambda: [line for line in log_lines if "it tells no events" in line])
    here.nothing_more_but(99)
    assert len(said) == 1
    assert "found by the scan every 0.2 s" in said[0]


@pytest.mark.promise("P12")
def test_events_only_bring_it_forward(site: Make) -> None:
    """With an hour between scans, only an event can have caused the look."""
    here = site(interval_s=3600.0)
    first = here.write(patient=1)
    assert here.admitted().path == str(first)
    second = here.write(patient=2)
    assert here.admitted().path == str(second)


@pytest.mark.promise("P12")
@pytest.mark.promise("P13")
@pytest.mark.parametrize("events", [True, False])
def test_the_same_delivery_is_never_a_case_again(site: Make, events: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not events:
        monkeypatch.setattr(hints, "_why_not", lambda _root, _folders: "it tells no events")
    here = site()
    path = here.write()
    first = here.admitted()
    for file in path.rglob("*"):
        os.utime(file)
    here.nothing_more_but(90)
    shutil.copytree(path, here.root / "room" / "copy")
    here.nothing_more_but(91)
    renamed = path.rename(path.parent / "renamed")
    here.nothing_more_but(92)
    deliveries = sorted(entry for entry in renamed.iterdir() if entry.is_dir())
    shutil.copytree(deliveries[0], renamed / "2026030209301599")
    here.nothing_more_but(93)
    here.stop()
    here.start()
    here.nothing_more_but(94)
    assert [row.case for row in here.rows()].count(first.case) == 1
    assert len(here.rows()) == 6


@pytest.mark.promise("P13")
def test_two_copies_that_arrive_together_are_one_case(site: Make) -> None:
    here = site(quiet_s=0.2)
    made = here.made()
    elsewhere = here.root / "room"
    for step in made.steps:
        step.run()
        replace(step, path=elsewhere / step.path.relative_to(here.root)).run()
    here.admitted()
    here.nothing_more_but(99)
    assert sorted(row.state for row in here.rows()) == [CaseState.QUEUED, CaseState.QUEUED]


@pytest.mark.promise("P13")
def test_a_plan_that_turns_out_to_be_a_copy_is_no_case(site: Make) -> None:
    here = site()
    path = here.write()
    first = here.admitted()
    copy = here.root / "copy"
    copy.mkdir()
    (plan,) = path.glob("RP*.dcm")
    shutil.copy(plan, copy)
    seen = here.row(CaseState.INCOMING, "no delivery yet")
    for delivery in path.iterdir():
        if delivery.is_dir():
            shutil.copytree(delivery, copy / delivery.name)
    assert here.row(CaseState.CANCELLED, "belong to another case").case == seen.case
    here.nothing_more_but(99)
    assert here.submit(copy).cases == (first.case,)


@pytest.mark.promise("P13")
def test_the_next_fraction_is_another_case(site: Make) -> None:
    here = site()
    path = here.write()
    first = here.admitted()
    later = replace(SMALL, irradiated=SMALL.irradiated + timedelta(days=1))
    assert here.write(later) == path
    second = here.admitted()
    assert second.path == first.path
    assert second.case != first.case
    assert first.source is not None
    assert second.source is not None
    assert not {one.key for one in first.source.deliveries} & {one.key for one in second.source.deliveries}


@pytest.mark.promise("P13")
def test_a_replan_of_the_same_study_is_told_apart(site: Make) -> None:
    here = site()
    here.write(replan=True)
    row = here.admitted()
    assert row.plan_uid == here.made(replan=True).case.plan_uid


@pytest.mark.promise("P3")
@pytest.mark.parametrize("share", [1.0, 0.4])
def test_an_interrupted_delivery_is_one_case(site: Make, share: float) -> None:
    here = site()
    here.write(CaseRecipe(layers=5, spots=12, interruption=Interruption(beam=0, layer=3, share=share)))
    row = here.admitted()
    assert row.source is not None
    spans = sorted((one.beam_number, one.start_layer, one.stop_layer) for one in row.source.deliveries)
    assert spans == [(3, 1, 3), (3, 4 if share == 1.0 else 3, 5), (5, 1, 5)]
    assert not row.source.partial


@pytest.mark.promise("P10")
def test_a_stopped_treatment_is_computed_and_superseded_by_the_rest(site: Make) -> None:
    here = site(partial_after_h=0.3 / 3600)
    made = here.made(CaseRecipe(layers=4, spots=8, interruption=Interruption(beam=1, layer=2)))
    rest = made.case.deliveries[-1].path
    for step in made.steps:
        if step.path.parent != rest:
            step.run()
    partial = here.admitted()
    assert partial.source is not None
    assert partial.source.partial
    assert partial.source.missing == ("beam 5 '2:RPO': layers 3 to 4 of 4 not delivered",)
    for step in made.steps:
        step.run()
    whole = here.admitted()
    assert whole.source is not None
    assert (whole.source.partial, whole.source.supersedes) == (False, partial.case)
    here.nothing_more_but(99)


def test_an_operator_takes_a_folder_now(site: Make) -> None:
    here = site(quiet_s=3600.0, marker="_CASE_READY")
    path = here.write()
    here.row(CaseState.INCOMING, "still changing")
    answer = here.submit(path)
    assert (answer.cases, answer.sentences) == ((here.admitted().case,), ())
    again = here.submit(path / next(entry.name for entry in path.iterdir() if entry.is_dir()))
    assert again.cases == answer.cases
    assert again.sentences == (f"{answer.cases[0]}: already taken; a delivery is never run twice.",)
    elsewhere = here.state.parent / "elsewhere"
    path.rename(elsewhere)
    assert here.submit(elsewhere).sentences == again.sentences


def test_an_operator_takes_what_there_is(site: Make) -> None:
    here = site()
    path = here.write(fault=CaseFault.MISSING_BEAM)
    row = here.row(CaseState.INCOMING, "was not delivered")
    told = here.submit(path)
    sentence = f"{row.case}: beam 5 '2:RPO' was not delivered; submit --partial computes it as it is"
    assert (told.cases, told.sentences) == ((row.case,), (sentence,))
    assert here.submit(path, partial=True).cases == (row.case,)
    taken = here.admitted()
    assert taken.source is not None
    assert (taken.case, taken.source.partial) == (row.case, True)


@pytest.mark.parametrize("name", ["nowhere", "empty", "file", "nul\0byte"])
def test_a_folder_that_is_none_is_said(site: Make, name: str) -> None:
    here = site()
    (here.root / "empty").mkdir()
    (here.root / "file").touch()
    answer = here.submit(f"{here.root}/{name}")
    assert answer.cases == ()
    assert len(answer.sentences) == 1


@pytest.mark.promise("P20")
def test_no_room_stops_the_intake_and_room_lets_it_go_on(site: Make) -> None:
    here = site()
    here.address("scanner").tell(DiskState(False, "the results disk has 3 GB left, 20 are needed"))
    path = here.write()
    here.row(CaseState.INCOMING, "new work is stopped: the results disk has 3 GB left")
    (sentence,) = here.submit(path).sentences
    assert "new work is stopped" in sentence
    here.address("scanner").tell(DiskState(True, ""))
    assert here.admitted().path == str(path)


def test_a_wrong_case_fails_with_its_sentence_and_starts_once_mended(site: Make) -> None:
    here = site()
    path = here.write(fault=CaseFault.DOUBLED_LAYER)
    row = here.row(CaseState.FAILED, "PlanRange.txt names layer 2 twice")
    alarm = here.monitor.expect(AlarmRaised)
    assert alarm.id == f"case-failed:{row.case}"
    assert "names layer 2 twice" in alarm.text
    assert ".." not in alarm.text
    (written,) = Reader(here.state / "ledger.sqlite").alarms()
    assert (written.alarm, written.text) == (alarm.id, alarm.text), "with the case's end, before anybody is told"
    here.address("scanner").tell(CaseChanged(row.case))
    here.nothing_more_but(99)
    here.monitor.none(AlarmCleared)
    for step in here.made().steps:
        step.run()
    for extra in path.rglob("*_2.*"):
        extra.unlink()
    assert here.admitted().case == row.case
    assert here.monitor.expect(AlarmCleared).id == alarm.id


@pytest.mark.promise("P2", "P6")
@pytest.mark.parametrize(
    ("fault", "state", "words"),
    [
        (CaseFault.MISSING_LAYER, CaseState.INCOMING, "beam 3: the .ptn file of layer 2 is missing"),
        (CaseFault.MISSING_MGN, CaseState.INCOMING, "beam 3: the .mgn file of layer 2 is missing"),
        (CaseFault.EXTRA_LAYER, CaseState.FAILED, "Beam 3 has a layer file that PlanRange.txt does not name"),
        (CaseFault.UNPLANNED_LAYER, CaseState.FAILED, "its beam 3 has 3 layers, the delivery layer 4"),
        (CaseFault.DOUBLED_LAYER, CaseState.FAILED, "names layer 2 twice"),
        (CaseFault.TRUNCATED_PTN, CaseState.INCOMING, "beam 3: the .ptn file of layer 2 is not whole"),
        (CaseFault.EMPTY_PTN, CaseState.INCOMING, "beam 3: the .ptn file of layer 2 is not whole"),
        (CaseFault.TRUNCATED_MGN, CaseState.INCOMING, "beam 3: the .mgn file of layer 2 is not whole"),
        (CaseFault.SHORT_MGN, CaseState.INCOMING, "its planned scan"),
        (CaseFault.TRUNCATED_PLAN, CaseState.INCOMING, "RP."),
        (CaseFault.WRONG_ENERGY, CaseState.INCOMING, "matches no plan"),
        (CaseFault.UNKNOWN_MACHINE, CaseState.FAILED, "'G7' is not a known gantry"),
        (CaseFault.UNKNOWN_RANGE_CODE, CaseState.FAILED, "Beam 3, layer 2 has the monitor range code 7"),
        (CaseFault.MISSING_BEAM, CaseState.INCOMING, "beam 5 '2:RPO' was not delivered"),
        (CaseFault.MISSING_PLAN, CaseState.INCOMING, "no RTPLAN of this study yet"),
        (CaseFault.TWO_PLANS, CaseState.FAILED, "matches 2 plans"),
        (CaseFault.SCAN_MODE, CaseState.FAILED, "UNIFORM"),
        (CaseFault.WRONG_PATIENT, CaseState.INCOMING, "another patient"),
        (CaseFault.WRONG_STUDY, CaseState.INCOMING, "no RTPLAN of this study yet"),
        (CaseFault.WRONG_BEAM, CaseState.INCOMING, "no treatment beam 97"),
        (CaseFault.NO_PLANINFO, CaseState.INCOMING, "there is no PlanInfo.txt yet"),
        (CaseFault.BAD_PLANINFO, CaseState.INCOMING, "DICOM_BEAM_NUMBER"),
        (CaseFault.NO_PLANRANGE, CaseState.INCOMING, "beam 3: there is no PlanRange.txt yet"),
        (CaseFault.BAD_PLANRANGE, CaseState.INCOMING, "PlanRange.txt, line 3"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(site: Make, fault: CaseFault, state: CaseState, words: str) -> None:
    here = site()
    here.write(layers=3, fault=fault)
    row = here.row(state, words)
    assert "\n" not in row.reason
    here.admission.none(CaseAdmitted)


@pytest.mark.promise("P14")
@pytest.mark.parametrize("name", [b"new\nline", b"$(touch pwned)", b"..x..", b"\xff\xfe\x80", b"n" * 255])
def test_a_case_below_any_name_is_a_case(site: Make, name: bytes, log_lines: list[str]) -> None:
    here = site()
    folder = here.root / os.fsdecode(name)
    here.write(patient=7).rename(folder)
    row = here.admitted()
    assert row.path in {str(folder), str(here.made(patient=7).case.path)}
    (folder / "RP.link.dcm").symlink_to("/etc/passwd")
    here.nothing_more_but(98)
    assert all("\n" not in line for line in log_lines)
    assert not list(here.state.parent.glob("**/pwned"))


@pytest.mark.promise("P14")
def test_a_layer_file_that_is_a_link_is_not_read(site: Make, log_lines: list[str]) -> None:
    here = site()
    path = here.write()
    here.admitted()
    made = here.made(patient=2)
    outside = here.state / "outside.ptn"
    for step in made.steps:
        if step.path.name.endswith("001.ptn"):
            outside.write_bytes(step.content)
            step.path.parent.mkdir(parents=True, exist_ok=True)
            step.path.symlink_to(outside)
        else:
            step.run()
    here.row(CaseState.INCOMING, "beam 3: the .ptn file of layer 1 is missing")
    here.nothing_more_but(99)
    here.nothing_more_but(100)
    assert len([line for line in log_lines if "symbolic link" in line]) == 2, "one line for each of the two links"
    assert path.exists()


def test_a_root_that_goes_away_takes_no_case_with_it(site: Make) -> None:
    here = site()
    here.write(fault=CaseFault.MISSING_BEAM)
    row = here.row(CaseState.INCOMING, "was not delivered")
    here.root.rename(here.state / "away")
    assert here.monitor.expect(AlarmRaised).id == f"scan-root:{here.root}"
    (here.state / "away").rename(here.root)
    assert here.monitor.expect(AlarmCleared).id == f"scan-root:{here.root}"
    assert len(here.monitor.all(RootsScanned)) >= 3, "every scan that ends is told"
    here.nothing_more_but(99)
    assert here.row(CaseState.INCOMING, "was not delivered").case == row.case
