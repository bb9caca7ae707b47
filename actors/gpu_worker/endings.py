"""How a run ended, in words: exit codes and signals as the engines of this field use them."""

from __future__ import annotations

import signal

from messages.faults import Blame, Fault
from messages.jobs import JobExit
from messages.scheduling import BeamRequest

_CODES = {
    126: ("engine-not-executable", "the engine's command cannot be executed"),
    127: ("engine-missing", "the engine's command was not found"),
    134: ("engine-abort", "the engine stopped itself (exception or assertion)"),
    137: ("engine-killed", "the engine was killed"),
    139: ("segmentation-fault", "the engine died with a segmentation fault"),
    255: ("cuda-error", "the engine met a CUDA error"),
}
"""Exit code → (kind, words). 128 + n is a shell's way to say signal n."""

_ON_THE_GPU = frozenset({"cuda-error", "gpu-out-of-memory"})
"""Endings that make the GPU suspect."""
_FULL = "workspace-full"
_NO_ROOM = ("No space left on device", "Disk quota exceeded")
"""What the C library says of a full disk: it is the host's, whatever status the engine ends with."""


def good(ending: JobExit | None) -> bool:
    """Exit status 0, neither timed out nor cancelled. Not success yet: the dose is still to be verified."""
    return ending is not None and ending.exit_code == 0 and not ending.timed_out and not ending.cancelled


def engine_fault(request: BeamRequest, ending: JobExit, tail: str, where: str) -> Fault:
    """The fault of a run that ended badly. ``tail``: last lines of engine.log; ``where``: run directory."""
    kind, words = _named(request, ending, tail)
    log = f"; engine.log ends: {tail}" if tail else "; engine.log is empty"
    return Fault(
        what=f"beam {request.beam}, attempt {request.attempt}: {words} ({_status(ending)}){log}",
        where=where,
        remedy="Make room in the host's workspace; another attempt follows." if kind == _FULL else "",
        blame=_blame(kind),
        kind=kind,
    )


def _blame(kind: str) -> Blame:
    if kind == _FULL:
        return Blame.HOST
    return Blame.GPU if kind in _ON_THE_GPU else Blame.ENGINE


def _named(request: BeamRequest, ending: JobExit, tail: str) -> tuple[str, str]:
    if ending.timed_out:
        return "wall-limit", f"the engine ran into its wall-clock limit of {request.wall_limit_s} s"
    if ending.cancelled:
        return "cancelled", "the run was cancelled"
    return _said(request, ending, tail) or _CODES.get(_code(ending), ("engine-failed", "the engine failed"))


def _said(request: BeamRequest, ending: JobExit, tail: str) -> tuple[str, str] | None:
    """What the end of its log says."""
    if any(words in tail for words in _NO_ROOM):
        return _FULL, "the engine found no room on the host's disk"
    if "GPUassert" in tail and ("out of memory" in tail or ending.exit_code == 2):
        return "gpu-out-of-memory", f"the GPU ran out of memory (the profile asks for {request.memory_mb} MB)"
    if "GPUassert" in tail:
        return "cuda-error", "the engine met a CUDA error"
    if _code(ending) == 1 and "nan" in tail.lower():  # many programs end with 1 for other reasons
        return "nan-track", "the engine met a track that is not a number"
    return None


def _code(ending: JobExit) -> int:
    return 128 + ending.signal if ending.signal is not None else (ending.exit_code or 0) % 256


def _status(ending: JobExit) -> str:
    if ending.signal is not None:
        return f"signal {ending.signal}, {signal_name(ending.signal)}"
    code = ending.exit_code
    if code is not None and code > 128 and code != 255:
        return f"exit code {code}, {signal_name(code - 128)}"
    return f"exit code {code}"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown signal"


def killed_fault(request: BeamRequest, where: str, *, rebooted: bool, evidence: str) -> Fault:
    """The fault of a run that is over without exit.json: its claim is there, its lock is free."""
    who = f"beam {request.beam}, attempt {request.attempt}"
    if rebooted:
        return Fault(f"{who}: the host rebooted during the run", where, blame=Blame.HOST, kind="host-rebooted")
    detail = f": {evidence}" if evidence else ""
    return Fault(
        f"{who}: the run was killed, no exit.json was written{detail}", where, blame=Blame.ENGINE, kind="killed"
    )


def vanished_fault(request: BeamRequest, where: str) -> Fault:
    """The fault of a run that was launched and whose directory holds no claim any more."""
    return Fault(
        f"beam {request.beam}, attempt {request.attempt}: the run directory vanished from the host",
        where,
        remedy="Nothing but the daemon may delete below the workspace.",
        blame=Blame.HOST,
        kind="run-vanished",
    )
