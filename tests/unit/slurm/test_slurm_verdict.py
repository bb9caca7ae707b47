"""What may be said of a run that Slurm has: only files prove an end; a job that is not in the queue proves nothing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.slurm.queue import QueuedJob
from actors.slurm.verdict import Judgement, Patience, RunFiles, files_of, judge
from messages.jobs import Observation

KEY = "c/1/1"
NEW = RunFiles("absent", folder=True)
BEGUN = RunFiles("made", started=True, restarts=0, submitted="7")
PATIENCE = Patience(lag_s=10, forgotten_s=30)
EXIT = json.dumps(
    {
        "key": KEY,
        "epoch": 1,
        "exit_code": 0,
        "signal": None,
        "timed_out": False,
        "cancelled": False,
        "started": "2026-11-23T10:00:00+09:00",
        "ended": "2026-11-23T10:00:01+09:00",
        "duration_s": 1.0,
        "boot_id": "b",
    }
)


def job(state: str, reason: str = "", restarts: int = 0) -> QueuedJob:
    return QueuedJob("7", "mqi-x", state, reason, restarts)


def found(files: RunFiles, what: QueuedJob | None, *, silence: str = "", lost_s: float = 0.0) -> Judgement:
    return judge(KEY, files, what, silence=silence, lost_s=lost_s, patience=PATIENCE)


@pytest.mark.parametrize(
    ("files", "what", "observation", "words"),
    [
        (NEW, None, Observation.ABSENT, "never started"),
        (NEW, job("PENDING", "Priority"), Observation.QUEUED, "Priority"),
        (NEW, job("CONFIGURING"), Observation.QUEUED, "configuring"),
        (NEW, job("PENDING", "JobHeldAdmin"), Observation.QUEUED, "held by an administrator"),
        (NEW, job("PENDING", "DependencyNeverSatisfied"), Observation.KILLED, "never satisfied"),
        (BEGUN, job("RUNNING"), Observation.RUNNING, "running"),
        (BEGUN, job("SUSPENDED"), Observation.RUNNING, "suspended"),
        (BEGUN, job("PENDING"), Observation.RUNNING, "it has begun"),
        (BEGUN, job("PENDING", "BeginTime", 1), Observation.KILLED, "restart 1"),
        (BEGUN, job("RUNNING", "", 1), Observation.KILLED, "restart 1"),
        (BEGUN, job("COMPLETING", "", 1), Observation.RUNNING, "being ended"),
        (BEGUN, job("NODE_FAIL"), Observation.UNKNOWN, "its node failed"),
        (BEGUN, None, Observation.UNKNOWN, "does not know"),
        (replace(NEW, submitted="7"), None, Observation.UNKNOWN, "does not know"),
        (RunFiles("unknown"), job("RUNNING"), Observation.UNKNOWN, "cannot be looked at"),
        (RunFiles("made", void=True), job("PENDING"), Observation.KILLED, "voided"),
    ],
)
def test_one_look(files: RunFiles, what: QueuedJob | None, observation: Observation, words: str) -> None:
    said = found(files, what)
    assert said.observation is observation
    assert words in said.evidence


@pytest.mark.parametrize("state", ["TIMEOUT", "OUT_OF_MEMORY", "PREEMPTED", "NODE_FAIL", "CANCELLED", "COMPLETED"])
def test_an_end_in_slurm_alone_is_believed_only_after_the_lag_and_is_named(state: str) -> None:
    assert found(BEGUN, job(state), lost_s=9).doubt
    late = found(BEGUN, job(state), lost_s=11)
    assert (late.observation, late.gone, late.exit) == (Observation.KILLED, True, None)
    assert job(state).told in late.evidence


@pytest.mark.promise("P24")
def test_vanished_from_the_queue_is_not_an_end() -> None:
    assert found(BEGUN, None, lost_s=29).observation is Observation.UNKNOWN
    late = found(BEGUN, None, lost_s=31)
    assert (late.observation, late.exit) == (Observation.KILLED, None)
    ended = found(replace(BEGUN, exit_text=EXIT), None)
    assert ended.observation is Observation.ENDED
    assert ended.exit is not None


def test_a_job_that_never_began_is_kept_from_beginning_before_it_is_given_up() -> None:
    assert found(NEW, job("CANCELLED"), lost_s=11).forestall
    assert found(replace(NEW, submitted="7"), None, lost_s=31).forestall
    assert not found(BEGUN, job("CANCELLED"), lost_s=11).forestall


def test_where_there_is_no_folder_nothing_can_begin_nor_be_kept_from_it() -> None:
    late = found(replace(NEW, folder=False), job("CANCELLED"), lost_s=11)
    assert (late.gone, late.forestall) == (True, False)


@pytest.mark.promise("P28")
def test_a_voided_run_whose_job_has_a_node_is_gone_only_after_the_lag() -> None:
    voided = RunFiles("made", void=True)
    assert found(voided, job("RUNNING"), lost_s=9).doubt
    assert found(voided, job("RUNNING"), lost_s=11).gone
    assert found(replace(voided, started=True), job("RUNNING"), lost_s=11).observation is Observation.RUNNING


@pytest.mark.promise("P24")
def test_a_void_that_came_too_late_does_not_shorten_the_wait_for_exit_json() -> None:
    assert found(replace(BEGUN, void=True), job("COMPLETED"), lost_s=9).doubt
    assert found(RunFiles("made", void=True), job("COMPLETED")).gone


@pytest.mark.promise("P28")
def test_processes_that_hold_the_lock_are_never_gone() -> None:
    for what in (job("FAILED"), None):
        said = found(replace(BEGUN, lock="held"), what, lost_s=1e6)
        assert (said.observation, said.gone) == (Observation.RUNNING, False)


@pytest.mark.promise("P29")
@given(
    claim=st.sampled_from(["made", "absent", "unknown"]),
    started=st.booleans(),
    lost_s=st.floats(0, 1e6),
    state=st.sampled_from(["", "PENDING", "RUNNING", "CANCELLED", "COMPLETED"]),
)
def test_a_silent_slurm_ends_nothing(claim: str, started: bool, lost_s: float, state: str) -> None:
    files = RunFiles(claim, started=started, submitted="7")
    said = found(files, job(state) if state else None, silence="Unable to contact slurm controller", lost_s=lost_s)
    assert said.observation is Observation.UNKNOWN
    assert not said.gone


@pytest.mark.parametrize("text", ["", "{", '{"key": "other/1/1"}', "null"])
def test_a_broken_or_foreign_exit_json_proves_nothing(text: str) -> None:
    assert found(replace(BEGUN, exit_text=text), job("RUNNING")).observation is Observation.RUNNING


def test_files_are_read_from_the_answer() -> None:
    told = {"claim": "made", "started": "{}", "slurm": "7 2", "submitted": "7", "lock": "held", "exit": "x"}
    assert files_of(told) == RunFiles("made", True, True, "x", False, 2, "held", "7", "7")
    assert files_of({}) == RunFiles("unknown")
    assert files_of({"claim": "absent"}).folder is False
    assert files_of({"claim": "made", "slurm": "7"}).restarts is None
