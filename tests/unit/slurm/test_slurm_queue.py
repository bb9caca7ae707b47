"""What Slurm says of jobs, read: every state a job can have is waiting, active or an end, and named."""

from __future__ import annotations

import pytest

from actors.slurm.queue import ACTIVE, WAITING, QueuedJob, read_books, read_queue

STATES = [
    *("PENDING", "RUNNING", "SUSPENDED", "COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL", "PREEMPTED"),
    *("BOOT_FAIL", "DEADLINE", "OUT_OF_MEMORY", "CONFIGURING", "COMPLETING", "RESIZING", "REVOKED", "SPECIAL_EXIT"),
    *("REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SIGNALING", "STAGE_OUT", "STOPPED", "RESV_DEL_HOLD"),
]


def line(
    number: int, name: str, state: str, reason: str = "None", *, restarts: int = 0, start: str = "N/A"
) -> tuple[str, str]:
    return ("job", f"{number}|{name}|{state}|{reason}|{restarts}|{start}|N/A|")


@pytest.mark.parametrize("state", STATES)
def test_every_state_is_one_thing_and_has_words(state: str) -> None:
    job = QueuedJob("7", "n", state)
    assert [job.waiting, job.active, job.over].count(True) == 1
    assert job.told
    assert "None" not in job.told


def test_waiting_and_active_share_nothing() -> None:
    assert not WAITING & ACTIVE


def test_a_queue_is_read_by_name() -> None:
    heard = read_queue(
        [
            line(1, "a", "RUNNING", start="2026-11-23T06:42:47"),
            line(2, "b", "PENDING", "Priority", restarts=1),
            ("job-code", "0"),
        ]
    )
    assert heard is not None
    assert heard.fault == ""
    assert heard.jobs["a"] == QueuedJob("1", "a", "RUNNING", "", 0, "2026-11-23T06:42:47")
    assert heard.jobs["b"].told == "it waits: Slurm says Priority"


def test_of_two_jobs_with_one_name_the_one_that_has_not_ended_counts() -> None:
    for order in ((1, 2), (2, 1)):
        lines = {1: line(1, "a", "CANCELLED"), 2: line(2, "a", "RUNNING")}
        heard = read_queue([*(lines[n] for n in order), ("job-code", "0")])
        assert heard is not None
        assert heard.jobs["a"].number == "2"


@pytest.mark.parametrize(
    ("claimed", "submitted", "states", "number"),
    [
        ("1", "2", ("RUNNING", "RUNNING"), "1"),
        ("1", "1", ("COMPLETED", "PENDING"), "1"),
        ("", "2", ("PENDING", "PENDING"), "2"),
        ("", "1", ("CANCELLED", "PENDING"), "2"),
        ("", "1", ("CANCELLED", "COMPLETED"), "1"),
        ("9", "8", ("RUNNING", "PENDING"), "1"),
        ("", "", ("RUNNING", "PENDING"), "1"),
    ],
)
def test_of_two_jobs_with_one_name_the_one_of_the_claim_is_preferred(
    claimed: str, submitted: str, states: tuple[str, str], number: str
) -> None:
    heard = read_queue([*(line(at, "a", state) for at, state in enumerate(states, 1)), ("job-code", "0")])
    assert heard is not None
    found = heard.job("a", claimed, submitted)
    assert found is not None
    assert found.number == number
    assert heard.job("b", claimed, submitted) is None


@pytest.mark.parametrize(
    ("said", "code", "fault"),
    [
        (["slurm_load_jobs error: Unable to contact slurm controller (connect failure)"], "1", "Unable to contact"),
        ([], "124", "it took too long"),
        ([], "1", "squeue ended with code 1"),
    ],
)
@pytest.mark.promise("P29")
def test_no_answer_is_no_empty_queue(said: list[str], code: str, fault: str) -> None:
    heard = read_queue([*(("job", words) for words in said), ("job-code", code)])
    assert heard is not None
    assert fault in heard.fault
    assert read_queue([line(1, "a", "RUNNING")]) is None, "an answer that breaks off is none"


def test_odd_lines_are_passed_over() -> None:
    odd = [
        line(2, "b", "RUNNING"),
        ("job", "Slurm is about to be upgraded"),
        ("job", "x|a|RUNNING|None|0|N/A|N/A|"),
        ("job", "1|a|"),
        ("job-code", "0"),
    ]
    heard = read_queue(odd)
    assert heard is not None
    assert list(heard.jobs) == ["b"]


def test_reasons_are_named() -> None:
    held = QueuedJob("1", "a", "PENDING", "JobHeldAdmin", start="2026-11-23T10:00:00")
    assert held.told == "it waits: it is held by an administrator; Slurm expects to start it at 2026-11-23T10:00:00"
    lost = read_queue([line(1, "a", "PENDING", "launch_failed_requeued_held"), ("job-code", "0")])
    assert lost is not None
    assert "its start failed on the node" in lost.jobs["a"].told


def test_books_tell_the_newest_that_is_over() -> None:
    assert read_books([("past-code", "1"), ("past", "Slurm accounting storage is disabled")]) == {}
    lines = ("3|a|NODE_FAIL|2026-01-01T00:00:00", "4|a|CANCELLED by 0|Unknown", "5|b|FAILED|None", "x|b|FAILED|None")
    assert read_books([("past", line) for line in lines]) == {
        "a": QueuedJob("4", "a", "CANCELLED"),
        "b": QueuedJob("5", "b", "FAILED"),
    }


def test_a_runaway_job_in_the_books_is_no_news() -> None:
    assert read_books([("past", "3|a|RUNNING|Unknown"), ("past", "4|b|PENDING|Unknown")]) == {}


def test_an_answer_in_another_form_is_no_empty_queue() -> None:
    heard = read_queue([("job", "7|mqi-a|RUNNING|"), ("job-code", "0")])
    assert heard is not None
    assert "cannot be understood: 7|mqi-a" in heard.fault
