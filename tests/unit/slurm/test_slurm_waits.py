"""What the next job is expected to wait, from what the latest ones met."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from actors.slurm.queue import QueuedJob, read_queue
from actors.slurm.waits import FORGOTTEN_S, LATEST, Waits

NOON = datetime.fromisoformat("2026-11-23T12:00:00")


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def job(
    number: int, state: str, *, submitted: float, start: float | None = None, reason: str = "", name: str = "mqi-0"
) -> QueuedJob:
    begins = at(start) if start is not None else ""
    return QueuedJob(str(number), name, state, reason, start=begins, submitted=at(submitted))


def expected(*jobs: QueuedJob, now: float = 0.0) -> float:
    waits = Waits()
    waits.hear(jobs, at(now))
    return waits.expected_s


@pytest.mark.parametrize(
    ("one", "wait_s"),
    [
        (job(1, "RUNNING", submitted=-900, start=-300), 600),
        (job(1, "COMPLETED", submitted=-900, start=-300), 600),
        (job(1, "PENDING", submitted=-900, reason="Priority"), 900),
        (job(1, "PENDING", submitted=-900, start=2700, reason="Resources"), 3600),
        (job(1, "PENDING", submitted=-900, start=-500, reason="Resources"), 900),
        (job(1, "RUNNING", submitted=-900, start=-898), 0),  # Slurm's own pace
        (job(1, "PENDING", submitted=-900, reason="JobHeldAdmin"), 0),
        (job(1, "CANCELLED", submitted=-900, start=-10), 0),
        (job(1, "RUNNING", submitted=-900, start=-300, name="somebody-else"), 0),
        (QueuedJob("1", "mqi-0", "RUNNING", restarts=1, start=at(-300), submitted=at(-900)), 0),
        (QueuedJob("1", "mqi-0", "RUNNING", start=at(-300)), 0),
        (QueuedJob("1", "mqi-0", "RUNNING", start="soon", submitted=at(-900)), 0),
    ],
)
def test_what_one_job_says(one: QueuedJob, wait_s: float) -> None:
    assert expected(one) == wait_s


def test_the_latest_count_and_one_odd_one_does_not() -> None:
    calm = [job(n, "COMPLETED", submitted=n - 100, start=n - 99) for n in range(5)]
    assert expected(*calm, job(9, "RUNNING", submitted=-50, start=-1)) == 0
    waits = Waits()
    waits.hear(calm, at(0))
    waits.hear([job(n, "PENDING", submitted=n, reason="Resources") for n in range(10, 10 + LATEST)], at(1000))
    assert waits.expected_s == pytest.approx(1000 - 10 - LATEST // 2)
    waits.hear([], at(FORGOTTEN_S + 2000))
    assert waits.expected_s == 0, "what was met long ago says nothing"


def test_without_the_clusters_clock_nothing_is_learned() -> None:
    waits = Waits()
    waits.hear([job(1, "PENDING", submitted=-900)], "")
    assert waits.expected_s == 0


def test_the_queue_brings_clock_and_submissions() -> None:
    lines = [("clock", at(0)), ("job", f"7|mqi-1|PENDING|Priority|0|N/A|N/A|{at(-60)}|"), ("job-code", "0")]
    heard = read_queue(lines)
    assert heard is not None
    assert (heard.clock, heard.jobs["mqi-1"].submitted) == (at(0), at(-60))
