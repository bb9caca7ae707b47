"""A cancelled case has what a worker still holds of it ended, also where the worker was not up when it was told."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from actors.case import beams, events
from actors.case import effects as fx
from actors.case.view import Attempt, Beam, CaseView, Doing
from messages.scheduling import AttemptReport
from messages.states import AttemptState, BeamState, CaseState

WORKER, KEY = "gpu1/gpu-0", "case/1/1"
CANCEL = fx.Cancel(WORKER, KEY, "cancelled by kim")


def a_view(state: CaseState) -> CaseView:
    """A case of one beam, which runs."""
    attempt = Attempt(KEY, 1, AttemptState.RUNNING, "gpu1", "GPU-a", WORKER, 1, "/site/case/output/1/1")
    beam = Beam(1, BeamState.RUNNING, attempts=[attempt])
    return CaseView("case", state=state, reason="cancelled by kim", beams={1: beam})


def reported(view: CaseView, state: AttemptState) -> tuple[fx.Effect, ...]:
    report = AttemptReport(
        key=KEY, case="case", beam=1, attempt=1, host="gpu1", gpu="GPU-a", state=state, worker=WORKER, epoch=1
    )
    return events.reported(view, report, PurePath("/site/case"))


def test_a_worker_that_comes_up_later_and_reports_a_run_is_told_to_end_it() -> None:
    view = a_view(CaseState.CANCELLED)
    assert beams.give_up(view) == (CANCEL,)
    assert beams.give_up(view) == (), "it waits for the worker"
    # what was told is lost: nobody was there, or its attempts were not read yet
    assert reported(view, AttemptState.RUNNING) == (CANCEL,)
    assert view.beams[1].doing is Doing.WITH_WORKER


@pytest.mark.parametrize("state", [CaseState.RUNNING, CaseState.HELD])
def test_what_runs_of_any_other_case_goes_on(state: CaseState) -> None:
    assert reported(a_view(state), AttemptState.RUNNING) == ()


def test_of_an_attempt_that_is_over_nothing_is_ended() -> None:
    view = a_view(CaseState.CANCELLED)
    assert reported(view, AttemptState.WITHDRAWN) == ()
    (save,) = beams.give_up(view)
    assert isinstance(save, fx.Save)
