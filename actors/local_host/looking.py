"""One look at a run directory, and the fence that keeps a run from ever beginning."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from actors.crash_points import effect
from actors.jobs import Engine, Lock, Look, Started, Verdict, decide, parse_engine, parse_started
from actors.local_host import processes

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS})


def look(run_dir: Path, key: str, boot_id: str, away: Callable[[], str] = lambda: "") -> Verdict:
    """What is known of the run now. Never raises OSError: what cannot be read is UNKNOWN, as is all of a run whose
    workspace is ``away``: its disk is not mounted, so that no claim can be seen.

    The order proves it: started.json before the lock (whoever wrote it held the lock already), the lock before
    exit.json (it is written before the lock is let go).
    """
    try:
        claim = run_dir / "claim"
        if not _exists(claim):
            if away() or _exists(claim):  # it may have been mounted just now
                return decide(_unknown(key, boot_id))
            return decide(Look(key, claimed=False, lock=Lock.FREE, started=None, exit_text=None, boot_id=boot_id))
        started = parse_started(_text(run_dir / "claim" / "started.json") or "")
        lock = probe(run_dir / "claim" / "lock")
        living = None
        if started is not None and not started.locks:
            living = _alive(run_dir, started, boot_id)
        return decide(
            Look(
                key,
                claimed=True,
                lock=lock,
                started=started,
                exit_text=_text(run_dir / "exit.json"),
                boot_id=boot_id,
                void=_exists(run_dir / "claim" / "void"),
                alive=living,
            )
        )
    except OSError:
        return decide(_unknown(key, boot_id))


def _unknown(key: str, boot_id: str) -> Look:
    return Look(key, claimed=True, lock=Lock.UNKNOWN, started=None, exit_text=None, boot_id=boot_id)


def read_started(run_dir: Path) -> Started | None:
    """What the wrapper wrote before the engine; None while there is nothing."""
    with contextlib.suppress(OSError):
        return parse_started(_text(run_dir / "claim" / "started.json") or "")
    return None


def read_engine(run_dir: Path) -> Engine | None:
    """Pid and start time of the engine; None while there is none."""
    with contextlib.suppress(OSError):
        return parse_engine(_text(run_dir / "claim" / "engine") or "")
    return None


def void(run_dir: Path) -> bool:
    """Take the claim, or one that nobody holds and nobody began, so that the run can never begin.

    False when a wrapper was faster: it has begun, or holds the lock. Raises OSError when it cannot be written (the
    disk is full): then nothing is certain.
    """
    claim = run_dir / "claim"
    with contextlib.suppress(FileExistsError):
        claim.mkdir()  # an empty claim is one of nobody: whoever looks voids it
    with _opened(claim / "lock", os.O_RDWR | os.O_CREAT) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        if _exists(claim / "started.json"):
            return False
        with effect("launch.void"), _opened(claim / "void", os.O_WRONLY | os.O_CREAT) as mark:
            os.fsync(mark)
    return True


def _alive(run_dir: Path, started: Started, boot_id: str) -> bool | None:
    if not boot_id or started.boot_id != boot_id:
        return None
    if processes.alive(started.pid, started.start_ticks):
        return True
    engine = read_engine(run_dir)
    if engine is not None and processes.alive(engine.pid, engine.start_ticks):
        return True
    return bool(processes.members(run_dir, engine))


def probe(lock: Path) -> Lock:
    """Whether some process holds it, asked without waiting and without keeping it."""
    try:
        with _opened(lock, os.O_RDONLY) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return Lock.FREE
    except BlockingIOError:
        return Lock.HELD
    except OSError:
        return Lock.UNKNOWN
    return Lock.FREE


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _exists(path: Path) -> bool:
    """Unlike Path.exists, an error is an error: "cannot tell" is not "absent"."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _text(path: Path) -> str | None:
    """Through a fresh open: the caches of network file systems lag."""
    try:
        return path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None
