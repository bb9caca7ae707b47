"""Records about beams and their attempts."""

from __future__ import annotations

import math
from typing import Any

from actors.ledger import queries as q
from actors.ledger.cases import the_case
from actors.ledger.codec import path_value, plain
from actors.ledger.journal import Journal
from actors.ledger.transitions import ATTEMPT, BEAM, check, refused
from messages.ledger import ExplainBeam, ForgiveBeam, MoveAttempt, MoveBeam, NoteProgress, OpenAttempt
from messages.states import OPEN_ATTEMPTS, AttemptState, BeamState, CaseState

_STARTS_RUNS = frozenset({CaseState.QUEUED, CaseState.RUNNING})


def move_beam(journal: Journal, record: MoveBeam) -> None:
    """A legal transition; to the state that it is in: only the reason is brought up to date."""
    row, reason = _the_beam(journal, record.case, record.beam), plain(record.reason)
    now = BeamState(row["state"])
    if not check(BEAM, f"Beam {record.beam} of case {record.case}", now, record.to):
        if row["reason"] != reason:
            journal.run(q.EXPLAIN_BEAM, case=record.case, beam=record.beam, reason=reason)
        return
    journal.run(
        q.MOVE_BEAM,
        case=record.case,
        beam=record.beam,
        state=record.to,
        reason=reason,
        progress=1.0 if record.to is BeamState.DONE else row["progress"],
    )
    journal.event(record.case, f"beam {record.beam}: {now} → {record.to}", reason)


def forgive_beam(journal: Journal, record: ForgiveBeam) -> None:
    """An operator's retry: a fresh budget."""
    row = _the_beam(journal, record.case, record.beam)
    if row["forgiven"] != row["attempt"]:
        journal.run(q.FORGIVE_BEAM, case=record.case, beam=record.beam)
        journal.event(record.case, f"beam {record.beam}: its {row['attempt']} attempts count no more")


def explain_beam(journal: Journal, record: ExplainBeam) -> None:
    """Why a beam waits; it changes often, and is no history."""
    _the_beam(journal, record.case, record.beam)
    journal.run(q.EXPLAIN_BEAM, case=record.case, beam=record.beam, reason=plain(record.reason))


def open_attempt(journal: Journal, record: OpenAttempt) -> None:
    """The intent of one run, before anything outside is touched."""
    beam = _the_beam(journal, record.case, record.beam)
    name = f"Beam {record.beam} of case {record.case}"
    case_state = CaseState(the_case(journal, record.case)["state"])
    if case_state not in _STARTS_RUNS:
        raise refused(f"Case {record.case} is {case_state}: nothing new is started for it.", kind="case-not-running")
    if record.key != f"{record.case}/{record.beam}/{record.attempt}":
        raise refused(f"{record.key} is not the key of attempt {record.attempt} of {name.lower()}.", kind="wrong-key")
    last = journal.one(q.LAST_ATTEMPT, case=record.case, beam=record.beam)
    if last is not None and AttemptState(last["state"]) in OPEN_ATTEMPTS:
        raise refused(f"{name} has an open attempt: {last['key']} is {last['state']}.", kind="attempt-open")
    if last is not None and record.attempt <= last["attempt"]:
        raise refused(f"{name} has had attempt {last['attempt']}: {record.attempt} is no new one.", kind="attempt-old")
    if beam["state"] != BeamState.INTERPRETED:
        raise refused(f"{name} is {beam['state']}: only an interpreted beam can be run.", kind="beam-not-ready")
    journal.run(
        q.ADD_ATTEMPT,
        key=record.key,
        case=record.case,
        beam=record.beam,
        attempt=record.attempt,
        host=record.host,
        gpu=record.gpu,
        worker=record.worker,
        epoch=journal.epoch,
        run_dir=path_value(record.run_dir),
        request=record.request,
    )
    journal.run(
        q.ASSIGN_BEAM,
        case=record.case,
        beam=record.beam,
        attempt=record.attempt,
        host=record.host,
        gpu=record.gpu,
    )
    what = f"beam {record.beam} attempt {record.attempt}: {AttemptState.INTENDED}"
    journal.event(record.case, what, f"{record.worker} {record.gpu}")


def move_attempt(journal: Journal, record: MoveAttempt) -> None:
    """A legal transition; to the state that it is in: evidence and times are added."""
    row = journal.one(q.ATTEMPT, key=record.key)
    if row is None:
        raise refused(f"There is no attempt {record.key}.", kind="no-such-attempt")
    now, evidence = AttemptState(row["state"]), plain(record.evidence)
    moved = check(ATTEMPT, f"Attempt {record.key}", now, record.to)
    if moved and record.to is AttemptState.LAUNCHING:
        _check_launch(journal, record.key, row["case"])
    if not moved and evidence in ("", row["evidence"]) and not (record.started or record.ended):
        return
    journal.run(
        q.MOVE_ATTEMPT,
        key=record.key,
        state=record.to,
        evidence=evidence or row["evidence"],
        launched=record.started or row["launched"],
        ended=record.ended or row["ended"],
        progress=1.0 if record.to is AttemptState.VERIFIED else row["progress"],
    )
    step = f"{now} → {record.to}" if moved else str(now)
    journal.event(row["case"], f"beam {row['beam']} attempt {row['attempt']}: {step}", evidence)


def _check_launch(journal: Journal, key: str, case: str) -> None:
    """Once a hold or a cancellation is on the disk, no engine is started for the case."""
    state = CaseState(the_case(journal, case)["state"])
    if state not in _STARTS_RUNS:
        raise refused(f"Case {case} is {state}: attempt {key} is not launched.", kind="case-not-running")


def note_progress(journal: Journal, record: NoteProgress) -> None:
    """0 to 1; what is smaller than before, or not a number, is ignored."""
    if not math.isfinite(record.progress):
        return
    values: dict[str, Any] = {
        "case": record.case,
        "beam": record.beam,
        "attempt": record.attempt,
        "progress": min(1.0, max(0.0, record.progress)),
    }
    journal.run(q.RAISE_ATTEMPT_PROGRESS, **values)
    journal.run(q.RAISE_BEAM_PROGRESS, **values)


def _the_beam(journal: Journal, case: str, beam: int) -> dict[str, Any]:
    row = journal.one(q.BEAM, case=case, beam=beam)
    if row is None:
        raise refused(f"There is no beam {beam} in case {case}.", kind="no-such-beam")
    return row
