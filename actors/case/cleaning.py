"""After its end: what the case leaves on hosts and here is removed. Pure."""

from __future__ import annotations

from actors.case import effects as fx
from actors.case.view import CaseView, Doing
from messages.ledger import ExpectCase, MarkCleaned, NoteEvent
from messages.states import CaseState

CLEAN_TRIES = 5
"""After so many failures (a host that cannot be reached) the rest is left to a later start of the case."""
CLEAN_ANSWER_S = 60.0
"""A host that has not answered for so long counts as a failure."""


def clean(view: CaseView) -> tuple[fx.Effect, ...]:
    """The next step of cleaning. A retry goes on from good beams: a failed case keeps its working files for as long as
    ``[retention] work_days`` says, and then, as a cancelled one does, the output of its verified attempts."""
    if view.doing is not Doing.NOTHING:
        return ()
    if view.cleaned or view.tries >= CLEAN_TRIES:
        return _stop(view)
    if view.hosts_left:
        view.doing = Doing.CLEANING
        return (*(fx.RemoveRuns(host) for host in sorted(view.hosts_left)), fx.Rest(fx.CASE, CLEAN_ANSWER_S))
    if view.state is CaseState.FAILED and not (view.expired and view.intent_noted):
        return _intend(view) if view.expired else _stop(view)
    if not view.work_removed:
        view.doing = Doing.CLEANING
        return (fx.RemoveWork(_kept(view)),)
    view.doing, view.goal = Doing.WRITING, None
    return (fx.Save(fx.CASE, (MarkCleaned(view.case),)),)


def _intend(view: CaseView) -> tuple[fx.Effect, ...]:
    view.doing, view.goal = Doing.WRITING, None
    still = ExpectCase(view.case, frozenset({CaseState.FAILED}))
    return (fx.Save(fx.CASE, (still, NoteEvent(view.case, "case: its working files are being removed"))),)


def _kept(view: CaseView) -> tuple[str, ...]:
    """Folders that a retry of a failed or cancelled case needs: good beams are never computed again."""
    if view.state is CaseState.DONE:
        return ()
    return tuple(good.output_dir for beam in view.beams.values() if (good := beam.verified) is not None)


def _stop(view: CaseView) -> tuple[fx.Effect, ...]:
    view.doing = Doing.STOPPED
    return (fx.Stop(),)
