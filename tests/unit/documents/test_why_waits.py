"""The sentences of ``why`` with their numbers: cases that wait, GPUs, hosts (P33)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from actors.documents.around import Around, look_around
from actors.documents.forecast import Estimate, Forecast
from actors.documents.status import status_document
from actors.documents.waits import clock, ordinal, spoken_wait
from actors.documents.why import why
from actors.documents.why_places import why_gpu, why_host
from messages.ledger import AttemptRow, BeamRow, CaseRow, GpuRow, HaltRow, HostRow, PastRuns
from messages.operators import Holder
from messages.states import AttemptState, BeamState, CaseState

NOW = datetime.now().astimezone().replace(hour=14, minute=20, second=0, microsecond=0)
RESULTS = Path("/results")
SENTENCE = "beam 3 waits: gpu1/0 busy with c-other beam 2, gpu1/1 quarantined (Xid 48), gpu2/0 failed this beam before"
GPUS = (
    GpuRow("gpu1", 0, "GPU-a", "busy", "", "c-other/2/1", NOW - timedelta(hours=1)),
    GpuRow("gpu1", 1, "GPU-b", "quarantined", "Xid 48", "", NOW - timedelta(minutes=18)),
)
LATER = Estimate(NOW + timedelta(minutes=11), NOW + timedelta(minutes=20))
AROUND = Around(GPUS, (), Forecast({"c": LATER}, {("c-other", 2): LATER}), attempts=3)


def beam(state: BeamState, reason: str = "", number: int = 3, attempt: int = 1) -> BeamRow:
    return BeamRow(number, "B3", state, attempt, "gpu2", "GPU-c", 0.4, reason)


def case(*beams: BeamRow, state: CaseState = CaseState.RUNNING, reason: str = "") -> CaseRow:
    return CaseRow(
        "c", state, reason, 0, "/p", "", "", "", NOW, NOW, NOW, None, None, "", "", cleaned=False, beams=beams
    )


def failed(number: int, blame: str = "engine") -> AttemptRow:
    evidence = json.dumps({"what": "exit 139", "blame": blame})
    return AttemptRow(
        f"c/3/{number}", "c", 3, number, AttemptState.FAILED, "h", "g", "w", 1, "", "", "", "", evidence, 0
    )


@pytest.mark.promise("P33")
def test_a_beam_that_waits_says_for_what_since_when_and_until_when() -> None:
    row = case(beam(BeamState.INTERPRETED, SENTENCE))
    said = why(row, running=True, results=RESULTS, around=AROUND, attempts=[failed(1), failed(2, "host")])
    assert "gpu1/0 busy with c-other beam 2 until about 14:31" in said
    assert "gpu1/1 quarantined since 14:02 (Xid 48)" in said
    assert "in its second attempt of 3" in said, "what a host spoilt does not count"
    assert said.endswith("done about 14:31, by 14:40 in nine cases of ten.")
    assert "\n" not in said


@pytest.mark.promise("P28")
@pytest.mark.promise("P33")
@pytest.mark.parametrize("state", [CaseState.CANCELLED, CaseState.HELD])
def test_a_run_on_a_host_that_is_not_configured_any_more_says_what_it_waits_for(state: CaseState) -> None:
    row = case(beam(BeamState.RUNNING), state=state)
    said = why(row, running=True, results=RESULTS, around=replace(AROUND, hosts=("gpu1",)))
    assert "beam 3 was begun on gpu2, which is not configured any more" in said
    assert "until gpu2 is configured again" in said
    known = why(row, running=True, results=RESULTS, around=replace(AROUND, hosts=("gpu1", "gpu2")))
    assert "not configured" not in known


def test_attempts_that_were_forgiven_count_no_more() -> None:
    row = case(replace(beam(BeamState.INTERPRETED), forgiven=2))
    assert "attempt" not in why(row, running=True, results=RESULTS, around=AROUND, attempts=[failed(1), failed(2)])


@pytest.mark.promise("P33")
@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            case(beam(BeamState.RUNNING), state=CaseState.HELD, reason="held by kim"),
            "beam 3 runs on to its end on gpu2",
        ),
        (case(beam(BeamState.RUNNING), state=CaseState.CANCELLED), "beam 3 is being ended on gpu2/GPU-c."),
        (
            replace(case(beam(BeamState.PENDING), state=CaseState.QUEUED), started=None),
            "intake is paused by kim since",
        ),
    ],
)
def test_what_an_operator_ordered_is_said(row: CaseRow, words: str) -> None:
    around = replace(AROUND, halts=(HaltRow("", "kim", NOW),))
    assert words in why(row, running=True, results=RESULTS, around=around)


class Books:
    """A ledger's cases, in its order."""

    def __init__(self, *rows: CaseRow, halts: tuple[HaltRow, ...] = ()) -> None:
        self._rows, self._halts = rows, halts

    def open_cases(self) -> tuple[CaseRow, ...]:
        return self.cases(CaseState.QUEUED, CaseState.RUNNING)

    def cases(self, *states: CaseState) -> tuple[CaseRow, ...]:
        return tuple(row for row in self._rows if row.state in states)

    def gpus(self) -> tuple[GpuRow, ...]:
        return ()

    def halts(self) -> tuple[HaltRow, ...]:
        return self._halts

    def past_runs(self) -> PastRuns:
        return PastRuns((), (), ())


