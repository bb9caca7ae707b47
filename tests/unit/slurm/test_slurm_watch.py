"""The watch of a cluster's runs over a shell that answers from a list: what is asked, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from actors.errors import MqiError
from actors.slurm.cluster import Cluster
from actors.slurm.options import job_name
from actors.slurm.shell import Said, ShellError, lost
from actors.slurm.verdict import Patience
from actors.slurm.watching import Observed, Pace, Watch
from messages.jobs import JobObserved, Observation, WatchJob
from tests.kit.probe import Probe

WORKSPACE = "/w"
KEY = "c/1/1"
RUN_DIR = "/w/c/1/1"
FILES = "run 1\nclaim made\nstarted {}\nslurm 7 0\nsubmitted 7\n"
NEW = "run 1\nclaim absent\nfolder\nsubmitted 7\n"


def listed(*jobs: tuple[int, str]) -> str:
    name = job_name(KEY, WORKSPACE)
    lines = [f"job {number}|{name}|{state}|None|0|N/A|N/A|N/A|\n" for number, state in jobs]
    return f"clock 2026-11-23T10:00:00\n{''.join(lines)}job-code 0\n"


class Answers:
    """A shell: each script gets the next answer; None: it is lost."""

    def __init__(self, answers: Iterable[str | None], ring: Callable[[], None]) -> None:
        self._answers = list(answers)
        self._ring = ring
        self.asked: list[str] = []

    @property
    def spent(self) -> bool:
        return not self._answers

    def run(
        self, script: str, *, timeout_s: float, cancel: Callable[[], bool] = lambda: False, prelude: str = ""
    ) -> Said:
        del timeout_s, cancel, prelude
        self.asked.append(script)
        answer = self._answers.pop(0)
        if self.spent:
            self._ring()
        if answer is None:
            raise lost("it was cut")
        return Said(answer)

    def cut(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def watch() -> Watch:
    return Watch(WORKSPACE, Pace(files_s=0, queue_s=0, idle_s=0), Patience(lag_s=0, forgotten_s=30))


def hear(watch: Watch, *answers: str | None) -> tuple[list[JobObserved], list[str]]:
    """What is told while the shell says this, and what it was asked."""
    shell, told = Answers(answers, watch.ring), list[object]()
    try:
        watch.loop(Cluster(shell, WORKSPACE), told.append, lambda: shell.spent)
    except MqiError as error:
        assert isinstance(error, ShellError)
    return [one.news for one in told if isinstance(one, Observed)], shell.asked


@pytest.mark.promise("P29")
def test_a_run_that_is_ordered_while_there_is_no_shell_is_looked_up_by_its_name(watch: Watch) -> None:
    watch.order(WatchJob(Probe("worker"), KEY, RUN_DIR))
    (away,) = watch.lost("The link is lost.")
    assert away.news.observation is Observation.UNKNOWN
    news, _ = hear(watch, listed((7, "PENDING")) + NEW)
    assert [one.observation for one in news] == [Observation.QUEUED]


def test_doubt_begins_anew_after_a_time_without_a_shell() -> None:
    watch = Watch(WORKSPACE, Pace(files_s=0, queue_s=0), Patience(lag_s=0, forgotten_s=0.0001))
    watch.order(WatchJob(Probe("worker"), KEY, RUN_DIR))
    hear(watch, listed() + FILES)
    watch.lost("The link is lost.")
    news, _ = hear(watch, listed() + FILES)
    assert [one.observation for one in news] == [Observation.UNKNOWN], "one look proves nothing"


def test_a_job_that_is_left_over_is_cancelled_also_when_the_shell_is_lost_meanwhile(watch: Watch) -> None:
    watch.order(WatchJob(Probe("worker"), KEY, RUN_DIR))
    never = listed((7, "PENDING")).replace("|None|", "|DependencyNeverSatisfied|")
    _, asked = hear(watch, never + NEW, None)
    assert f"cancel {job_name(KEY, WORKSPACE)} 7" in asked[1]
    watch.lost("The link is lost.")
    _, asked = hear(watch, never + NEW, never + NEW)
    assert f"cancel {job_name(KEY, WORKSPACE)} 7" in asked[0]


@pytest.mark.promise("P15")
def test_a_second_job_that_waits_does_not_hide_the_end_of_the_one_that_ran(watch: Watch) -> None:
    watch.order(WatchJob(Probe("worker"), KEY, RUN_DIR))
    news, _ = hear(watch, listed((7, "NODE_FAIL"), (8, "PENDING")) + FILES)
    assert [one.observation for one in news] == [Observation.KILLED]
    assert "Slurm job 7: its node failed" in news[0].evidence


def test_a_log_that_reads_like_a_fact_is_none(watch: Watch) -> None:
    watch.order(WatchJob(Probe("worker"), KEY, RUN_DIR))
    claimed = "run 1\nclaim made\nslurm 7 0\n"  # a claim that is void and not started would be over
    news, _ = hear(watch, f"{listed((7, 'PENDING'))}{claimed}log 1 0\nvoid\n.\n")
    assert [one.observation for one in news] == [Observation.RUNNING]


def test_the_accounting_is_asked_once_for_all_that_the_queue_forgot_and_only_with_the_queue() -> None:
    watch = Watch(WORKSPACE, Pace(files_s=0, queue_s=1000), Patience(lag_s=0, forgotten_s=1000))
    keys = (KEY, "c/2/1")
    for key in keys:
        watch.order(WatchJob(Probe("worker"), key, f"/w/{key}"))
    both = FILES + FILES.replace("run 1", "run 2")
    _, asked = hear(watch, listed() + both, both)
    assert "sacct" not in "".join(asked)
    assert "books" not in asked[1]
    past = "".join(f"past {at}|{job_name(key, WORKSPACE)}|NODE_FAIL|None\n" for at, key in enumerate(keys, 7))
    news, asked = hear(watch, listed() + past + both)
    assert asked[0].count("books") == 1
    assert all("its node failed" in one.evidence for one in news)
    assert len(news) == len(keys)
