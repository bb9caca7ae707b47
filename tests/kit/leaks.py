"""What a test must not leave behind: threads and child processes."""

from __future__ import annotations

import threading

import psutil

KEPT: set[int] = set()
"""Processes that many tests share and whose starter ends them; with all that they start, no test left them."""


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.is_alive()}


def children() -> set[psutil.Process]:
    """Living descendants of this process, zombies not counted: who waits for them is the concern of their parent."""
    found = {child for child in psutil.Process().children(recursive=True) if _alive(child)}
    return {child for child in found if not KEPT or not _kept(child)}


def _kept(process: psutil.Process) -> bool:
    try:
        return process.pid in KEPT or any(parent.pid in KEPT for parent in process.parents())
    except psutil.NoSuchProcess:
        return True


def strays(threads_before: set[threading.Thread], children_before: set[psutil.Process]) -> list[str]:
    """Names of what is there now and was not before."""
    new_threads = sorted(f"thread {thread.name}" for thread in threads() - threads_before)
    new_children = sorted(f"process {_name(child)}" for child in children() - children_before)
    return new_threads + new_children


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _name(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline())[:200]}"
    except psutil.NoSuchProcess:
        return f"{process.pid} (gone now)"
