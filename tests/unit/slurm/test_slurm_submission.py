"""What is asked of sbatch, and what its answer means: no, or nobody knows."""

from __future__ import annotations

import base64

import pytest

from actors.errors import MqiError
from actors.slurm.cluster import facts_of, lines_of, log_of, runs_of
from actors.slurm.examining import judge as judge_cluster
from actors.slurm.options import SlurmOptions, job_name, sbatch_words
from actors.slurm.standing import parse
from actors.slurm.steering import jobs_of, nice
from actors.slurm.submitting import Full, Unclear, judge
from messages.hosts import HostState
from messages.jobs import JobSpec

JOB = JobSpec("케이스 1/3/2", "/w/케이스 1/3/2", 5, ("engine",), (), 3600)


def test_options_are_words_and_nothing_is_asked_that_was_not_configured() -> None:
    words = sbatch_words(SlurmOptions(partition="gpu", gres="gpu:h200:1", extra=("--constraint=a b; rm -rf /",)), JOB)
    assert "--partition=gpu" in words
    assert "--gres=gpu:h200:1" in words
    assert "--comment=케이스 1/3/2" in words
    assert "--time=62" in words, "the wrapper's own limit comes first"
    assert words[-1] == "--constraint=a b; rm -rf /"
    assert "--export=ALL" in words, "anything else has a node run the user's login shell first"
    assert not any(word.startswith(("--account", "--qos", "--mem")) for word in words)
    assert "--time=02:00:00" in sbatch_words(SlurmOptions(time_limit="02:00:00"), JOB)


def test_names_are_one_run_of_one_workspace() -> None:
    names = {job_name(key, place) for key in ("a/1/1", "a/1/2", "b/1/1") for place in ("/w", "/v")}
    assert len(names) == 6
    assert all(name.isascii() and len(name) == 28 for name in names)


@pytest.mark.parametrize(
    "said",
    [
        "sbatch sbatch: error: Unable to contact slurm controller (connect failure)\nsbatch-code 1",
        "sbatch sbatch: error: Batch job submission failed: Socket timed out on send/recv operation\nsbatch-code 1",
        "sbatch sbatch: error: Batch job submission failed: Protocol authentication error\nsbatch-code 1",
        "sbatch sbatch: error: Munge encode failed: Failed to access socket\nsbatch-code 1",
        "sbatch-code 124",
        "sbatch-code 0",
        "unclear another submission of this run is still under way",
        "",
        "what is this",
    ],
)
@pytest.mark.promise("P16")
def test_an_answer_that_may_hide_an_accepted_job_is_no_refusal(said: str) -> None:
    with pytest.raises(Unclear):
        judge(JOB, lines_of(said))


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "sbatch sbatch: error: Batch job submission failed: Invalid partition name specified\nsbatch-code 1",
            "slurm-refused",
        ),
        ("outside", "outside-workspace"),
        ("run 0\nclaim made\nvoid", "run-void"),
        ("error cannot make the run directory", "launch-refused"),
    ],
)
def test_a_refusal_is_certain_and_named(said: str, kind: str) -> None:
    with pytest.raises(MqiError) as caught:
        judge(JOB, lines_of(said))
    assert caught.value.fault.kind == kind


_POLICY = (
    "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
)


@pytest.mark.parametrize(
    "said",
    [
        f"sbatch sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch sbatch: error: {_POLICY}\nsbatch-code 1",
        f"sbatch sbatch: error: AssocMaxSubmitJobLimit\nsbatch sbatch: error: {_POLICY}\nsbatch-code 1",
        f"sbatch sbatch: error: AssocGrpSubmitJobsLimit\nsbatch sbatch: error: {_POLICY}\nsbatch-code 1",
        f"sbatch sbatch: error: {_POLICY}\nsbatch-code 1",
    ],
)
def test_a_queue_that_takes_no_more_is_no_refusal(said: str) -> None:
    with pytest.raises(Full) as caught:
        judge(JOB, lines_of(said))
    assert "max_queued" in caught.value.fault.remedy


