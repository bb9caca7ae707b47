"""What happened becomes facts of an attempt; ``advance`` then sees what follows. Pure; ``now`` is monotonic seconds."""

from __future__ import annotations

import re

from actors.gpu_worker import effects as fx
from actors.gpu_worker.attempt import AFTER_LAUNCH, LOG_TRIES, Attempt, Claim, Doing
from actors.gpu_worker.endings import good
from actors.gpu_worker.reports import attempt_report
from messages.faults import Blame, Fault
from messages.files import FileProof
from messages.jobs import JobObserved, Observation
from messages.ledger import ExplainBeam
from messages.states import AttemptState

STAGING_TRIES = 6
"""Failures of host or link while staging, after which the beam may go elsewhere."""
LAUNCH_TRIES = 3
LONGEST_REST_S = 60.0
WRITE_REST_S = 1.0
KILL_REST_S = 2.0
LEFTOVER_S = 5.0
"""A run that has ended and still has processes is ended by us after so long."""
VANISHED_S = 10.0
"""A launched run whose claim was not seen for so long has lost its run directory."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)")
"""An ISO 8601 time with offset, as the wrapper's evidence holds it."""

_WAITS = (Blame.HOST, Blame.OURS)
"""Blames that pass by themselves."""


def rest_s(tries: int) -> float:
    """Back-off: 0.5 s after the first failure, doubled, at most ``LONGEST_REST_S``."""
    return float(min(LONGEST_REST_S, 0.5 * 2.0 ** min(tries - 1, 20)))


def written(attempt: Attempt) -> tuple[fx.Effect, ...]:
    """The ledger acknowledged the write under way."""
    attempt.doing, goal = Doing.NOTHING, attempt.goal
    if goal is None:
        return ()
    attempt.state, attempt.goal, attempt.tries = goal, None, 0
    return (fx.Report(attempt_report(attempt)),)


def write_refused(attempt: Attempt, *, for_good: bool, stopped: bool = False) -> tuple[fx.Effect, ...]:
    """The ledger wrote nothing: the same again after a while, or what it holds is read.

    ``stopped``: an operator holds or has cancelled the case, so what was not launched is given back.
    """
    if attempt.goal is None:
        attempt.kill_noted = False
    attempt.goal, attempt.doing = None, Doing.RESTING
    if stopped and attempt.before_launch:  # also where it is the launch that was refused
        attempt.handed_back = attempt.handed_back or "an operator stopped its case"
    return (fx.Reread(attempt.key),) if for_good else (fx.Rest(attempt.key, WRITE_REST_S),)


def rested(attempt: Attempt) -> None:
    if attempt.doing is Doing.RESTING:
        attempt.doing = Doing.NOTHING


def files_moved(attempt: Attempt, files: tuple[FileProof, ...]) -> None:
    """The transfer under way is verified at its end."""
    if attempt.doing is Doing.STAGING:
        attempt.staged = True
    elif attempt.doing is Doing.FETCHING:
        attempt.fetched, attempt.output = True, files
    attempt.doing, attempt.tries = Doing.NOTHING, 0


def move_failed(attempt: Attempt, fault: Fault) -> tuple[fx.Effect, ...]:
    """Nothing was moved. Staging is given up after a while, the beam may go elsewhere; a good run's output never is."""
    staging, attempt.doing = attempt.doing is Doing.STAGING, Doing.NOTHING
    attempt.tries += 1
    if fault.blame not in _WAITS:
        if staging or good(attempt.exit):
            attempt.fault = fault
        else:
            attempt.tries = LOG_TRIES
        return ()
    if staging and attempt.tries >= STAGING_TRIES:
        attempt.handed_back = str(fault)
        return ()
    attempt.doing = Doing.RESTING
    said = f"its files cannot be {'sent' if staging else 'fetched'} now: {fault}"
    why = ExplainBeam(attempt.request.case, attempt.request.beam, said)
    return (fx.Note((why,)), fx.Rest(attempt.key, rest_s(attempt.tries)))


def launched(attempt: Attempt, evidence: str, now: float) -> None:
    """The run is claimed, and watched from here on."""
    attempt.claim, attempt.launch_evidence, attempt.watching = Claim.MADE, evidence, True
    if not attempt.started and (found := _TIME.search(evidence)):
        attempt.started = found.group()
    if attempt.launched_at is None:
        attempt.launched_at = now
    if attempt.doing is Doing.LAUNCHING:
        attempt.doing = Doing.NOTHING


def launch_failed(attempt: Attempt, fault: Fault) -> tuple[fx.Effect, ...]:
    """Certain: no claim was made."""
    attempt.claim, attempt.doing = Claim.NONE, Doing.NOTHING
    attempt.tries += 1
    if attempt.tries >= LAUNCH_TRIES or fault.blame not in _WAITS:
        attempt.fault = fault
        return ()
    attempt.doing = Doing.RESTING
    return (fx.Rest(attempt.key, rest_s(attempt.tries)),)


def job_gone(attempt: Attempt, evidence: str) -> None:
    """No process of the run is left; how it ended is still to be observed."""
    attempt.gone = True
    attempt.evidence = attempt.evidence or evidence
    attempt.watching = False
    if attempt.doing is Doing.KILLING:
        attempt.doing = Doing.NOTHING


