"""What is where in the tree, for status and alarms: written by supervisors, read by anybody."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

from actors.supervision._core import Phase


@dataclass(frozen=True, slots=True)
class ActorStatus:
    """One actor as its supervisor sees it."""

    id: str
    """Path."""
    phase: Phase
    epoch: int
    restarts: int
    """Incarnations beyond the first, since the system started."""
    crashes: int
    """Its own; the other restarts shared the fate of an actor beside it."""
    last_cause: str
    """Why the latest incarnation that crashed did, in one line; empty if none did."""


class Board:
    """Locked and small: a supervisor writes its children's lines after every move."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[str, ActorStatus] = {}
        self._restarts = 0

    def note(self, path: str, phase: Phase, epoch: int) -> None:
        with self._lock:
            row = self._rows.get(path)
            if row is None:
                self._rows[path] = ActorStatus(path, phase, epoch, 0, 0, "")
                return
            again = int(row.epoch not in {0, epoch})
            self._restarts += again
            self._rows[path] = replace(row, phase=phase, epoch=epoch, restarts=row.restarts + again)

    def note_crash(self, path: str, cause: str) -> None:
        with self._lock:
            row = self._rows.get(path)
            if row is not None:
                self._rows[path] = replace(row, crashes=row.crashes + 1, last_cause=cause)

    def drop(self, path: str) -> None:
        """The actor and all below it are gone for good."""
        with self._lock:
            for known in [p for p in self._rows if p == path or p.startswith(f"{path}/")]:
                del self._rows[known]

    def snapshot(self) -> tuple[ActorStatus, ...]:
        """In the order of paths."""
        with self._lock:
            return tuple(self._rows[path] for path in sorted(self._rows))

    @property
    def restarts(self) -> int:
        """Of all actors ever, forgotten ones too."""
        return self._restarts
