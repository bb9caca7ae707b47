"""Processes of this machine as /proc tells them: who belongs to a run, and who still lives."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from actors.crash_points import effect
from actors.jobs import ATTEMPT, Engine, run_mark

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One line of /proc/PID/stat, as far as it is needed."""

    pid: int
    state: str
    group: int
    session: int
    start_ticks: int


def boot_id() -> str:
    """Of this machine; empty when it does not tell."""
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def process(pid: int) -> Process | None:
    """The process, zombies left out: they hold nothing, and some machines never reap them."""
    try:
        stat = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    words = stat[stat.rfind(b")") + 2 :].split()
    if len(words) < 20 or words[0] in (b"Z", b"X"):
        return None
    return Process(pid, words[0].decode(), int(words[2]), int(words[3]), int(words[19]))


def alive(pid: int, start_ticks: int) -> bool:
    """That very process lives: a pid alone proves nothing, it is used again."""
    found = process(pid)
    return found is not None and found.start_ticks == start_ticks


def attempt_of(pid: int) -> str | None:
    """Key of the run that a process belongs to by its environment; empty: none of ours; None: it is not to be seen."""
    try:
        entries = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except PermissionError:
        return ""  # of another user, so no engine of ours
    except OSError:
        return None
    prefix = f"{ATTEMPT}=".encode()
    found = next((entry for entry in entries if entry.startswith(prefix)), prefix)
    return os.fsdecode(found[len(prefix) :])


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []


def name_of(pid: int) -> str:
    """Short name of a process; its arguments, which may name a patient, are never read."""
    try:
        return (PROC / str(pid) / "comm").read_text("utf-8", "replace").strip()
    except OSError:
        return "?"


def members(run_dir: Path, engine: Engine | None) -> frozenset[int]:
    """Living processes of a run: those that carry its mark, wherever they went, and the engine's group and session."""
    every = [int(name) for name in os.listdir(PROC) if name.isdecimal()]  # noqa: PTH208 - names only, half the time
    mark = os.fsencode(run_mark(str(run_dir)))
    marked = {pid for pid in every if mark in _environment(pid) and process(pid) is not None}
    return frozenset(marked | (_group(every, engine) if engine else set()))


def _group(every: Iterable[int], engine: Engine) -> set[int]:
    leader = process(engine.pid)
    if leader is not None and leader.start_ticks != engine.start_ticks:
        return set()  # the number went to a stranger, so nobody of the engine's group was left
    ours = (process(pid) for pid in every if _same_user(pid))
    return {found.pid for found in ours if found is not None and engine.pid in (found.group, found.session)}


def _same_user(pid: int) -> bool:
    try:
        return (PROC / str(pid)).stat().st_uid == os.getuid()
    except OSError:
        return False


def tell_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each; those that are gone, or not ours, are left."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError), effect("kill.signal"):
            os.kill(pid, number)
