"""The JSON that outside programs rely on, and the sentences of ``why`` (P33)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.cli.failures import CommandError, ExitCode, code_of, lines
from actors.cli.views import cases_view, short, show_view, status_view
from actors.documents import case_document, case_progress, halting, show_document, status_document, why
from actors.errors import MqiError
from actors.settings import SettingsError
from actors.site import CASES
from messages.faults import Fault
from messages.ledger import AlarmRow, AttemptRow, BeamRow, CaseRow, EventRow, GpuRow, HostRow
from messages.operators import Holder
from messages.states import AttemptState, BeamState, CaseState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RESULTS = Path("/results")


def beam(number: int, state: BeamState, progress: float = 0.0, reason: str = "", attempt: int = 1) -> BeamRow:
    return BeamRow(number, f"B{number}", state, attempt, "gpu1", "GPU-0", progress, reason)


def case(state: CaseState, *beams: BeamRow, reason: str = "", **more: Any) -> CaseRow:
    fields: dict[str, Any] = {
        "case": "20260301-1",
        "state": state,
        "reason": reason,
        "priority": 0,
        "path": "/in/a",
        "plan_uid": "1.2",
        "study_uid": "1",
        "identity": "x",
        "seen": NOW - timedelta(hours=2),
        "admitted": None,
        "started": NOW - timedelta(hours=1),
        "ended": None,
        "source": None,
        "interpretation": "",
        "verdict": "",
        "cleaned": False,
        "beams": tuple(beams),
    }
    return CaseRow(**(fields | more))


def test_a_case_has_every_key_that_programs_rely_on() -> None:
    row = case(CaseState.RUNNING, beam(2, BeamState.DONE, 1.0), beam(3, BeamState.RUNNING, 0.5, "slow"))
    document = json.loads(json.dumps(case_document(row, NOW)))
    keys = ["case", "state", "reason", "priority", "path", "plan_uid", "seen", "started", "ended", "progress", "eta"]
    assert list(document) == [*keys, "eta_bound", "kind", "partial", "verdict", "review", "superseded_by", "beams"]
    assert document["progress"] == 0.75
    assert (document["partial"], document["verdict"]) == (False, None)
    assert document["ended"] is None
    assert datetime.fromisoformat(document["seen"]) == row.seen
    assert datetime.fromisoformat(document["eta"]) == NOW + timedelta(minutes=20)
    assert document["beams"][1] == {
        "number": 3,
        "name": "B3",
        "state": "running",
        "attempt": 1,
        "host": "gpu1",
        "gpu": "GPU-0",
        "progress": 0.5,
        "reason": "slow",
        "eta": None,
        "eta_bound": None,
    }


@given(
    st.sampled_from(CaseState),
    st.lists(st.builds(beam, st.integers(1, 9), st.sampled_from(BeamState), st.floats(-1, 2)), max_size=4),
)
def test_progress_is_between_0_and_1_and_1_is_done(state: CaseState, beams: list[BeamRow]) -> None:
    progress = case_progress(case(state, *beams))
    assert 0 <= progress <= 1
    all_done = bool(beams) and all(b.state is BeamState.DONE for b in beams)
    assert (progress == 1) is (state is CaseState.DONE or all_done)


def test_show_adds_attempts_history_and_what_was_found() -> None:
    row = case(CaseState.FAILED, beam(3, BeamState.FAILED), verdict='{"verdict": "suspect"}', interpretation="no json")
    key = "20260301-1/3/1"
    attempt = AttemptRow(
        key, "20260301-1", 3, 1, AttemptState.FAILED, "gpu1", "GPU-0", "w", 1, "/r", "{}", "", "2026", "exit 134", 0.2
    )
    event = EventRow(1, NOW, "20260301-1", "beam 3: ended", "detail")
    document = show_document(row, [attempt], [event], NOW)
    assert document["attempts"] == [
        {
            "beam": 3,
            "attempt": 1,
            "host": "gpu1",
            "gpu": "GPU-0",
            "key": key,
            "launched": None,
            "ended": "2026",
            "outcome": "failed",
            "evidence": "exit 134",
        }
    ]
    assert set(document["events"][0]) == {"at", "what", "detail"}
    assert document["result"] == {"verdict": "suspect"}
    assert document["verdict"] == "suspect"
    assert document["interpretation"] == "no json"
    text = show_view(document)
    for words in ("20260301-1  failed", "B3", "exit 134", "beam 3: ended", "suspect"):
        assert words in text


HOLDER = Holder(7, "2026-03-01T12:00:00+00:00", 3, "/s/control.sock")
ROWS: dict[str, Any] = {
    "counts": {CaseState.DONE: 2},
    "configured": [("gpu1", "local"), ("gpu2", "local")],
    "hosts": [HostRow("gpu1", "local", "up", "", NOW), HostRow("gone", "local", "up", "", NOW)],
    "gpus": [GpuRow("gpu1", 0, "GPU-0", "busy", "", "c/3/1", NOW)],
    "alarms": [AlarmRow("disk:state", NOW, "full")],
    "boot": 4,
}


def test_the_status_of_a_running_daemon() -> None:
    alarms = [{"id": "machine:hot", "since": "x", "text": "hot"}]
    live = {"memory_mb": 60.0, "restarts": 1, "alarms": alarms, "disks": [], "machine": None}
    status = status_document(HOLDER, live, **ROWS)
    assert status["daemon"]["state"] == "running"
    assert {"pid": 7, "boot": 3, "since": HOLDER.since}.items() <= status["daemon"].items()
    assert status["cases"] == {str(state): 2 * (state is CaseState.DONE) for state in CaseState}
    assert [host["name"] for host in status["hosts"]] == ["gpu1", "gpu2"]
    assert status["hosts"][0]["gpus"] == [{"index": 0, "uuid": "GPU-0", "state": "busy", "reason": "", "beam": "c/3/1"}]
    assert status["hosts"][1]["state"] == "suspended"
    assert status["alarms"] == alarms
    assert "machine" not in status
    text = status_view(status)
    for words in ("running: pid 7", "2 done", "gpu1 (local): up", "c/3/1", "ALARM"):
        assert words in text


def test_the_status_without_a_daemon_says_what_is_unknown() -> None:
    status = status_document(None, None, **ROWS)
    assert status["daemon"] == {"state": "stopped", "pid": None, "boot": 4, "since": None}
    gpu = status["hosts"][0]["gpus"][0]
    assert gpu["state"] == "unknown"
    assert "busy" in gpu["reason"]
    assert status["alarms"][0]["text"] == "full"
    assert "stopped" in status_view(status)


def test_a_daemon_that_does_not_answer_is_told_apart_from_none() -> None:
    status = status_document(Holder(7, "", None, ""), None, **ROWS)
    assert status["daemon"]["answers"] is False
    assert status["daemon"]["boot"] == 4
    assert "does not answer" in status_view(status)
    disks = [
        {"label": "state", "path": "/s", "free_gb": None, "min_free_gb": 1, "low": True},
        {"label": "results", "path": "/r", "free_gb": 5.0, "min_free_gb": 1, "low": False},
    ]
    assert "LOW" in status_view(status_document(HOLDER, {"disks": disks}, **ROWS))


def test_lists_for_people_are_short() -> None:
    assert cases_view([]) == "no cases"
    row = case(CaseState.QUEUED, beam(3, BeamState.PENDING), reason="word " * 100)
    text = cases_view([case_document(row, NOW)])
    assert len(text.splitlines()) == 2
    assert text.endswith("…")
    assert short("a\n b", 80) == "a b"


S, B = CaseState, BeamState


@pytest.mark.promise("P33")
@pytest.mark.parametrize(
    ("row", "words"),
    [
        (case(S.INCOMING, reason="beam 3 misses layer 4"), "It is not complete: beam 3 misses layer 4."),
        (case(S.INCOMING), "being looked at"),
        (case(S.INCOMPLETE, reason="beam 3 is missing"), "in time: beam 3 is missing; it starts if the rest arrives."),
        (case(S.QUEUED), "waits to be interpreted."),
        (case(S.QUEUED, beam(3, B.PENDING), beam(4, B.PENDING)), "Beams 3, 4: not interpreted yet."),
        (case(S.RUNNING, beam(3, B.INTERPRETED, reason="GPUs busy")), "Beam 3: waiting for a GPU (GPUs busy)."),
        (case(S.RUNNING, beam(3, B.STAGED)), "staged, waiting for its GPU"),
        (
            case(S.RUNNING, beam(3, B.RUNNING, 0.456, attempt=2), beam(4, B.DONE)),
            "Beam 3: running on gpu1/GPU-0 at 46% in attempt 2; 1 of 2 beams done.",
        ),
        (case(S.RUNNING, beam(3, B.ENDED)), "ended, being fetched"),
        (case(S.RUNNING, beam(3, B.COLLECTED)), "being verified"),
        (
            case(S.RUNNING, beam(3, B.FAILED, reason="exit 134"), beam(4, B.CANCELLED)),
            "Beam 3: failed (exit 134), beam 4: cancelled.",
        ),
        (case(S.RUNNING, beam(3, B.DONE)), "Every beam is verified (1 beam); the result is being published."),
        (
            case(S.HELD, reason="physicist asks"),
            "An operator holds it: physicist asks; mqi-actors release 20260301-1 lets it go on.",
        ),
        (case(S.DONE, beam(3, B.DONE), beam(4, B.DONE)), "2 beams verified and published in /results/20260301-1."),
        (case(S.DONE, beam(3, B.DONE), reason="review"), "(review)."),
        (case(S.FAILED, reason="No RT Ion Plan.\n"), "It failed: No RT Ion Plan."),
        (case(S.FAILED, beam(3, B.FAILED, reason="exit 134")), "It failed: beam 3: exit 134."),
        (case(S.FAILED), "It failed: no reason was told."),
        (case(S.CANCELLED, reason="wrong plan"), "An operator cancelled it: wrong plan."),
    ],
)
def test_every_state_says_why_in_one_sentence(row: CaseRow, words: str) -> None:
    sentence = why(row, running=True, results=RESULTS)
    assert words in sentence
    assert sentence.count("\n") == 0
    assert sentence.endswith(".")


@pytest.mark.promise("P33")
@pytest.mark.parametrize("state", list(CaseState))
@pytest.mark.parametrize("running", [True, False])
def test_no_state_is_without_a_sentence(state: CaseState, running: bool) -> None:
    sentence = why(case(state, beam(3, BeamState.PENDING)), running=running, results=RESULTS)
    assert len(sentence) > 20
    moves = state in (CaseState.INCOMING, CaseState.QUEUED, CaseState.RUNNING, CaseState.INCOMPLETE)
    assert ("No daemon is running" in sentence) is (moves and not running)


@pytest.mark.promise("P20")
def test_what_halts_all_new_work_is_said_of_what_waits_for_it() -> None:
    waits, runs = case(S.RUNNING, beam(3, B.INTERPRETED)), case(S.RUNNING, beam(3, B.RUNNING))
    assert "the disk is full" in why(waits, running=True, results=RESULTS, halted="the disk is full")
    assert "the disk is full" not in why(runs, running=True, results=RESULTS, halted="the disk is full")
    ready = case(S.RUNNING, beam(3, B.DONE))
    assert "held up: the disk is full." in why(ready, running=True, results=RESULTS, halted="the disk is full")
    alarms = [("disk:state", "No room."), ("gpu:1", "Hot."), ("ledger-write", "No ledger.")]
    assert halting(alarms) == "No room. No ledger."
    told = why(
        replace(waits, beams=tuple(replace(beam, reason="no new work starts") for beam in waits.beams)),
        running=True,
        results=RESULTS,
        halted="no new work starts",
    )
    assert told.count("no new work starts: no new work starts") == 1
    assert "(no new work" not in told


@pytest.mark.promise("P33", "P35")
def test_a_case_whose_own_actor_crashes_again_and_again_says_so() -> None:
    waits = case(S.QUEUED, beam(3, B.PENDING))
    alarms = [(f"actor:{CASES}/{name}", f"{name} crashed 3 times.") for name in (waits.case, "another")]
    said = why(waits, running=True, results=RESULTS, halted=halting(alarms, waits.case))
    assert f"{waits.case} crashed 3 times" in said
    assert "another" not in said
    assert not halting(alarms)


def test_errors_are_one_to_three_lines_with_their_exit_code() -> None:
    error = CommandError(ExitCode.LOCKED, "Another daemon.", "/state", "Stop it.")
    assert lines(error) == ["mqi-actors: Another daemon.", "  /state", "  Stop it."]
    assert code_of(error) == 5
    assert code_of(MqiError(Fault("damaged"))) == 2
    assert code_of(ValueError()) == 1
    assert lines(SettingsError("a.toml", ["one", "two"])) == ["one", "two"]
    assert "--debug" in lines(ValueError("x"))[-1]


def test_a_result_that_needs_a_look_says_so() -> None:
    """A partial or suspect dose is never told as if it were simply done."""
    verdict = json.dumps({"verdict": "review", "reasons": ["PARTIAL: beam 5 was not delivered."]})
    done = replace(case(S.DONE, beam(3, B.DONE)), verdict=verdict, reason="")
    told = why(done, running=True, results=RESULTS)
    assert told.endswith("(review: PARTIAL: beam 5 was not delivered).")
    plain = replace(done, verdict=json.dumps({"verdict": "accepted", "reasons": []}))
    assert why(plain, running=True, results=RESULTS).endswith(f"published in {RESULTS / done.case}.")


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ('{"what": "The dose is zero.", "remedy": "x"}', "The dose is zero."),
        ('{"maximum": 1.25, "notes": ["on the edge"]}', "dose of at most 1.25 Gy; on the edge"),
        ('{"exit_code": 3, "signal": null}', "exit code 3"),
        ('{"exit_code": null, "signal": 9}', "signal 9"),
        ('[{"path": "out/a.raw"}, {"path": "exit.json"}]', "out/a.raw, exit.json"),
        ('{"verdict": "accepted"}', "accepted"),
        ("this/gpu-0 slot-0", "this/gpu-0 slot-0"),
        ("[1]", "[1]"),
    ],
)
def test_show_tells_evidence_in_words(evidence: str, words: str) -> None:
    document = show_document(case(S.RUNNING), [], [EventRow(1, NOW, "c", "x", evidence)], NOW)
    assert show_view(document).endswith(f"x  {words}")
    assert "review" in show_view({**document, "result": {"verdict": "review", "reasons": ["look"]}})
