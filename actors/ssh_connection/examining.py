"""The examination of one host for ``check``: from its name to its engine, each with what to do about it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from actors.errors import MqiError
from actors.jobs.offered_gpus import Offer
from actors.ssh_connection import nvidia_smi
from actors.ssh_connection.config import route
from actors.ssh_connection.link import Link, open_link
from actors.ssh_connection.remote import Remote
from actors.ssh_connection.standing import Standing, parse
from actors.ssh_connection.target import Target
from actors.ssh_connection.troubles import LinkError, place
from messages.faults import Fault

LEAST_FREE_GB = 5.0
CLOCK_S = 30.0
_NEEDED = (
    *("base64", "cat", "date", "df", "grep", "head", "mkdir", "mv", "rm", "sed", "stat", "tail", "tr"),
    *("mktemp", "/proc"),
)
_DETACHERS = ("setsid", "python3", "perl")
_HELPFUL = {
    "flock": "install util-linux: without it liveness is asked of process numbers only",
    "stdbuf": "install coreutils' stdbuf: without it an engine's progress comes late",
    "timeout": "install coreutils: without it a hanging nvidia-smi stays on the host",
    "sha256sum": "install coreutils: without it every transfer is read back over the link",
}
_STAGE = {
    "name-unresolved": "name",
    "connect-timeout": "port",
    "port-refused": "port",
    "host-unreachable": "port",
    "no-ssh": "port",
    "no-common-algorithms": "port",
    "host-key-unknown": "host key",
    "host-key-changed": "host key",
    "host-key-revoked": "host key",
    "key-unusable": "login",
    "login-refused": "login",
    "login-timeout": "login",
    "link-lost": "login",
    "ssh-config-unusable": "ssh config",
    "shell-unfit": "shell",
    "session-refused": "shell",
    "command-timeout": "shell",
}
_STAGES = ("ssh config", "name", "port", "host key", "login")


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One line of the examination."""

    name: str
    ok: bool
    text: str
    remedy: str = ""
    """What to do; for a failure always."""
    gpu: str = ""
    """UUID of the GPU that it is about, if it is about one that was found."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that steps on the host run in."""

    python: str
    release: tuple[tuple[str, str], ...]
    """Name and version of all that it must have as we have it."""


def check_host(
    target: Target,
    workspace: str,
    *,
    gpus: Offer = 1,
    command: tuple[str, ...] = (),
    version_command: tuple[str, ...] = (),
    interpreter: Interpreter | None = None,
) -> tuple[CheckLine, ...]:
    """Connect and look. Blocks for two minutes at most; leaves nothing behind but the workspace folder."""
    return tuple(_lines(target, workspace, gpus, (command, version_command), interpreter))


def _lines(
    target: Target,
    workspace: str,
    gpus: Offer,
    engine: tuple[tuple[str, ...], tuple[str, ...]],
    interpreter: Interpreter | None,
) -> Iterator[CheckLine]:
    try:
        link = open_link(target)
    except MqiError as error:
        yield from _until(error.fault)
        return
    try:
        yield from _entered(target, link)
        remote = Remote(link, workspace)
        yield from _asked(remote, *engine)
        if interpreter is not None:
            words = (interpreter.python,)
            said = remote.call("interpreter", *words, before=_examine_script(), timeout_s=90.0)
            yield judge_interpreter(said, interpreter)
        yield from _gpus(remote, gpus)
    except LinkError as error:
        yield _failed(_STAGE.get(error.fault.kind, "link"), error.fault)
    finally:
        link.close()


def _until(fault: Fault) -> Iterator[CheckLine]:
    """The stages that were passed before the one that failed."""
    failed = _STAGE.get(fault.kind, "port")
    for stage in _STAGES[: _STAGES.index(failed) if failed in _STAGES else 0]:
        yield CheckLine(stage, ok=True, text="good")
    yield _failed(failed, fault)


def _failed(name: str, fault: Fault) -> CheckLine:
    return CheckLine(name, ok=False, text=fault.what, remedy=fault.remedy or "see the manual")


def _entered(target: Target, link: Link) -> Iterator[CheckLine]:
    hops = route(target)
    way = ", then ".join(f"{hop.user}@{place(hop.address, hop.port)}" for hop in hops)
    yield CheckLine("name", ok=True, text=f"{target.address} is {hops[-1].address}")
    yield CheckLine("port", ok=True, text=way)
    yield CheckLine("host key", ok=True, text=f"known in {hops[-1].known_hosts[0]}")
    yield CheckLine("login", ok=True, text=f"as {hops[-1].user}")


def _asked(remote: Remote, command: tuple[str, ...], version_command: tuple[str, ...]) -> Iterator[CheckLine]:
    words = (command[0], *version_command) if command else ()
    begun = time.monotonic()
    said = remote.call("examine", *words, before=_examine_script(), timeout_s=60.0)
    asked_s = time.monotonic() - begun
    yield CheckLine("shell", ok=True, text=f"/bin/sh answered in {asked_s * 1000:.0f} ms")
    asked = {"engine": bool(command), "version": bool(version_command)}
    yield from judge(said, remote.workspace, **asked, now_s=time.time(), asked_s=asked_s)


def judge(
    said: tuple[tuple[str, str], ...], workspace: str, *, engine: bool, version: bool, now_s: float, asked_s: float
) -> Iterator[CheckLine]:
    """What the host said of workspace, clock, tools and engine. ``now_s``: our clock when it had answered. Pure."""
    words = dict(said)
    yield from _workspace(words, parse(said), workspace)
    yield _clock(parse(said), now_s, asked_s)
    yield from _tools(frozenset(rest for word, rest in said if word == "tool"))
    if engine:
        yield from _engine(words, version=version)


