"""What each record does, record by record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from actors.ledger import reads
from actors.ledger.commit import SupersededError, commit
from messages.ledger import (
    REFUSED_FOR_GOOD,
    AdmitCase,
    AttemptRow,
    CaseRow,
    ClearAlarm,
    DecideCommand,
    ExplainBeam,
    MarkCleaned,
    MoveAttempt,
    MoveBeam,
    MoveCase,
    NoteEvent,
    NoteGpu,
    NoteHost,
    NoteInterpretation,
    NoteProgress,
    NoteVerdict,
    OrderCommand,
    RaiseAlarm,
    Record,
    ReleaseCase,
    SetPriority,
    SettleCommand,
    SightCase,
    Write,
)
from messages.states import AttemptState, BeamState, CaseState
from tests.integration.ledger.ledger_cases import (
    AT,
    admission,
    attempt,
    memory_ledger,
    must,
    running_case,
    source,
    whole_attempt,
    write,
)

LATER = "2026-11-23T02:00:00.000000+00:00"


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as opened:
        yield opened


def the_case(database: sqlite3.Connection, case: str = "c1") -> CaseRow:
    row = reads.one_case(database, case)
    assert row is not None
    return row


def the_attempt(database: sqlite3.Connection, case: str = "c1") -> AttemptRow:
    return reads.attempts_of(database, case)[-1]


def refusal(database: sqlite3.Connection, *records: Record) -> str:
    fault = write(database, *records)
    assert fault is not None, "it was written"
    return fault.kind


def what(database: sqlite3.Connection, case: str = "c1") -> list[str]:
    return [event.what for event in reads.events_of(database, case)]


SIGHTING = SightCase("c1", "identity", "/share/a", "beam 3 is missing", "1.2.3", "1.2", ("k1", "k2"))


@pytest.mark.promise("P11")
def test_an_incomplete_case_is_visible_with_its_reason(database: sqlite3.Connection) -> None:
    must(database, SIGHTING)
    row = the_case(database)
    assert (row.state, row.reason, row.source) == (CaseState.INCOMING, "beam 3 is missing", None)
    must(database, replace(SIGHTING, reason="layer 7 of beam 3 is missing", delivery_keys=("k1", "k2", "k3")))
    must(database, replace(SIGHTING, reason="layer 7 of beam 3 is missing"), at=LATER)
    assert the_case(database).reason == "layer 7 of beam 3 is missing"
    assert len(what(database)) == 2, "the same reason again is no news"
    must(database, MoveCase("c1", CaseState.INCOMPLETE, "nothing for 24 h"))
    must(database, admission("c1", keys=("k1", "k2")))
    assert the_case(database).state is CaseState.QUEUED, "it still starts if the rest arrives"
    assert the_case(database).reason == ""


def test_a_sighting_never_undoes_an_admission(database: sqlite3.Connection) -> None:
    must(database, admission("c1"))
    before = the_case(database)
    must(database, SIGHTING)
    assert the_case(database) == before


def test_admission_fixes_source_beams_and_deliveries(database: sqlite3.Connection) -> None:
    must(database, admission("c1"))
    row = the_case(database)
    assert row.source == source("c1")
    assert [(beam.number, beam.name, beam.state) for beam in row.beams] == [
        (2, "beam 2", BeamState.PENDING),
        (3, "beam 3", BeamState.PENDING),
    ]
    assert row.admitted is not None
    (known,) = reads.known_cases(database)
    assert known.delivery_keys == ("c1-a", "c1-b")


@pytest.mark.promise("P13")
def test_the_same_delivery_is_never_run_twice(database: sqlite3.Connection) -> None:
    must(database, admission("c1", keys=("a", "b")))
    must(database, admission("c1", keys=("a", "b")))
    assert len(what(database)) == 1, "the same admission again changes nothing"
    assert refusal(database, admission("c2", keys=("b", "c"))) == "delivery-claimed"
    assert reads.one_case(database, "c2") is None
    assert refusal(database, admission("c1", keys=("a", "b", "c"))) == "already-admitted"
    with pytest.raises(sqlite3.IntegrityError):
        database.execute("INSERT INTO deliveries VALUES ('a', 'c1')")


@pytest.mark.promise("P13")
def test_a_completed_case_takes_over_from_the_partial_one_it_supersedes(database: sqlite3.Connection) -> None:
    must(database, admission("c1", beams=(2,), keys=("a",), partial=True, missing=("beam 3",)))
    assert refusal(database, admission("c2", keys=("a", "b"))) == "delivery-claimed"
    must(database, admission("c2", keys=("a", "b"), supersedes="c1"))
    assert what(database)[-1] == "case: superseded by c2"
    assert {known.case: known.partial for known in reads.known_cases(database)} == {"c1": True, "c2": False}
    assert refusal(database, admission("c3", keys=("a",), supersedes="c2")) == "delivery-claimed"


def test_a_case_without_beams_is_not_admitted(database: sqlite3.Connection) -> None:
    assert refusal(database, AdmitCase(source("c1"), ())) == "no-beams"


def test_a_held_case_that_becomes_complete_stays_held(database: sqlite3.Connection) -> None:
    must(database, SIGHTING, MoveCase("c1", CaseState.HELD, "asked by A"), admission("c1", keys=("k1", "k2")))
    assert (the_case(database).state, the_case(database).held_from) == (CaseState.HELD, CaseState.QUEUED)
    assert the_case(database).reason == "asked by A"
    assert refusal(database, MoveCase("c1", CaseState.QUEUED)) == "illegal-transition"
    must(database, ReleaseCase("c1"))
    assert (the_case(database).state, the_case(database).held_from) == (CaseState.QUEUED, None)
    assert refusal(database, ReleaseCase("c1")) == "illegal-transition"


def test_a_cancelled_case_is_not_admitted_behind_the_operators_back(database: sqlite3.Connection) -> None:
    must(database, SIGHTING, MoveCase("c1", CaseState.CANCELLED))
    assert refusal(database, admission("c1")) == "illegal-transition"
    must(database, MoveCase("c1", CaseState.INCOMING, "retry"), admission("c1"))


@pytest.mark.promise("P19")
def test_a_case_is_done_only_when_its_beams_are(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), *whole_attempt("c1", 2))
    assert refusal(database, MoveCase("c1", CaseState.DONE)) == "beams-open"
    must(database, *whole_attempt("c1", 3), MoveCase("c1", CaseState.DONE))


def test_a_partial_case_is_done_without_the_beams_given_up(database: sqlite3.Connection) -> None:
    must(database, admission("c1", partial=True), MoveBeam("c1", 2, BeamState.INTERPRETED))
    must(database, MoveCase("c1", CaseState.RUNNING), MoveBeam("c1", 3, BeamState.CANCELLED))
    assert refusal(database, MoveCase("c1", CaseState.DONE)) == "beams-open"
    must(database, *whole_attempt("c1", 2), MoveCase("c1", CaseState.DONE))


@pytest.mark.promise("P18")
def test_a_retry_keeps_the_good_beams(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), *whole_attempt("c1", 2), attempt("c1", 3))
    must(database, MoveAttempt("c1/3/1", AttemptState.FAILED, "boom"), MoveBeam("c1", 3, BeamState.FAILED, "spent"))
    must(database, MoveCase("c1", CaseState.FAILED, "beam 3"), MarkCleaned("c1"), at=LATER)
    assert the_case(database).ended is not None
    must(database, MoveCase("c1", CaseState.QUEUED), MoveBeam("c1", 3, BeamState.INTERPRETED))
    row = the_case(database)
    assert (row.ended, row.cleaned, row.started is not None) == (None, False, True)
    assert refusal(database, MoveBeam("c1", 2, BeamState.INTERPRETED)) == "illegal-transition"
    assert refusal(database, attempt("c1", 2, 2)) == "beam-not-ready"
    must(database, MoveCase("c1", CaseState.RUNNING), *whole_attempt("c1", 3, 2), MoveCase("c1", CaseState.DONE))


@pytest.mark.promise("P28")
def test_a_beam_has_one_open_attempt(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), attempt("c1", 2))
    assert refusal(database, attempt("c1", 2, 2)) == "attempt-open"
    must(database, MoveAttempt("c1/2/1", AttemptState.WITHDRAWN, "another GPU"))
    assert refusal(database, attempt("c1", 2, 1)) == "attempt-old"
    must(database, attempt("c1", 2, 2))
    beam = the_case(database).beams[0]
    assert (beam.attempt, beam.host, beam.gpu) == (2, "h", "slot-0")


@pytest.mark.parametrize("state", [CaseState.HELD, CaseState.CANCELLED, CaseState.FAILED])
def test_nothing_new_is_started_for_a_case_that_may_not(database: sqlite3.Connection, state: CaseState) -> None:
    must(database, *running_case("c1"), MoveCase("c1", state))
    assert refusal(database, attempt("c1", 2)) == "case-not-running"


def test_a_wrong_key_is_refused(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"))
    assert refusal(database, replace(attempt("c1", 2), key="c1/3/1")) == "wrong-key"


def test_the_epoch_of_an_attempt_is_its_writers(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), attempt("c1", 2), epoch=77)
    assert the_attempt(database).epoch == 77


def test_evidence_and_times_of_an_attempt(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), *whole_attempt("c1", 2)[:5])
    row = the_attempt(database)
    assert (row.launched, row.evidence) == ("2024-02-29T10:20:00+09:00", "pid 7")
    must(database, MoveAttempt("c1/2/1", AttemptState.RUNNING, "picked up again"))
    events = len(what(database))
    must(database, MoveAttempt("c1/2/1", AttemptState.RUNNING, "picked up again"))
    assert len(what(database)) == events, "the same evidence again is no news"
    must(database, MoveAttempt("c1/2/1", AttemptState.ENDED, ended="2024-02-29T10:21:00+09:00"))
    row = the_attempt(database)
    assert (row.launched, row.ended, row.evidence) == (
        "2024-02-29T10:20:00+09:00",
        "2024-02-29T10:21:00+09:00",
        "picked up again",
    )
    assert [event.detail for event in reads.events_of(database, "c1") if "running" in event.what] == [
        "",
        "pid 7",
        "picked up again",
        "",
    ]


@pytest.mark.promise("P19")
def test_progress_never_goes_back_within_an_attempt(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), attempt("c1", 2))
    for value, expected in ((0.4, 0.4), (0.2, 0.4), (float("nan"), 0.4), (7.0, 1.0), (-1.0, 1.0)):
        must(database, NoteProgress("c1", 2, 1, value))
        assert (the_case(database).beams[0].progress, the_attempt(database).progress) == (expected, expected)
    must(database, MoveAttempt("c1/2/1", AttemptState.FAILED, "boom"), attempt("c1", 2, 2))
    must(database, NoteProgress("c1", 2, 1, 0.9))
    assert the_case(database).beams[0].progress == 0, "what an old attempt says is not this one's"


@pytest.mark.promise("P33")
def test_reasons_of_cases_and_beams(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), ExplainBeam("c1", 2, "all GPUs are busy"))
    assert the_case(database).beams[0].reason == "all GPUs are busy"
    must(database, MoveBeam("c1", 2, BeamState.INTERPRETED, "waits for gpu1"))
    assert the_case(database).beams[0].reason == "waits for gpu1"
    must(database, MoveCase("c1", CaseState.RUNNING, "one beam of two"))
    must(database, MoveCase("c1", CaseState.RUNNING, "one beam of two"))
    assert the_case(database).reason == "one beam of two"
    assert what(database)[-1] == "case: running"
    must(database, attempt("c1", 2))
    assert the_case(database).beams[0].reason == ""


def test_interpretation_verdict_priority(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"), NoteInterpretation("c1", "{}"), NoteVerdict("c1", '{"verdict": "review"}'))
    must(database, SetPriority("c1", 5), SetPriority("c1", 5))
    row = the_case(database)
    assert (row.interpretation, row.verdict, row.priority) == ("{}", '{"verdict": "review"}', 5)
    assert what(database)[-3:] == ["case: interpreted", "case: verdict", "case: priority 0 → 5"]


def test_an_open_cases_files_are_not_cleaned(database: sqlite3.Connection) -> None:
    must(database, *running_case("c1"))
    assert refusal(database, MarkCleaned("c1")) == "not-ended"
    must(database, MoveCase("c1", CaseState.CANCELLED), MarkCleaned("c1"), MarkCleaned("c1"))
    assert what(database).count("case: cleaned") == 1


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (MoveCase("x", CaseState.HELD), "no-such-case"),
        (MoveBeam("x", 2, BeamState.STAGED), "no-such-beam"),
        (ExplainBeam("x", 2, ""), "no-such-beam"),
        (attempt("x"), "no-such-beam"),
        (MoveAttempt("x/2/1", AttemptState.STAGED), "no-such-attempt"),
        (NoteVerdict("x", ""), "no-such-case"),
        (SettleCommand("x", "done"), "no-such-order"),
        (DecideCommand("x", "done"), "no-such-order"),
    ],
)
def test_what_does_not_exist_is_named(database: sqlite3.Connection, record: Record, kind: str) -> None:
    assert refusal(database, record) == kind


def test_hosts_and_gpus_tell_their_changes_once(database: sqlite3.Connection) -> None:
    must(database, NoteHost("h", "local", "up"), NoteGpu("h", 0, "GPU-1", "idle"))
    must(database, NoteHost("h", "local", "up", "fine"), NoteGpu("h", 0, "GPU-1", "busy", beam="c/2/1"), at=LATER)
    (host,), (gpu,) = reads.hosts(database), reads.gpus(database)
    assert (host.reason, host.at.isoformat()) == ("fine", "2026-11-23T01:02:03.000004+00:00")
    assert (gpu.state, gpu.beam, gpu.at.isoformat()) == ("busy", "c/2/1", "2026-11-23T02:00:00+00:00")
    must(database, NoteHost("h", "local", "suspended", "no answer"), NoteGpu("h", 0, "GPU-1", "quarantined", "Xid 79"))
    assert what(database, "") == [
        "host h: up",
        "gpu h/0: idle",
        "host h: up → suspended",
        "gpu h/0: busy → quarantined",
    ]


def test_an_alarm_stands_until_it_is_cleared(database: sqlite3.Connection) -> None:
    must(database, RaiseAlarm("disk-low:results", "3 GB left"))
    must(database, RaiseAlarm("disk-low:results", "2 GB left"), at=LATER)
    (alarm,) = reads.alarms(database)
    assert (alarm.text, alarm.since.isoformat()) == ("2 GB left", "2026-11-23T01:02:03.000004+00:00")
    must(database, ClearAlarm("disk-low:results"), ClearAlarm("disk-low:results"))
    assert reads.alarms(database) == ()
    assert what(database, "") == ["alarm disk-low:results: raised", "alarm disk-low:results: cleared"]


@pytest.mark.promise("P34")
def test_orders_wait_until_they_are_settled(database: sqlite3.Connection) -> None:
    must(database, admission("c1"))
    must(database, OrderCommand("o1", "cancel", "c1", user="kim"), OrderCommand("o2", "submit", "/s/\udcff\n"))
    must(database, OrderCommand("o1", "cancel", "c1", user="kim"))
    assert [(order.order, order.subject) for order in reads.open_orders(database)] == [
        ("o1", "c1"),
        ("o2", "/s/\udcff\n"),
    ]
    must(database, DecideCommand("o1", "cancelled"), ClearAlarm("what it changes"))
    assert [order.decided for order in reads.open_orders(database)] == ["cancelled", ""]
    must(database, SettleCommand("o1", "cancelled"), SettleCommand("o1", "again"), SettleCommand("o2", "taken"))
    assert reads.open_orders(database) == ()
    assert what(database)[-2:] == ["order: cancel c1", "order: cancel c1: settled"]


@pytest.mark.promise("P14")
def test_names_of_any_bytes_survive(database: sqlite3.Connection) -> None:
    path = "/share/\udcff\udcfe 김/a\nb"
    must(database, replace(SIGHTING, path=path, reason=f"{path} is changing"))
    assert reads.known_cases(database)[0].path == path
    assert "\\udcff" in the_case(database).reason
    must(database, admission("c1", path=path, plan_path=f"{path}/RP.dcm", keys=("k1",)))
    row = the_case(database)
    assert row.path == path
    assert row.source is not None
    assert row.source.plan_path == f"{path}/RP.dcm"


def test_history_is_append_only(database: sqlite3.Connection) -> None:
    must(database, NoteEvent("", "started", "boot 1"))
    for statement in ("UPDATE events SET what = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            database.execute(statement)


def test_every_final_refusal_is_announced_to_writers(database: sqlite3.Connection) -> None:
    kinds = {
        refusal(database, MoveCase("x", CaseState.HELD)),
        refusal(database, attempt("x")),
        refusal(database, AdmitCase(source("c1"), ())),
    }
    assert kinds <= REFUSED_FOR_GOOD


# --- commits of several writes ---


def batch(*writes: tuple[str, int, tuple[Record, ...]]) -> list[Write]:
    return [Write(f"r{index}", None, writer, epoch, records) for index, (writer, epoch, records) in enumerate(writes)]


@pytest.mark.promise("P19")
def test_a_refused_write_undoes_only_itself(database: sqlite3.Connection) -> None:
    good, bad = NoteEvent("", "kept"), MoveCase("nobody", CaseState.HELD)
    done = commit(
        database,
        batch(("a", 1, (good,)), ("b", 1, (NoteEvent("", "lost"), bad)), ("c", 1, (good,))),
        AT,
    )
    assert [fault.kind if fault else "" for fault in done.faults] == ["", "no-such-case", ""]
    assert what(database, "") == ["kept", "kept"]
    assert done.stale == (False, False, False)


@pytest.mark.promise("P28")
def test_an_older_incarnation_is_dropped_and_counted(database: sqlite3.Connection) -> None:
    note = NoteEvent("", "n")
    done = commit(database, batch(("a", 5, (note,)), ("a", 4, (note,)), ("b", 1, (note,)), ("a", 6, (note,))), AT)
    assert done.stale == (False, True, False, False)
    assert dict(database.execute("SELECT writer, epoch FROM fences").fetchall()) == {"a": 6, "b": 1}
    done = commit(database, batch(("a", 5, (note,))), AT)
    assert done.stale == (True,)
    assert reads.meta(database)["stale_writes"] == "2"
    assert len(what(database, "")) == 3


@pytest.mark.promise("P19")
def test_a_ledger_that_was_given_up_for_dead_writes_nothing_more(database: sqlite3.Connection) -> None:
    """It comes back out of a hang with mail in its hands."""
    note = NoteEvent("", "n")
    commit(database, batch(("a", 5, (note,))), AT, ("ledger", 1))
    commit(database, batch(("a", 6, (note,))), AT, ("ledger", 2))
    with pytest.raises(SupersededError, match="epoch 2 after 1"):
        commit(database, batch(("a", 5, (note,))), AT, ("ledger", 1))
    assert len(what(database, "")) == 2
    commit(database, batch(("a", 6, (note,))), AT, ("ledger", 2))
    assert len(what(database, "")) == 3


def test_a_fault_of_the_program_is_one_writers_own(database: sqlite3.Connection) -> None:
    done = commit(database, batch(("a", 1, (object(),)), ("b", 1, (NoteEvent("", "n"),))), AT)  # type: ignore[arg-type]
    assert done.faults[0] is not None
    assert (done.faults[0].kind, done.faults[1]) == ("write-invalid", None)
    done = commit(database, batch(("a", 1, (NoteEvent(None, "n"),))), AT)  # type: ignore[arg-type]
    assert done.faults[0] is not None
    assert "NOT NULL" in done.faults[0].what
