"""What goes wrong around the scanner: it says so once, tries again, and loses nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers.api import BaseObserver

from actors.demo.factory import write_case
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.formats.profile import load_profile
from actors.scanner import Scanner, actor, hints
from actors.scanner.facts import SurveyRequest
from actors.scanner.survey import survey_folder
from messages.cases import CaseAdmitted, FolderTaken, SubmitFolder
from messages.compute import Compute, Computed, ComputeFailed
from messages.faults import Blame, Fault
from messages.ledger import (
    AdmitCase,
    CaseRow,
    CasesReport,
    GetCases,
    GetKnownCases,
    KnownCasesReport,
    MoveBeam,
    MoveCase,
    NoteInterpretation,
    SightCase,
    Write,
    WriteRefused,
    Written,
)
from messages.operators import SubscribeDisk
from messages.states import BeamState, CaseState
from tests.integration.scanner.conftest import ENGINES, SMALL, ZONE, Site
from tests.kit import Probe, Running, running, wait_until

Make = Callable[..., Site]


class Around:
    """Probes on every side of a scanner; the test answers for them."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.root.mkdir()
        self.ledger, self.compute = Probe("ledger"), Probe("compute")
        self.admission, self.monitor = Probe("admission"), Probe("monitor")

    def running(self, **settings: Any) -> Any:
        return running(
            Scanner,
            ledger=self.ledger,
            compute=self.compute,
            admission=self.admission,
            monitor=self.monitor,
            profile=load_profile("reference", ENGINES),
            **{
                "roots": (self.root,),
                "interval_s": 0.1,
                "quiet_s": 0.0,
                "marker": "",
                "give_up_h": 24.0,
                "partial_after_h": 2.0,
                "session_gap_h": 4.0,
                "zone": ZONE,
            }
            | settings,
        )

    def know_nothing(self, *rows: CaseRow) -> None:
        known = self.ledger.expect(GetKnownCases)
        known.reply_to.tell(KnownCasesReport(known.request_id, ()))
        asked = self.ledger.expect(GetCases)
        asked.reply_to.tell(CasesReport(asked.request_id, rows))

    def survey(self) -> None:
        asked = self.compute.expect(Compute)
        assert isinstance(asked.argument, SurveyRequest)
        asked.reply_to.tell(Computed(asked.request_id, survey_folder(asked.argument)))

    def write(self) -> Write:
        asked = self.ledger.expect(Write)
        assert asked.reply_to is not None
        asked.reply_to.tell(Written(asked.request_id))
        return asked


@pytest.fixture
def around(tmp_path: Path) -> Around:
    return Around(tmp_path)


@pytest.mark.promise("P13")
def test_nobody_is_told_before_it_is_written(around: Around) -> None:
    write_case(SMALL, around.root)
    with around.running() as scanner:
        assert around.monitor.expect(SubscribeDisk).reply_to.id == scanner.id
        around.compute.none(Compute)
        around.know_nothing()
        around.survey()
        asked = around.ledger.expect(Write)
        assert [type(record) for record in asked.records] == [AdmitCase]
        assert asked.epoch == scanner.epoch
        around.admission.none(CaseAdmitted, 0.25)
        assert asked.reply_to is not None
        asked.reply_to.tell(Written(asked.request_id))
        around.admission.expect(CaseAdmitted)


def test_what_the_ledger_knows_is_asked_again_until_it_answers(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "_ASK_AGAIN_S", 0.05)
    with around.running():
        around.ledger.expect(GetKnownCases)
        around.know_nothing()