def test_another_limit_of_the_same_policy_is_a_refusal() -> None:
    said = f"sbatch sbatch: error: QOSMaxWallDurationPerJobLimit\nsbatch sbatch: error: {_POLICY}\nsbatch-code 1"
    with pytest.raises(MqiError, match="QOSMaxWall"):
        judge(JOB, lines_of(said))


def test_evidence_of_a_submission() -> None:
    assert judge(JOB, lines_of("run 0\nclaim absent\nsubmitted 17")) == "Slurm job 17"
    assert judge(JOB, lines_of("run 0\nclaim made\nstarted {}")) == "claimed before"


def test_parts_of_an_answer() -> None:
    lines = lines_of("job-code 0\nrun 1\nclaim made\nlog 1 5\naGVsbG8=\n.\nrun 2\nclaim absent\n")
    parts = dict(runs_of(lines))
    assert sorted(parts) == [1, 2]
    assert log_of(parts[1]) == (5, b"hello")
    assert log_of(parts[2]) is None
    spoof = lines_of("claim made\nlock held\nlog 1 0\nvoid\nexit\nlock\n.\n")
    assert facts_of(spoof) == {"claim": "made", "lock": "held"}
    assert log_of(spoof) == (0, base64.b64decode("voidexitlock"))
    assert log_of(lines_of("log 1 5\n@@\n.")) in (None, (5, b""))


def test_standing() -> None:
    seen = parse(lines_of("free 1000000\nload 0.5\nboot x\nclock 1"))
    assert seen.observed("c", "").state is HostState.UP
    assert seen.observed("c", "").boot_id == "", "runs are on other machines than the one that is asked"
    assert seen.observed("c", "Slurm does not answer").state is HostState.SUSPENDED
    assert (
        parse(lines_of("error the workspace cannot be used: no")).observed("c", "").reason.startswith("the workspace")
    )


def test_what_check_says_of_a_cluster() -> None:
    good = judge_cluster(
        lines_of(
            "has sbatch\nversion slurm-wlm 22.05.8\nping Slurmctld(primary) at vm is UP\nping-code 0\n"
            "job-code 0\nbooks-code 1\ntrial sbatch: Job 3 to start at …\ntrial-code 0"
        )
    )
    assert [line.ok for line in good] == [True, True, True, True]
    bad = list(
        judge_cluster(
            lines_of(
                "ping Slurmctld is UP\nping-code 0\njob-code 0\ntrial sbatch: error: invalid partition: x\ntrial-code 1"
            )
        )
    )
    assert not bad[-1].ok
    assert "invalid partition" in bad[-1].text
    assert "[hosts.slurm]" in bad[-1].remedy
    assert [line.name for line in judge_cluster(lines_of("lacks sbatch"))] == ["slurm"]
    old = list(
        judge_cluster(lines_of("ping Slurmctld is UP\nping-code 0\njob squeue: unrecognized option '--me'\njob-code 1"))
    )
    assert (old[-1].name, old[-1].ok) == ("queue", False)
    assert "--me" in old[-1].text
    down = list(judge_cluster(lines_of("ping-code 1\nping Slurmctld(primary) at vm is DOWN")))
    assert not down[-1].ok
    assert down[-1].name == "slurmctld"


def test_only_this_sites_waiting_jobs_of_the_case_are_steered() -> None:
    def line(number: int, key: str, place: str = "/w") -> str:
        return f"waiting {number}|{job_name(key, place)}|{key}   "

    told = [line(1, "c/1/1"), line(2, "c/12/3"), line(3, "cc/1/1"), line(4, "c/1/1", "/elsewhere"), "waiting-code 0"]
    assert jobs_of("c", lines_of("\n".join([*told, "waiting 5|someone|c/1/1"])), "/w") == ("1", "2")


def test_a_higher_priority_is_a_lower_nice_and_never_below_nothing() -> None:
    assert [nice(priority) for priority in (-10_000, -1, 0, 1, 50)] == [10_000, 110, 100, 90, 0]
