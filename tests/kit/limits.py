"""Limits of the system, put upon a daemon while it runs and taken off again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

NOBODY_ELSE = 54321
"""A user of whom this machine knows nothing: the processes and threads that count are the test's own."""


@contextmanager
def limited(pid: int, name: str, soft: int, by: Sequence[str] = ()) -> Iterator[None]:
    """A soft limit of a running process (``nofile``, ``nproc``), as it was before afterwards.

    ``by``: words that make the one who sets it the process's own user; root alone may not in every container.
    """
    show = [*by, "prlimit", "--pid", str(pid), f"--{name}", "--output", "SOFT", "--noheadings", "--raw"]
    before = subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([*by, "prlimit", "--pid", str(pid), f"--{name}={soft}:"], check=True)
    try:
        yield
    finally:
        if psutil.pid_exists(pid):
            subprocess.run([*by, "prlimit", "--pid", str(pid), f"--{name}={before}:"], check=True)


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads_of_user(uid: int) -> int:
    """What RLIMIT_NPROC counts."""
    found = 0
    for process in psutil.process_iter():
        try:
            if process.uids().real == uid:
                found += process.num_threads()
        except psutil.Error:
            continue
    return found


def as_another_user() -> tuple[str, ...]:
    """The words before a command that make it another user's who may all the same touch root's files.

    RLIMIT_NPROC does not bind root; the test is skipped where there is nobody else to become.
    """
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can become another user, with setpriv (util-linux)")
    rights = "+dac_override,+dac_read_search,+fowner,+chown"
    # access(2) asks by the real user: with the second word what that one may do counts there too.
    becoming = ("setpriv", "--securebits=+no_setuid_fixup", f"--reuid={NOBODY_ELSE}", f"--regid={os.getegid()}")
    words = (*becoming, "--clear-groups", f"--inh-caps={rights}", f"--ambient-caps={rights}", "--")
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("setpriv may not become another user here")
    return words