def test_a_survey_that_fails_is_asked_for_again(
    around: Around, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    monkeypatch.setattr("actors.scanner.folder._RETRY_S", 0.05)
    write_case(SMALL, around.root)
    with around.running():
        around.know_nothing()
        asked = around.compute.expect(Compute)
        asked.reply_to.tell(ComputeFailed(asked.request_id, Fault("a worker process died", blame=Blame.OURS)))
        around.survey()
        around.write()
        around.admission.expect(CaseAdmitted)
    assert any("a worker process died" in line for line in log_lines)


def test_a_submission_whose_survey_fails_is_answered(around: Around) -> None:
    path = write_case(SMALL, around.root).path
    console = Probe("console")
    with around.running(quiet_s=3600.0) as scanner:
        scanner.tell(SubmitFolder("order-1", console, str(path)))
        around.know_nothing()
        died = Fault("a worker process died", blame=Blame.OURS)
        failed: set[str] = set()

        def answered() -> bool:
            for asked in around.compute.all(Compute):
                if asked.request_id not in failed:
                    failed.add(asked.request_id)
                    asked.reply_to.tell(ComputeFailed(asked.request_id, died))
            return bool(console.received)

        wait_until(answered)
        assert "a worker process died" in console.expect(FolderTaken).sentences[0]


def test_a_refused_write_is_asked_for_again(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.scanner.cases._RETRY_S", 0.05)
    write_case(SMALL, around.root)
    with around.running():
        around.know_nothing()
        around.survey()
        asked = around.ledger.expect(Write)
        assert asked.reply_to is not None
        asked.reply_to.tell(WriteRefused(asked.request_id, Fault("the disk is full", kind="ledger-full")))
        assert around.write().records == asked.records
        around.admission.expect(CaseAdmitted)


def test_the_ledger_is_asked_for_what_is_new(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for all that failed in years, each minute: only where what was told does not fit."""
    monkeypatch.setattr(actor, "SYNC_S", 0.02)
    monkeypatch.setattr("actors.scanner.cases._RETRY_S", 3600.0)
    write_case(SMALL, around.root)
    with around.running() as scanner:

        def asked_after(event: int) -> GetCases:
            around.ledger.clear()
            return around.ledger.expect(GetCases, where=lambda asked: asked.after == event)

        around.know_nothing()
        scanner.tell(CasesReport("news", (), upto=7))
        asked_after(7)
        around.survey()
        write = around.ledger.expect(Write)
        case = write.records[0].source.case  # type: ignore[union-attr]
        scanner.tell(CasesReport("news", (row_of(case),), upto=9))
        asked_after(7)  # what the ledger is just being told about that case stands above what it said before
        assert write.reply_to is not None
        write.reply_to.tell(WriteRefused(write.request_id, Fault("it stands otherwise", kind="illegal-transition")))
        asked_after(0)


def row_of(case: str) -> CaseRow:
    seen = datetime(2026, 3, 2, tzinfo=UTC)
    return CaseRow(case, CaseState.INCOMING, "", 0, "/x", "", "", "", seen, None, None, None, None, "", "", False, ())


def test_a_folder_that_changes_while_it_is_surveyed_is_not_decided_on(around: Around) -> None:
    path = write_case(SMALL, around.root).path
    with around.running():
        around.know_nothing()
        asked = around.compute.expect(Compute)
        assert isinstance(asked.argument, SurveyRequest)
        answer = survey_folder(asked.argument)
        asked.reply_to.tell(Computed(asked.request_id, replace(answer, digest=b"another state")))
        (path / "CT.dcm").write_bytes(b"x")
        around.survey()
        around.write()
        around.admission.expect(CaseAdmitted)
        admissions = [write for write in around.ledger.all(Write) if isinstance(write.records[0], AdmitCase)]
        assert len(admissions) == 1


def test_a_crash_starts_over_from_the_ledger(site: Make, log_lines: list[str]) -> None:
    here = site()
    here.write()
    first = here.admitted()
    here.address("scanner").tell(Computed("nobody's", survey_folder(SurveyRequest(first.path, ZONE))))
    here.address("scanner").tell("not a message of ours")
    here.nothing_more_but(97)
    assert any("no use for str" in line for line in log_lines)
    here.address("scanner").tell(Written(["unhashable"]))  # type: ignore[arg-type]  # the crash
    here.nothing_more_but(98)
    assert len(here.rows()) == 3


def test_a_round_that_fails_is_one_line_and_the_next_goes_on(
    site: Make, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    here = site()
    with monkeypatch.context() as broken:
        broken.setattr("actors.scanner.scan.look_at", lambda *_: 1 / 0)
        here.write()
        wait_until(lambda: any("ZeroDivisionError" in line for line in log_lines))
    here.admitted()


def test_events_that_cannot_be_had_are_one_line(
    site: Make, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BaseObserver, "schedule", full)
    here = site()
    here.write()
    here.admitted()
    wait_until(lambda: any("max_user_watches" in line for line in log_lines))


def test_no_observer_at_all_is_one_line(site: Make, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]) -> None:
    def none() -> None:
        raise OSError(24, "inotify instance limit reached")

    monkeypatch.setattr(hints, "Observer", none)
    here = site()
    here.write()
    here.admitted()
    wait_until(lambda: any("instance limit" in line for line in log_lines))


def test_too_many_folders_are_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "15000 folders" in hints._why_not(str(tmp_path), hints.MOST_FOLDERS + 1)
    assert hints._why_not(str(tmp_path), 10) == ""
    monkeypatch.setattr(hints, "_mounts", lambda: f"22 1 8:1 / {tmp_path} rw - nfs4 server:/ rw")
    assert "nfs4" in hints._why_not(f"{tmp_path}/x", 10)


def fail_case(here: Site, row: CaseRow, *, interpreted: bool) -> None:
    """What the Case actor writes when the interpretation refuses a case, or an engine fails it for good."""
    answers = Probe("case")
    first = (NoteInterpretation(row.case, "{}"),) if interpreted else ()
    records = (
        *first,
        MoveBeam(row.case, 3, BeamState.FAILED, "layer 2 is truncated"),
        MoveCase(row.case, CaseState.FAILED, "beam 3, layer 2 is truncated"),
    )
    here.address("ledger").tell(Write("fail", answers, "case", 1, records))
    answers.expect(Written)


def test_a_refused_case_goes_on_when_its_files_are_mended(site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "SYNC_S", 0.1)
    here = site()
    path = here.write()
    row = here.admitted()
    fail_case(here, row, interpreted=False)
    here.nothing_more_but(98)
    assert here.row(CaseState.FAILED).case == row.case
    layer = sorted(path.rglob("*.ptn"))[1]
    layer.write_bytes(layer.read_bytes())
    again = here.admitted()
    assert (again.case, again.state) == (row.case, CaseState.QUEUED)
    assert {beam.state for beam in again.beams} == {BeamState.PENDING}


def test_a_case_whose_engine_failed_is_left_to_the_operator(site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "SYNC_S", 0.1)
    here = site()
    path = here.write()
    row = here.admitted()
    fail_case(here, row, interpreted=True)
    here.stop()
    here.start()
    layer = sorted(path.rglob("*.ptn"))[1]
    layer.write_bytes(layer.read_bytes())
    here.nothing_more_but(98)
    assert here.row(CaseState.FAILED).case == row.case


def test_an_unchanged_failed_case_is_not_run_again_at_a_restart(site: Make) -> None:
    here = site()
    here.write()
    row = here.admitted()
    fail_case(here, row, interpreted=False)
    here.stop()
    here.start()
    here.nothing_more_but(98)
    assert here.row(CaseState.FAILED).case == row.case


def test_a_cancelled_case_that_is_retried_is_looked_at_again(site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "SYNC_S", 0.1)
    here = site()
    here.write(fault=CaseFault.MISSING_BEAM)
    row = here.row(CaseState.INCOMING, "was not delivered")
    order(here, MoveCase(row.case, CaseState.CANCELLED, "by kim"))
    here.nothing_more_but(98)
    order(here, MoveCase(row.case, CaseState.INCOMING, "by kim"))
    assert here.row(CaseState.INCOMING, "was not delivered").case == row.case
    for step in here.made().steps:
        step.run()
    assert here.admitted().case == row.case


def order(here: Site, *records: Any) -> None:
    answers = Probe("console")
    here.address("ledger").tell(Write("order", answers, "console", 1, records))
    answers.expect(Written)


@pytest.mark.promise("P11")
def test_what_is_gone_for_good_is_given_up(site: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "SYNC_S", 0.1)
    here = site(give_up_h=0.6 / 3600)
    path = here.write(fault=CaseFault.MISSING_BEAM)
    row = here.row(CaseState.INCOMING, "was not delivered")
    shutil.rmtree(path.parent)
    assert here.row(CaseState.INCOMPLETE, "its files are gone").case == row.case


def test_sightings_that_turn_out_to_be_one_case_end(site: Make) -> None:
    """A short gap parts two deliveries; with a longer one, and the delivery between them, they are one session."""
    here = site(session_gap_h=0.05)
    made = here.made(CaseRecipe(beams=3, layers=2, spots=6))
    middle = made.case.deliveries[1].path
    for step in made.steps:
        if step.path.parent != middle:
            step.run()
    wait_until(lambda: len(here.rows()) == 2)
    here.stop()
    here.settings["session_gap_h"] = 4.0
    here.start()
    for step in made.steps:
        step.run()
    row = here.admitted()
    assert row.source is not None
    assert len(row.source.deliveries) == 3
    assert here.row(CaseState.CANCELLED, "belong to another case").case != row.case


def test_a_held_case_is_admitted_and_stays_held(site: Make) -> None:
    here = site()
    made = here.made()
    *steps, last = made.steps
    for step in steps:
        step.run()
    row = here.row(CaseState.INCOMING)
    order(here, MoveCase(row.case, CaseState.HELD, "by kim"))
    here.stop()
    here.start()
    last.run()
    admitted = here.admitted()
    assert (admitted.case, admitted.state, admitted.held_from) == (row.case, CaseState.HELD, CaseState.QUEUED)


def test_sightings_are_written_with_what_is_known(around: Around) -> None:
    write_case(replace(SMALL, fault=CaseFault.MISSING_BEAM), around.root)
    with around.running():
        around.know_nothing()
        around.survey()
        (sight,) = around.write().records
        assert isinstance(sight, SightCase)
        assert len(sight.delivery_keys) == 1
        assert (sight.plan_uid != "", sight.study_uid != "") == (True, True)
        around.ledger.none(Write, 0.3)


def test_a_submission_that_comes_before_the_ledger_s_answer_waits(around: Around) -> None:
    path = write_case(SMALL, around.root).path
    console = Probe("console")
    with around.running(quiet_s=3600.0) as scanner:
        submit(scanner, console, path)
        around.know_nothing()
        around.survey()
        if not any(isinstance(record, AdmitCase) for record in around.write().records):
            around.survey()
            around.write()
        answer = console.expect(FolderTaken)
        assert (len(answer.cases), answer.sentences) == (1, ())


def submit(scanner: Running, console: Probe, path: Path) -> None:
    scanner.tell(SubmitFolder(f"order-{datetime.now(UTC)}", console, str(path)))
