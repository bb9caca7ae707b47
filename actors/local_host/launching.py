"""Starting a run on this machine: its files, the wrapper, and the wrapper's one line of answer."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import job_files, launch_command, launch_environment, wrapper_name, wrapper_script
from actors.local_host import looking
from actors.local_host.places import below
from messages.faults import Blame, Fault
from messages.jobs import JobSpec

WRAPPERS = ".wrappers"
"""Folder of the workspace that holds the wrapper, under its hash."""
ANSWER_WITHIN_S = 20.0
_BEGINS_WITHIN_S = 2.0
_POLL_S = 0.005


def launch(job: JobSpec, workspace: Path, pause: Callable[[float], object] = time.sleep) -> str:
    """Start the run unless it is claimed; what the wrapper wrote of itself.

    Raises MqiError only when it is certain that this attempt does not run and never will, or that it cannot even be
    written down. ``pause`` waits so many seconds.
    """
    run_dir = below(workspace, Path(job.run_dir))
    files = job_files(job)
    if not _claimed(run_dir):
        try:
            wrapper = _install(workspace)
            with effect("launch.write"):
                run_dir.mkdir(parents=True, exist_ok=True)
                for name, content in files.items():
                    _write_whole(run_dir / name, content)
            with effect("launch.start"):
                answer = _start(wrapper, run_dir, launch_environment(os.environ))
        except OSError as error:
            raise _refused(job, f"{error}") from error
        _judge(job, run_dir, answer)
    return _evidence(job, run_dir, pause)


def _judge(job: JobSpec, run_dir: Path, answer: str) -> None:
    """Raise for an answer that means: it does not run. No answer at all is made certain by taking the claim."""
    word, _, why = answer.partition(" ")
    if word == "refused":
        raise _refused(job, why)
    if word == "void":
        raise _refused(job, "its claim was voided before", "run-void")
    if word in ("started", "taken"):
        return
    try:
        voided = looking.void(run_dir)
    except OSError as error:
        # Everything that the launch started is gone (its output is closed), and it had made no claim.
        if _claimed(run_dir):
            return
        raise _refused(job, f"the wrapper gave no answer, and {error}") from error
    if voided:
        raise _refused(job, f"the wrapper did not begin ({answer or 'it gave no answer'})")


def _install(workspace: Path) -> Path:
    wrapper = workspace / WRAPPERS / wrapper_name()
    with contextlib.suppress(FileNotFoundError):
        if wrapper.read_bytes() == wrapper_script():
            return wrapper
    with effect("launch.install"):
        wrapper.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(wrapper, wrapper_script())
    return wrapper


def _write_whole(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}-{time.monotonic_ns()}")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _start(wrapper: Path, run_dir: Path, environment: Mapping[str, str]) -> str:
    """The wrapper's line; its error output, or nothing, when it gave none and is gone."""
    with subprocess.Popen(
        launch_command(str(wrapper), str(run_dir)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    ) as shell:
        assert shell.stdout is not None
        shell.wait()  # it only leaves the wrapper behind
        answer = _first_line(shell.stdout.fileno(), time.monotonic() + ANSWER_WITHIN_S)
        if answer is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)  # the wrapper; an engine would be in a session of its own
            answer = ""
    return answer


def _first_line(descriptor: int, deadline: float) -> str | None:
    """The first line; what there is at the end of output; None at the deadline."""
    text = b""
    while b"\n" not in text:
        ready, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0.0))
        if not ready:
            return None
        block = os.read(descriptor, 4096)
        if not block:
            break
        text += block
    return text.split(b"\n", 1)[0].decode("utf-8", "replace")


def _claimed(run_dir: Path) -> bool:
    return (run_dir / "claim").is_dir()


def _evidence(job: JobSpec, run_dir: Path, pause: Callable[[float], object]) -> str:
    """Pid, start time and boot id; a claim that is being made by another start is given a moment."""
    deadline = time.monotonic() + _BEGINS_WITHIN_S
    while (started := looking.read_started(run_dir)) is None and time.monotonic() < deadline:
        if (run_dir / "claim" / "void").exists():
            raise _refused(job, "its claim was voided before", "run-void")
        pause(_POLL_S)
    if started is None:
        return "claimed before; not begun yet"
    return f"pid {started.pid}, start tick {started.start_ticks}, boot {started.boot_id}, started {started.started}"


def _refused(job: JobSpec, why: str, kind: str = "launch-refused") -> MqiError:
    return MqiError(
        Fault(
            what=f"Run {job.key} was not started: {why}.",
            where=job.run_dir,
            remedy="Check the workspace's disk and rights; a new attempt follows.",
            blame=Blame.HOST,
            kind=kind,
        )
    )
