"""Which run of planned spots a delivery wants: the same for the same plan, images, calibration, profile and engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from actors.case import effects as fx
from actors.case import events
from actors.case.mail import Mail
from actors.case.planned import PRIORITY, planned_run
from messages.cases import CaseAdmitted, CaseSource, DeliverySource
from messages.files import FileProof
from messages.interpretation import BeamAmount, Interpretation
from messages.ledger import AdmitCase, BeamName, WantPlanned
from messages.states import CaseState
from tests.kit import Probe
from tests.unit.case.case_world import NOW, PROFILE, World, an_interpretation

PLAN = FileProof("RP.dcm", 5, "a" * 64)
IMAGE = FileProof("CT.1.dcm", 5, "b" * 64)
LOG = FileProof("20260302/1.ptn", 5, "c" * 64)
AMOUNTS = tuple(BeamAmount(number, f"beam {number}", 1.0, 1.0, 3, ()) for number in (1, 2))
DELIVERED = replace(an_interpretation(1, 2), inputs=(PLAN, IMAGE, LOG), amounts=AMOUNTS)
SOURCE = CaseSource(
    "case", "id", "/case", "/case/RP.dcm", "1.2", "1.3", "G1", (DeliverySource("/case/1", "k", 1, NOW, 1, 3),)
)


def wanted(
    source: CaseSource = SOURCE, made: Interpretation = DELIVERED, engine: str = "1", program: str = "1"
) -> AdmitCase:
    run = planned_run(source, made, PROFILE, engine, program)
    assert run is not None
    return run


def test_it_is_of_all_beams_of_the_plan_and_of_no_delivery() -> None:
    run = wanted(made=replace(DELIVERED, beams=DELIVERED.beams[:1]))
    assert run.beams == (BeamName(1, "beam 1"), BeamName(2, "beam 2"))
    assert (run.source.planned, run.source.deliveries, run.source.planned_at) == (True, (), NOW)
    assert (run.source.plan_path, run.source.plan_uid, run.source.study_uid) == ("/case/RP.dcm", "1.2", "1.3")
    assert run.source.case == f"plan-{run.source.identity[:12]}"


@pytest.mark.promise("P13")
def test_another_fraction_wants_the_same_run_wherever_its_files_lie_and_whatever_they_are_named() -> None:
    later = replace(SOURCE.deliveries[0], key="other", irradiated=NOW + timedelta(days=1))
    source = replace(SOURCE, case="another", path="/elsewhere", plan_path="/elsewhere/R.dcm", deliveries=(later,))
    inputs = (replace(IMAGE, path="1.dcm"), replace(LOG, sha256="d" * 64), replace(PLAN, path="R.dcm"))
    other = wanted(source, replace(DELIVERED, case="another", inputs=inputs))
    assert (other.source.case, other.source.identity) == (wanted().source.case, wanted().source.identity)


@pytest.mark.promise("P9")
def test_whatever_may_change_the_dose_is_another_run() -> None:
    others = [
        wanted(made=replace(DELIVERED, plan_uid="1.9")),
        wanted(made=replace(DELIVERED, inputs=(replace(PLAN, sha256="d" * 64), IMAGE))),
        wanted(made=replace(DELIVERED, inputs=(PLAN, replace(IMAGE, sha256="d" * 64)))),
        wanted(made=replace(DELIVERED, inputs=(PLAN,))),
        wanted(made=replace(DELIVERED, calibration_sha256="e" * 64)),
        wanted(engine="2"),
        wanted(program="2"),
    ]
    profile = planned_run(SOURCE, DELIVERED, PROFILE.model_copy(update={"seed": 7}), "1", "1")
    assert profile is not None
    names = {run.source.case for run in (*others, profile, wanted())}
    assert len(names) == len(others) + 2


def test_an_interpretation_that_does_not_say_what_the_plan_has_wants_none() -> None:
    assert planned_run(SOURCE, replace(DELIVERED, amounts=()), PROFILE, "1", "1") is None
    assert planned_run(replace(SOURCE, deliveries=()), DELIVERED, PROFILE, "1", "1") is None


def started(*, planned_run: bool, planned_case: bool = False) -> tuple[World, fx.Save]:
    world = World()
    world.ways = replace(world.ways, planned_run=planned_run)
    if planned_case:
        assert world.view.source is not None
        world.view.source = replace(world.view.source, deliveries=(), planned_at=NOW)
    world.pending.clear()
    world.inputs = True
    world.tell(lambda view: events.interpreted(view, DELIVERED))
    (save,) = world.pending
    assert isinstance(save, fx.Save)
    return world, save


@pytest.mark.promise("P15")
def test_it_enters_the_ledger_with_the_interpretation_and_admission_is_told_afterwards() -> None:
    world, save = started(planned_run=True)
    want = save.records[-1]
    assert isinstance(want, WantPlanned)
    assert (want.case, want.priority) == ("case", PRIORITY)
    assert [type(record).__name__ for record in save.records][:1] == ["NoteInterpretation"]
    world.happen(save)
    assert world.state is CaseState.RUNNING
    assert fx.Announce(want.run.source.case) in world.pending


@pytest.mark.parametrize("planned_case", [False, True])
def test_a_site_that_wants_none_has_none_and_a_planned_run_wants_no_other(planned_case: bool) -> None:
    world, save = started(planned_run=planned_case, planned_case=planned_case)
    assert not [record for record in save.records if isinstance(record, WantPlanned)]
    world.happen(save)
    assert not [effect for effect in world.pending if isinstance(effect, fx.Announce)]


def test_admission_is_told_its_name() -> None:
    admission, other = Probe("admission"), Probe("other")
    Mail(other, "case", other, lambda _: other, admission).send(fx.Announce("plan-1"))
    assert admission.received == (CaseAdmitted("plan-1"),)
    assert other.received == ()
