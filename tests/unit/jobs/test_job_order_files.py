"""What is written for the wrapper: every word quoted, everything unfit refused."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import MqiError
from actors.jobs import (
    ATTEMPT,
    RUN_DIR,
    job_files,
    launch_command,
    launch_environment,
    run_mark,
    wrapper_name,
    wrapper_script,
)
from messages.jobs import JobSpec

JOB = JobSpec("case/3/1", "/site/case/3/1", 7, ("engine", "in/input.txt"), (("CUDA_VISIBLE_DEVICES", "GPU-1"),), 60)
MARKS = {ATTEMPT: "case/3/1", RUN_DIR: "/site/case/3/1"}
MARKED = [f"{name}={value}" for name, value in MARKS.items()]
WORD = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)


def launch_words(job: JobSpec) -> list[str]:
    """The words of the launch function, as a shell would read them."""
    text = job_files(job)["job.sh"].decode("utf-8", "surrogateescape")
    _, _, body = text.partition("mqi_launch() { ")
    return shlex.split(body.rstrip().removesuffix("; }"))


def test_a_job_is_written_for_people_and_for_the_wrapper() -> None:
    files = job_files(JOB)
    told = json.loads(files["job.json"])
    assert told["key"] == "case/3/1"
    assert told["command"] == ["engine", "in/input.txt"]
    assert told["environment"] == {"CUDA_VISIBLE_DEVICES": "GPU-1", **MARKS}
    assert told["wrapper"] == wrapper_name()
    lines = files["job.sh"].decode().splitlines()
    assert "mqi_mark=MQI_RUN_DIR=/site/case/3/1" in lines
    assert "mqi_epoch=7" in lines
    assert "mqi_wall_limit=60" in lines


@given(st.lists(WORD, max_size=8), WORD)
def test_no_word_is_ever_more_than_a_word(words: list[str], value: str) -> None:
    job = replace(JOB, command=("engine", *words), environment=(("A", value),))
    assert launch_words(job) == ["exec", "env", f"A={value}", *MARKED, "$@", "engine", *words]


def test_the_marks_are_always_the_jobs_own() -> None:
    others = ((ATTEMPT, "another"), (RUN_DIR, "/another"))
    assert launch_words(replace(JOB, environment=others))[2:4] == MARKED
    assert launch_environment({**dict(others), "PATH": "/bin"}) == {"PATH": "/bin"}
    assert run_mark("/site//case/3/1/") == MARKED[1]


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (replace(JOB, run_dir="relative"), "not absolute"),
        (replace(JOB, run_dir="/site/a\nb"), "has a line end"),
        (replace(JOB, command=()), "no command"),
        (replace(JOB, command=("", "x")), "no command"),
        (replace(JOB, wall_limit_s=0), "limit is 0 s"),
        (replace(JOB, key=""), "is empty or has a line end"),
        (replace(JOB, key="a\nb"), "is empty or has a line end"),
        (replace(JOB, environment=(("A B", "x"),)), "no name for an environment variable"),
        (replace(JOB, environment=(("1A", "x"),)), "no name for an environment variable"),
        (replace(JOB, environment=(("A\n", "x"),)), "no name for an environment variable"),
        (replace(JOB, command=("engine", "a\0b")), "cannot be passed on"),
        (replace(JOB, environment=(("A", "a\0b"),)), "cannot be passed on"),
        (replace(JOB, command=("engine", "\ud800")), "cannot be written as bytes"),
        (replace(JOB, command=("engine", "x" * 130_000)), "too long"),
        (replace(JOB, command=("engine", *["x" * 100_000] * 11)), "too long"),
    ],
)
def test_a_job_that_no_process_could_be_started_with_is_refused(job: JobSpec, why: str) -> None:
    with pytest.raises(MqiError, match=why) as caught:
        job_files(job)
    assert caught.value.fault.kind == "job-unfit"


def test_the_wrapper_is_known_by_its_content() -> None:
    assert wrapper_script().startswith(b"#!/bin/sh\n")
    assert wrapper_name().startswith("wrapper-")
    assert wrapper_name().endswith(".sh")
    assert launch_command("/w.sh", "/run dir")[-3:] == ("sh", "/w.sh", "/run dir")
