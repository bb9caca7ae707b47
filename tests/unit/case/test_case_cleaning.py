"""A case that failed long ago: its working files go, intent first; what a retry cannot make again stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from actors.case import effects as fx
from actors.case import events
from actors.case.view import Attempt, CaseView, expired, view_of
from actors.case.workflow import advance
from messages.ledger import ExpectCase, MarkCleaned, NoteEvent
from messages.states import AttemptState, CaseState
from tests.unit.case.case_world import World

AT = datetime(2026, 3, 2, tzinfo=UTC)
GOOD = "/site/case/output/1/1"


def long_failed() -> tuple[World, CaseView]:
    world = World()
    world.state = CaseState.FAILED
    view = view_of(world.report(), "case")
    good = Attempt("case/1/1", 1, AttemptState.VERIFIED, "gpu1", "GPU-0", "gpu1/gpu-0", 1, GOOD)
    view.beams[1].attempts.append(good)
    view.hosts_left = {"gpu1"}
    events.loaded(view)
    return world, view


def test_it_goes_step_by_step_and_keeps_good_doses() -> None:
    world, view = long_failed()
    view.expired = True
    runs, _rest = advance(view, world.ways)
    assert runs == fx.RemoveRuns("gpu1")
    events.runs_removed(view, "gpu1", None)
    assert advance(view, world.ways) == (
        fx.Save(
            fx.CASE,
            (
                ExpectCase("case", frozenset({CaseState.FAILED})),
                NoteEvent("case", "case: its working files are being removed"),
            ),
        ),
    ), "refused once somebody has ordered a retry"
    assert advance(view, world.ways) == (), "nothing is removed before the ledger has the intent"
    events.written(view)
    assert not view.cleaned
    assert advance(view, world.ways) == (fx.RemoveWork((GOOD,)),)
    events.work_removed(view, removed=True)
    assert advance(view, world.ways) == (fx.Save(fx.CASE, (MarkCleaned("case"),)),)
    events.written(view)
    assert view.cleaned
    assert advance(view, world.ways) == (fx.Stop(),)


def test_one_that_failed_lately_keeps_all() -> None:
    world, view = long_failed()
    advance(view, world.ways)
    events.runs_removed(view, "gpu1", None)
    assert advance(view, world.ways) == (fx.Stop(),)
    assert not view.cleaned


def test_long_ago_is_counted_from_its_end() -> None:
    row = World().report().row
    assert row is not None
    failed = replace(row, state=CaseState.FAILED, ended=AT)
    assert expired(failed, AT + timedelta(seconds=1))
    assert not expired(failed, AT)
    assert not expired(replace(failed, ended=None), AT + timedelta(days=1))
    assert not expired(replace(failed, state=CaseState.QUEUED), AT + timedelta(days=1))
    assert not expired(None, AT)
