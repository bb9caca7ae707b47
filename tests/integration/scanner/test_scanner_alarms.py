"""The alarms of cases that never started: one stands for as long as it is true, whoever is restarted, and no longer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.demo.recipe import CaseFault
from actors.ledger import Reader
from actors.scanner import actor
from messages.ledger import MoveCase, RaiseAlarm, Record, Write, Written
from messages.operators import AlarmCleared, AlarmRaised, CaseChanged
from messages.states import CaseState
from tests.integration.scanner.conftest import Site
from tests.kit import Probe

Make = Callable[..., Site]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actor, "SYNC_S", 0.1)


def standing(here: Site) -> list[str]:
    return [row.alarm for row in Reader(here.state / "ledger.sqlite").alarms()]


def order(here: Site, *records: Record) -> None:
    answers = Probe("console")
    here.address("ledger").tell(Write("order", answers, "console", 1, records))
    answers.expect(Written)


@pytest.mark.promise("P11")
def test_an_incomplete_case_is_said_again_and_again_in_the_same_words(site: Make) -> None:
    """A monitor that was restarted may have lost it; and once nobody says it any more, it is over."""
    here = site(give_up_h=0.3 / 3600)
    here.write(fault=CaseFault.MISSING_BEAM)
    row = here.row(CaseState.INCOMPLETE)
    alarm = here.monitor.expect(AlarmRaised)
    assert alarm.text.endswith("Send what is missing; it starts by itself then.")
    assert here.monitor.expect(AlarmRaised) == alarm
    here.stop()
    here.monitor.clear()
    here.start()
    assert here.monitor.expect(AlarmRaised) == alarm, "after a start too"
    order(here, MoveCase(row.case, CaseState.CANCELLED, "cancelled by ann"))
    here.address("scanner").tell(CaseChanged(row.case))
    assert here.monitor.expect(AlarmCleared).id == alarm.id
    here.monitor.none(AlarmRaised, within_s=0.5)


def test_the_end_of_an_alarm_is_written_with_what_ends_it(site: Make) -> None:
    """Who is killed right after that has nobody left who would end it."""
    here = site(give_up_h=0.3 / 3600)
    made = here.made()
    missing = next(step for step in made.steps if step.path.suffix == ".ptn")
    for step in made.steps:
        if step is not missing:
            step.run()
    row = here.row(CaseState.INCOMPLETE)
    order(here, RaiseAlarm(f"incomplete:{row.case}", "as the monitor writes it"))
    missing.run()
    here.admitted()
    assert standing(here) == []


def test_a_wrong_case_that_becomes_an_incomplete_one_has_one_alarm(site: Make) -> None:
    here = site(give_up_h=0.3 / 3600)
    path = here.write(fault=CaseFault.DOUBLED_LAYER)
    row = here.row(CaseState.FAILED, "names layer 2 twice")
    assert standing(here) == [f"case-failed:{row.case}"]
    for step in here.made().steps:
        step.run()
    for extra in (*path.rglob("*_2.*"), next(path.rglob("*.ptn"))):
        extra.unlink(missing_ok=True)
    here.row(CaseState.INCOMPLETE, ".ptn")
    assert here.monitor.expect(AlarmCleared).id == f"case-failed:{row.case}"
    assert here.monitor.expect(AlarmRaised).id == f"incomplete:{row.case}"
    assert standing(here) == []


def test_that_a_failed_case_is_seen_to_is_told_by_whoever_saw_to_it(site: Make) -> None:
    """Learned late it would end the alarm of a case that has failed again since."""
    here = site(give_up_h=24.0)
    here.write(fault=CaseFault.DOUBLED_LAYER)
    row = here.row(CaseState.FAILED, "names layer 2 twice")
    assert here.monitor.expect(AlarmRaised).id == f"case-failed:{row.case}"
    order(here, MoveCase(row.case, CaseState.CANCELLED, "cancelled by ann"))
    here.address("scanner").tell(CaseChanged(row.case))
    here.nothing_more_but(99)
    here.monitor.none(AlarmCleared, within_s=0.3)
