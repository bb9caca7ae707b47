"""What is written into a run directory before its engine is launched, and the command that launches it. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import resources
from pathlib import PurePosixPath

from actors.errors import MqiError
from messages.faults import Blame, Fault
from messages.jobs import JobSpec

GRACE_S = 5
"""Between TERM and KILL when a run is ended."""

ATTEMPT = "MQI_ATTEMPT"
"""Environment variable that tells a run's processes the attempt's key."""

RUN_DIR = "MQI_RUN_DIR"
"""Environment variable by which a run's processes are found wherever they went. Its value is the run directory, for
two systems on one host may have attempts with the same key, and neither may end the other's."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LONGEST_WORD = 120_000
"""Bytes; Linux takes no argument above 128 KiB."""
_ALL_WORDS = 1_000_000
_DETACH = '"$@" </dev/null &'


@cache
def wrapper_script() -> bytes:
    """The POSIX-sh wrapper, as shipped."""
    return resources.files(__package__).joinpath("wrapper.sh").read_bytes()


def wrapper_name() -> str:
    """Its file name on a host, with its hash: a running job keeps the wrapper that it started with."""
    return f"wrapper-{hashlib.sha256(wrapper_script()).hexdigest()[:16]}.sh"


def launch_command(wrapper: str, run_dir: str) -> tuple[str, ...]:
    """Argument list that starts ``wrapper`` for ``run_dir`` and returns at once.

    To be run in a session of its own (``setsid``); the wrapper's one line of answer comes on standard output.
    """
    return ("sh", "-c", _DETACH, "sh", "sh", wrapper, run_dir)


def launch_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment for the launch command: no run's mark may leak into another run."""
    return {name: value for name, value in inherited.items() if name not in (ATTEMPT, RUN_DIR)}


def run_mark(run_dir: str) -> str:
    """The entry in the environment of every process of the run in ``run_dir``."""
    return f"{RUN_DIR}={PurePosixPath(run_dir)}"


def job_files(job: JobSpec, grace_s: int = GRACE_S) -> dict[str, bytes]:
    """The files to write into the run directory, by name: ``job.json`` for people, ``job.sh`` for the wrapper.

    Every word of the job stands quoted in ``job.sh``; nothing of it is ever evaluated. Raises MqiError (kind
    ``job-unfit``) for a job that no process could be started with.
    """
    environment = _checked(job)
    job_json = json.dumps(asdict(job) | {"environment": environment, "wrapper": wrapper_name()}, indent=1) + "\n"
    return {"job.json": job_json.encode(), "job.sh": _shell(job, environment, grace_s)}


def _shell(job: JobSpec, environment: Mapping[str, str], grace_s: int) -> bytes:
    assignments = [shlex.quote(f"{name}={value}") for name, value in environment.items()]
    command = [shlex.quote(word) for word in job.command]
    launch = " ".join(["exec env", *assignments, '"$@"', *command])
    lines = (
        f"mqi_mark={shlex.quote(run_mark(job.run_dir))}",
        f"mqi_key_json={shlex.quote(json.dumps(job.key))}",
        f"mqi_epoch={int(job.epoch)}",
        f"mqi_wall_limit={int(job.wall_limit_s)}",
        f"mqi_grace={int(grace_s)}",
        f"mqi_wrapper={shlex.quote(wrapper_name())}",
        f"mqi_launch() {{ {launch}; }}",
    )
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def _checked(job: JobSpec) -> dict[str, str]:
    """The job's environment with its marks, or MqiError naming what is unfit."""
    environment = dict(job.environment) | {ATTEMPT: job.key, RUN_DIR: str(PurePosixPath(job.run_dir))}
    if not job.run_dir.startswith("/") or "\n" in job.run_dir:
        raise _unfit(job, f"its run directory {job.run_dir!r} is not absolute, or has a line end")
    if not job.key or "\n" in job.key:
        raise _unfit(job, f"its key {job.key!r} is empty or has a line end")
    if not job.command or not job.command[0]:
        raise _unfit(job, "it has no command")
    if job.wall_limit_s < 1:
        raise _unfit(job, f"its wall-clock limit is {job.wall_limit_s} s")
    for name in environment:
        if not _NAME.match(name):
            raise _unfit(job, f"{name!r} is no name for an environment variable")
    _check_words(job, (*job.command, job.key, *(f"{name}={value}" for name, value in environment.items())))
    return environment


def _check_words(job: JobSpec, words: tuple[str, ...]) -> None:
    total = 0
    for word in words:
        if "\0" in word:
            raise _unfit(job, f"{word[:80]!r} holds a character that cannot be passed on")
        try:
            size = len(word.encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError:
            raise _unfit(job, f"{word[:80]!r} cannot be written as bytes") from None
        total += size
        if size > _LONGEST_WORD or total > _ALL_WORDS:
            raise _unfit(job, f"its command and environment are too long ({word[:40]!r}…)")


def _unfit(job: JobSpec, why: str) -> MqiError:
    return MqiError(
        Fault(
            what=f"Run {job.key} cannot be launched: {why}.",
            where=job.run_dir,
            remedy="Correct the engine profile's command, environment or limit.",
            blame=Blame.OURS,
            kind="job-unfit",
        )
    )