def _workspace(words: dict[str, str], seen: Standing, workspace: str) -> Iterator[CheckLine]:
    if "unusable" in words or "writable" not in words:
        why = words.get("unusable", "it cannot be written")
        yield CheckLine("workspace", ok=False, text=f"{workspace}: {why}", remedy="make it, and give it to the user")
        return
    yield CheckLine("workspace", ok=True, text=f"{workspace} can be written, and renames within it are whole")
    if "one" not in words:
        remedy = "keep the workspace and its .wrappers folder on one file system"
        yield CheckLine("workspace", ok=False, text=f"{workspace} is spread over file systems", remedy=remedy)
    if "locks" not in words:
        remedy = "use a local disk; without locks liveness is asked of process numbers only"
        yield CheckLine("locks", ok=True, text=f"the file system of {workspace} has none", remedy=remedy)
    free = seen.free_gb
    if free is None or free < LEAST_FREE_GB:
        text = "cannot be told" if free is None else f"{free:.1f} GB, less than {LEAST_FREE_GB:g} GB"
        yield CheckLine("free space", ok=False, text=text, remedy=f"make room in {workspace}")
    else:
        yield CheckLine("free space", ok=True, text=f"{free:.0f} GB")


def _clock(seen: Standing, now_s: float, asked_s: float) -> CheckLine:
    remedy = "keep both clocks with NTP or chrony"
    if seen.clock_s is None:
        return CheckLine("clock", ok=False, text="the host does not tell its time", remedy=remedy)
    off_s = seen.clock_s - now_s
    if abs(off_s) > CLOCK_S + asked_s:
        way = "ahead of" if off_s > 0 else "behind"
        return CheckLine("clock", ok=False, text=f"{abs(off_s):.0f} s {way} this machine's", remedy=remedy)
    return CheckLine("clock", ok=True, text=f"within {abs(off_s) + 1:.0f} s of this machine's")


def _tools(found: frozenset[str]) -> Iterator[CheckLine]:
    missing = [tool for tool in _NEEDED if tool not in found]
    if not any(tool in found for tool in _DETACHERS):
        missing.append("setsid")
    if missing:
        remedy = "install coreutils, grep, sed and util-linux on the host"
        yield CheckLine("tools", ok=False, text=f"missing: {', '.join(missing)}", remedy=remedy)
    else:
        yield CheckLine("tools", ok=True, text="all that is needed")
    for tool, remedy in _HELPFUL.items():
        if tool not in found:
            yield CheckLine("tools", ok=True, text=f"{tool} is not there", remedy=remedy)


def _engine(words: dict[str, str], *, version: bool) -> Iterator[CheckLine]:
    if "program" not in words:
        remedy = "install it on the host, or correct `command` in the engine profile"
        yield CheckLine("engine", ok=False, text="there is no such program on the host", remedy=remedy)
    elif version and "version" not in words:
        said = words.get("no", "").removeprefix("version ").strip()
        remedy = "run version_command of the engine profile on the host and look"
        yield CheckLine(
            "engine", ok=False, text=f"{words['program']} tells no version: {said or 'nothing'}", remedy=remedy
        )
    else:
        yield CheckLine("engine", ok=True, text=", ".join(filter(None, (words["program"], words.get("version", "")))))


def judge_interpreter(said: tuple[tuple[str, str], ...], wanted: Interpreter) -> CheckLine:
    """Whether the host's Python has the interpreter, and of our release. Pure."""
    words = dict(said)
    remedy = "install this release and its libraries there, or correct `host_python` in the engine profile"
    if "absent" in words:
        text = f"there is no {wanted.python} on the host"
        return CheckLine("interpreter", ok=False, text=text, remedy=remedy)
    has = dict(rest.rpartition(" = ")[::2] for word, rest in said if word == "release")
    if not has:
        text = f"{wanted.python} does not run the interpreter: {words.get('failed', '') or 'it says nothing'}"
        return CheckLine("interpreter", ok=False, text=text, remedy=remedy)
    other = [
        f"{name} {has.get(name, 'none')} instead of {want}" for name, want in wanted.release if has.get(name) != want
    ]
    if other:
        text = f"{wanted.python} has another release: {', '.join(other)}"
        return CheckLine("interpreter", ok=False, text=text, remedy=remedy)
    return CheckLine("interpreter", ok=True, text=f"{wanted.python} has this release")


def _gpus(remote: Remote, offer: Offer) -> Iterator[CheckLine]:
    if isinstance(offer, int):
        yield CheckLine("GPUs", ok=True, text=f"{offer} slots, no GPU is asked")
        return
    readings = nvidia_smi.ask(remote)
    if readings.fault or not readings.gpus:
        remedy = "run nvidia-smi on the host; or give the number of slots (gpus = 2) for a CPU engine"
        yield CheckLine("GPUs", ok=False, text=readings.fault or "the host has none", remedy=remedy)
        return
    wanted = {gpu.index for gpu in readings.gpus} if offer == "auto" else set(offer)
    for index in sorted(wanted - {gpu.index for gpu in readings.gpus}):
        yield CheckLine(f"GPU {index}", ok=False, text="is not there", remedy="correct `gpus` of the host")
    for gpu in readings.gpus:
        if gpu.index in wanted and gpu.fault:
            remedy = "see nvidia-smi -q on the host; until it answers nothing runs on it"
            yield CheckLine(f"GPU {gpu.index}", ok=False, text=gpu.fault, remedy=remedy)
        elif gpu.index in wanted:
            text = f"{gpu.name} {gpu.uuid}, {gpu.free_mb} MB free"
            yield CheckLine(f"GPU {gpu.index}", ok=True, text=text, gpu=gpu.uuid)


@cache
def _examine_script() -> str:
    return resources.files(__package__).joinpath("examine.sh").read_text("utf-8")