def kill_failed(attempt: Attempt) -> tuple[fx.Effect, ...]:
    """The GPU stays leased; try again."""
    attempt.doing = Doing.RESTING
    return (fx.Rest(attempt.key, KILL_REST_S),)


def observe(attempt: Attempt, news: JobObserved, now: float) -> None:
    """News of the run. UNKNOWN changes nothing; an end is never taken back."""
    if news.text and news.offset > attempt.offset:
        attempt.log.feed(news.text)
    attempt.offset = max(attempt.offset, news.offset)
    match news.observation:
        case Observation.QUEUED if attempt.observed is not Observation.ENDED:
            # it will begin by itself, so the GPU is its own from here on; how long it may run does not count yet
            attempt.observed, attempt.absent_at = Observation.QUEUED, None
            attempt.claim, attempt.launched_at, attempt.waits = Claim.MADE, None, news.evidence
        case Observation.RUNNING if attempt.observed is not Observation.ENDED:
            attempt.observed, attempt.absent_at, attempt.waits = Observation.RUNNING, None, ""
            _claimed(attempt, now)
        case Observation.ENDED | Observation.KILLED:
            _over(attempt, news, now)
        case Observation.ABSENT:
            _absent(attempt, now)


def _claimed(attempt: Attempt, now: float) -> None:
    attempt.claim = Claim.MADE
    if attempt.launched_at is None:
        attempt.launched_at = now


def _over(attempt: Attempt, news: JobObserved, now: float) -> None:
    _claimed(attempt, now)
    if attempt.exit is None:
        attempt.observed, attempt.exit, attempt.evidence = news.observation, news.exit, news.evidence
    if attempt.exit is not None:
        attempt.observed = Observation.ENDED
        attempt.started, attempt.finished = attempt.exit.started, attempt.exit.ended
    attempt.gone = attempt.gone or news.group_gone
    if attempt.ended_at is None:
        attempt.ended_at = now


def _absent(attempt: Attempt, now: float) -> None:
    if attempt.state is AttemptState.LAUNCHING and attempt.claim is Claim.UNKNOWN:
        if attempt.doing is Doing.NOTHING:
            attempt.claim = Claim.ABSENT
    elif attempt.claim is Claim.MADE and attempt.absent_at is None:
        attempt.absent_at = now
    elif attempt.state is AttemptState.ENDED and not attempt.end_known:
        attempt.observed = Observation.ABSENT


def cancel(attempt: Attempt, reason: str) -> tuple[fx.Effect, ...]:
    """It is no longer wanted. Said again it cuts no pause short."""
    again, attempt.cancelled = bool(attempt.cancelled), attempt.cancelled or reason
    if attempt.holds:
        attempt.kill = attempt.kill or reason
    return () if again else _drop_transfer(attempt)


def hand_back(attempt: Attempt, reason: str) -> tuple[fx.Effect, ...]:
    """The GPU cannot take it for a while: it may go elsewhere."""
    attempt.handed_back = attempt.handed_back or reason
    return _drop_transfer(attempt)


def returned(attempt: Attempt, reason: str) -> tuple[fx.Effect, ...]:
    """The scheduler has a better place for it: given back, unless it is on its way to its launch."""
    return hand_back(attempt, reason) if attempt.before_launch else ()


def _drop_transfer(attempt: Attempt) -> tuple[fx.Effect, ...]:
    moving = attempt.doing in (Doing.STAGING, Doing.FETCHING)
    if moving or attempt.doing is Doing.RESTING:
        attempt.doing = Doing.NOTHING
    return (fx.Abandon(attempt.key),) if moving else ()


def disown(attempt: Attempt) -> tuple[fx.Effect, ...]:
    """The ledger holds no open attempt of this key: nothing is written for it, and what runs of it is ended."""
    told = fx.NotOurs(attempt.key, opened=attempt.state is not None)
    attempt.disowned, attempt.cancelled = True, "the ledger holds no open attempt of it"
    attempt.doing, attempt.goal = Doing.NOTHING, None
    if attempt.state in AFTER_LAUNCH and attempt.holds and attempt.claim is not Claim.NEVER:
        attempt.state, attempt.kill = AttemptState.RUNNING, attempt.cancelled
    else:
        attempt.state = AttemptState.WITHDRAWN
    return (told,)


def tick(attempt: Attempt, now: float, kill_grace_s: float) -> None:
    """What the passing of time alone decides."""
    if attempt.state not in AFTER_LAUNCH or attempt.gone or attempt.kill or attempt.claim is not Claim.MADE:
        return
    limit = attempt.request.wall_limit_s
    if attempt.launched_at is not None and now - attempt.launched_at > limit + kill_grace_s:
        attempt.kill = f"it runs beyond its wall-clock limit of {limit} s"
    elif attempt.ended_at is not None and now - attempt.ended_at > LEFTOVER_S:
        attempt.kill = "processes of it are left after its end"
    elif attempt.absent_at is not None and now - attempt.absent_at > VANISHED_S:
        attempt.kill, attempt.observed = "its run directory vanished", Observation.ABSENT
