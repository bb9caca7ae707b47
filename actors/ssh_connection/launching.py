"""Starting a run on a host: one call writes its files and starts the wrapper, unless it is claimed already."""

from __future__ import annotations

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import job_files, wrapper_name, wrapper_script
from actors.jobs.places import below
from actors.ssh_connection.remote import Remote, facts_of
from actors.ssh_connection.troubles import LinkError
from messages.faults import Blame, Fault
from messages.jobs import JobSpec

_LAUNCH_WITHIN_S = 45.0


def launch(job: JobSpec, remote: Remote) -> str:
    """Start the run unless it is claimed; what the wrapper wrote of itself.

    Raises LinkError when nothing is known, any other MqiError only when it is certain that this attempt does not run
    and never will.
    """
    run_dir = below(remote.workspace, job.run_dir)
    texts = {name: content.decode("utf-8", "surrogateescape") for name, content in job_files(job).items()}
    words = (run_dir, wrapper_name(), texts["job.json"], texts["job.sh"])
    answer = _started(remote, words)
    if ("no", "wrapper") in answer:
        install(remote)
        answer = _started(remote, words)
    return judge(job, answer, remote.boot_id)


def _started(remote: Remote, words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    with effect("launch.start"):
        return remote.call("launch", *words, timeout_s=_LAUNCH_WITHIN_S)


def install(remote: Remote) -> None:
    """Have the wrapper on the host under its hash: once per host and version, whole or not at all."""
    text = wrapper_script().decode()
    with effect("launch.install"):
        answer = dict(remote.call("install_wrapper", wrapper_name(), text.rstrip("\n")))
    if "error" in answer:
        raise MqiError(
            Fault(
                what=f"The wrapper cannot be put on the host: {answer['error']}.",
                where=remote.workspace,
                remedy="Check the workspace's disk and rights.",
                blame=Blame.HOST,
                kind="launch-refused",
            )
        )


def judge(job: JobSpec, lines: tuple[tuple[str, str], ...], boot_id: str) -> str:
    """The evidence of a launch, from the host's answer. Raises MqiError when it does not run. Pure."""
    said = dict(lines)
    facts = facts_of(lines, job.key, boot_id)
    if "outside" in said:
        raise outside(job)
    _refused_by_wrapper(job, said)
    if "error" in said and said.get("claim") != "made":
        raise refused(job, said["error"])
    if facts.started is not None:
        one = facts.started
        return f"pid {one.pid}, start tick {one.start_ticks}, boot {one.boot_id}, started {one.started}"
    if "voided" in said:
        raise refused(job, f"the wrapper did not begin ({said.get('answer') or 'it gave no answer'})")
    if "void" in said:
        raise refused(job, "its claim was voided before", "run-void")
    if said.get("claim") != "made":
        raise _unclear(job)
    return "claimed before; not begun yet"


def _refused_by_wrapper(job: JobSpec, said: dict[str, str]) -> None:
    word, _, why = said.get("answer", "").partition(" ")
    if word == "refused":
        raise refused(job, why)
    if word == "void":
        raise refused(job, "its claim was voided before", "run-void")


def refused(job: JobSpec, why: str, kind: str = "launch-refused") -> MqiError:
    return MqiError(
        Fault(
            what=f"Run {job.key} was not started: {why}.",
            where=job.run_dir,
            remedy="Check the workspace's disk and rights; a new attempt follows.",
            blame=Blame.HOST,
            kind=kind,
        )
    )


def outside(job: JobSpec) -> MqiError:
    what = f"{job.run_dir} does not lie below the workspace: it was not touched."
    return MqiError(Fault(what=what, where=job.run_dir, blame=Blame.OURS, kind="outside-workspace"))


def _unclear(job: JobSpec) -> LinkError:
    """The answer made no sense: as good as none."""
    what = f"The answer about the launch of {job.key} cannot be understood."
    remedy = "It is asked again; look at the workspace on the host."
    return LinkError(Fault(what=what, where=job.run_dir, remedy=remedy, blame=Blame.HOST, kind="answer-unclear"))