def line(*, paused: bool = False) -> Around:
    """One runs, a held one runs to its end, four are queued: a retry is the last of them; another held one waits."""
    queued = replace(case(beam(BeamState.PENDING), state=CaseState.QUEUED), started=None)
    rows = (
        *(replace(queued, case=f"queued-{n}") for n in range(3)),
        replace(queued, case="retried", started=NOW),
        replace(case(beam(BeamState.RUNNING)), case="running"),
        replace(case(beam(BeamState.RUNNING), state=CaseState.HELD), case="held"),
        replace(case(beam(BeamState.INTERPRETED), state=CaseState.HELD), case="waits"),
    )
    halts = (HaltRow("", "kim", NOW),) if paused else ()
    return look_around(Books(*rows, halts=halts), NOW, attempts=3, active_cases=3)


@pytest.mark.promise("P33")
def test_a_case_that_waits_for_a_place_says_how_many_are_ahead_of_it() -> None:
    around = line()
    queued = replace(case(beam(BeamState.PENDING), state=CaseState.QUEUED), started=None)
    assert around.ahead == {"queued-1": 3, "queued-2": 4, "retried": 5}
    said = why(replace(queued, case="queued-2"), running=True, results=RESULTS, around=around)
    assert said == "It waits to be begun: 4 cases are ahead of it (3 are worked on at once)."
    begun = why(replace(queued, case="queued-0"), running=True, results=RESULTS, around=around)
    assert begun == "Beam 3: not interpreted yet."
    one = replace(AROUND, active_cases=1, ahead={"c": 1})
    assert why(queued, running=True, results=RESULTS, around=one).startswith(
        "It waits to be begun: 1 case is ahead of it (1 is worked on at once); done about 14:31"
    )
    full = why(queued, running=True, results=RESULTS, around=one, halted="the disk is full")
    assert full.endswith("at once); no new work starts: the disk is full.")


def test_what_is_not_begun_while_intake_is_paused_is_ahead_of_nothing() -> None:
    assert line(paused=True).ahead == {}


GPU = GPUS[0]
DRAINED = replace(AROUND, halts=(HaltRow("gpu1", "kim", NOW),))


@pytest.mark.promise("P33")
@pytest.mark.parametrize(
    ("row", "around", "words"),
    [
        (GPU, AROUND, "gpu1/0 is busy with c-other beam 2 until about 14:31, by 14:40 in nine cases of ten."),
        (GPUS[1], AROUND, "gets no new work since 14:02: Xid 48; it takes work again when its driver"),
        (
            replace(GPUS[1], reason="two runs in a row failed here"),
            AROUND,
            "look at it, then: mqi-actors resume gpu1/1.",
        ),
        (replace(GPUS[1], reason="used by a stranger's process"), AROUND, "when that process is gone."),
        (replace(GPUS[1], reason="over temperature 93 °C"), AROUND, "when it has cooled"),
        (replace(GPU, state="idle", beam=""), AROUND, "is idle since 13:20: 2 beams wait"),
        (replace(GPU, state="unknown", reason="it hangs"), AROUND, "cannot be told: it hangs; c-other beam 2"),
        (GPU, DRAINED, "c-other beam 2 until about 14:31, by 14:40 in nine cases of ten goes on to its end"),
        (replace(GPU, beam=""), DRAINED, "nothing of ours runs there any more; mqi-actors resume gpu1 lets it"),
    ],
)
def test_every_state_of_a_gpu_has_its_sentence(row: GpuRow, around: Around, words: str) -> None:
    said = why_gpu(row, running=True, around=around, waiting=2)
    assert words in said
    assert said.endswith(".")
    assert "No daemon" in why_gpu(row, running=False, around=around)


@pytest.mark.promise("P33")
@pytest.mark.parametrize(
    ("row", "around", "words"),
    [
        (None, AROUND, "gpu1 was never seen."),
        (HostRow("gpu1", "ssh", "up", "", NOW), AROUND, "gpu1 is up since 14:20: 2 GPUs (1 busy, 1 quarantined)."),
        (HostRow("gpu1", "ssh", "suspended", "no route", NOW), AROUND, "since 14:20: no route; its own work waits"),
        (HostRow("gpu1", "ssh", "up", "", NOW), DRAINED, "to their end go on: c-other beam 2 until about 14:31"),
        (HostRow("gpu1", "ssh", "suspended", "no route", NOW), DRAINED, "it is suspended: no route; mqi-actors resume"),
    ],
)
def test_every_state_of_a_host_has_its_sentence(row: HostRow | None, around: Around, words: str) -> None:
    assert words in why_host("gpu1", row, GPUS, running=True, around=around)
    if row is not None:
        assert "No daemon" in why_host("gpu1", row, GPUS, running=False, around=around)


def test_a_drained_host_is_draining_as_long_as_something_runs_there() -> None:
    def host(*gpus: GpuRow) -> dict[str, object]:
        document = status_document(
            Holder(1, "", 1, ""),
            None,
            counts={},
            configured=[("gpu1", "ssh")],
            hosts=[HostRow("gpu1", "ssh", "up", "", NOW)],
            gpus=gpus,
            alarms=[],
            boot=1,
            halts=DRAINED.halts,
        )
        found: dict[str, object] = document["hosts"][0]
        return found

    assert (host(*GPUS)["state"], host(GPUS[1])["state"]) == ("draining", "drained")
    assert str(host(GPUS[1])["reason"]).startswith("drained by kim since")


def test_a_sentence_of_somebody_else_is_left_as_it_is() -> None:
    assert spoken_wait("beam 3 waits: no GPU has reported yet", AROUND) == "beam 3 waits: no GPU has reported yet"


def test_another_day_has_its_date() -> None:
    assert clock(NOW) == "14:20"
    assert clock(NOW - timedelta(days=3)) == (NOW - timedelta(days=3)).strftime("%Y-%m-%d %H:%M")
    assert [ordinal(n) for n in (1, 2, 11)] == ["first", "second", "11th"]
