"""What a run directory says about its run: pure reading of its files, and the decision what may be known. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Any, TypeVar

from actors.errors import MqiError
from messages.faults import Blame, Fault
from messages.jobs import JobExit, Observation

_DAMAGE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What damaged JSON, and values that are not what was written, raise."""
_WHOLE = re.compile(r"[0-9]{1,18}")
_Kind = TypeVar("_Kind")


class Lock(StrEnum):
    """What a probe of the claim's lock found."""

    HELD = "held"
    """Some process of the run lives."""
    FREE = "free"
    """None of those that inherited it lives."""
    UNKNOWN = "unknown"
    """The probe failed, or the file system has no locks."""


@dataclass(frozen=True, slots=True)
class Started:
    """The content of ``claim/started.json``, written by the wrapper before the engine."""

    key: str
    epoch: int
    pid: int
    """Of the wrapper."""
    start_ticks: int
    """Its start time in clock ticks since boot: with the pid and the boot id, one process of one host for ever."""
    boot_id: str
    started: str
    locks: bool
    """False where the file system has no locks: liveness is then asked of pid and start time."""


@dataclass(frozen=True, slots=True)
class Engine:
    """The content of ``claim/engine``: leader of the run's session and process group."""

    pid: int
    start_ticks: int


@dataclass(frozen=True, slots=True)
class Look:
    """All that one look at a run directory found. The lock is probed before exit.json is read."""

    key: str
    claimed: bool
    lock: Lock
    started: Started | None
    exit_text: str | None
    boot_id: str
    """Of the host, now; empty when it cannot be told."""
    void: bool = False
    """The claim was voided by an observer: the run can never begin."""
    alive: bool | None = None
    """Whether wrapper or engine lives by pid and start time; None: not asked, or cannot be told."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known, why, and what it rests on."""

    observation: Observation
    evidence: str
    exit: JobExit | None = None
    released: bool = False
    """The lock is free (or the host was rebooted): no process that inherited it lives."""
    rebooted: bool = False
    """The host is in another boot than the run was: its pids mean nothing any more."""
    unbegun: bool = False
    """Claimed, but neither locked nor begun: an observer may void it after a while, never before."""


def parse_started(text: str) -> Started | None:
    """Content of started.json, or None while it is missing or half-written."""
    try:
        data = json.loads(text)
        return Started(
            key=str(data["key"]),
            epoch=int(data["epoch"]),
            pid=int(data["pid"]),
            start_ticks=int(data["start_ticks"]),
            boot_id=str(data["boot_id"]),
            started=str(data["started"]),
            locks=data["lock"] == "held",
        )
    except _DAMAGE:
        return None


def parse_engine(text: str) -> Engine | None:
    """Content of claim/engine (``pid ticks`` and a line end), or None while it is missing or half-written."""
    words = text.split()
    if not text.endswith("\n") or len(words) != 2 or not all(_WHOLE.fullmatch(word) for word in words):
        return None
    return Engine(pid=int(words[0]), start_ticks=int(words[1]))


def parse_exit(text: str, key: str) -> JobExit:
    """Content of exit.json. Raises MqiError (kind ``exit-unreadable`` or ``exit-foreign``): never taken for an end."""
    try:
        found = _exit(json.loads(text))
    except _DAMAGE as error:
        raise _bad_exit("exit-unreadable", key, f"cannot be read ({error})") from None
    if found.key != key:
        raise _bad_exit("exit-foreign", key, f"belongs to another run, {found.key}")
    return found


def _exit(data: Any) -> JobExit:
    found = JobExit(
        key=_typed(data["key"], str),
        epoch=_typed(data["epoch"], int),
        exit_code=_optional(data["exit_code"]),
        signal=_optional(data["signal"]),
        timed_out=_typed(data["timed_out"], bool),
        cancelled=_typed(data["cancelled"], bool),
        started=_typed(data["started"], str),
        ended=_typed(data["ended"], str),
        duration_s=_duration(data["duration_s"]),
        boot_id=_typed(data["boot_id"], str),
    )
    if (found.exit_code is None) == (found.signal is None):
        raise ValueError("it must have either an exit code or a signal")
    return found


def _duration(value: Any) -> float:
    duration = float(value)
    if not isfinite(duration):
        raise ValueError(f"{value!r} is no duration")
    return duration


def _typed(value: Any, kind: type[_Kind]) -> _Kind:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _optional(value: Any) -> int | None:
    return None if value is None else _typed(value, int)


def _bad_exit(kind: str, key: str, why: str) -> MqiError:
    return MqiError(
        Fault(
            what=f"The exit.json of run {key} {why}: it proves nothing.",
            where=key,
            remedy="Look at the host's disk; the run counts as killed and a new attempt follows.",
            blame=Blame.HOST,
            kind=kind,
        )
    )


def decide(look: Look) -> Verdict:
    """What one look proves. No wall clock enters: pids count only with their start time, and only on their boot."""
    if not look.claimed:
        return Verdict(Observation.ABSENT, "No claim: it was never started.")
    if look.started is not None and not look.started.locks:
        return _by_pid(look)
    if look.lock is Lock.HELD:
        return _held(look)
    if look.lock is Lock.UNKNOWN:
        return Verdict(Observation.UNKNOWN, "The claim's lock cannot be asked now.")
    return _released(look)


def _by_pid(look: Look) -> Verdict:
    """The wrapper had no locks: a reboot, or a known answer about pids with their start times, replaces them."""
    if _rebooted(look) or look.alive is False:
        return _released(look)
    if look.alive:
        return Verdict(Observation.RUNNING, f"{_who(look.started)} or its engine is alive (no locks on this host).")
    return Verdict(Observation.UNKNOWN, "There are no locks on this host, and its processes cannot be asked now.")


def _held(look: Look) -> Verdict:
    if look.started is None:
        return Verdict(Observation.RUNNING, "Claimed and locked; about to begin.")
    found, _ = _read_exit(look)
    if found is not None:
        return Verdict(Observation.ENDED, "exit.json is whole, but a process still holds the lock.", exit=found)
    return Verdict(Observation.RUNNING, f"{_who(look.started)} or its engine holds the lock.")


def _released(look: Look) -> Verdict:
    found, damage = _read_exit(look)
    if found is not None:
        return Verdict(Observation.ENDED, "exit.json is whole and the lock is free.", exit=found, released=True)
    if look.started is None:
        if look.void:
            return Verdict(Observation.KILLED, "The claim was voided before the engine began.", released=True)
        return Verdict(Observation.UNKNOWN, "Claimed, but not begun.", unbegun=True)
    rebooted = _rebooted(look)
    if rebooted:
        why = f"the host was rebooted (boot {look.started.boot_id} is over, now {look.boot_id})"
    else:
        why = "the lock is free"
    evidence = f"{_who(look.started)} left no exit.json and {why}: it was killed.{damage}"
    return Verdict(Observation.KILLED, evidence, released=True, rebooted=rebooted)


def _read_exit(look: Look) -> tuple[JobExit | None, str]:
    if look.exit_text is None:
        return None, ""
    try:
        return parse_exit(look.exit_text, look.key), ""
    except MqiError as error:
        return None, f" {error.fault.what}"


def _rebooted(look: Look) -> bool:
    return look.started is not None and bool(look.boot_id) and look.started.boot_id != look.boot_id


def _who(started: Started | None) -> str:
    if started is None:
        return "The wrapper"
    return f"The wrapper (pid {started.pid}, started {started.started}, boot {started.boot_id})"
