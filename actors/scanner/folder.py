"""One case folder that is not settled yet: what was seen of it, when, and what was made of it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from actors.scanner.assessment import Assessment
from actors.scanner.looks import Look
from messages.cases import SubmitFolder

OLD_S = 3600.0
"""How far a share's clock may be off: times on it prove quiet only beyond this."""
_MOST_PAUSE_S = 2.0
_RETRY_S = 5.0
_MOST_RETRY_S = 300.0


@dataclass(slots=True)
class Order:
    """An operator's submission of this folder, on its way."""

    request: SubmitFolder
    cases: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    decided: bool = False
    """What could be started was: only the ledger's answers are awaited."""


@dataclass(slots=True)
class Folder:
    """Monotonic times, in seconds."""

    look: Look
    looked_at: float
    changed_at: float
    untouched: bool = True
    """Nothing has changed since it was first looked at."""
    surveyed: bytes = b""
    """Digest of the state that ``assessments`` is about."""
    assessments: tuple[Assessment, ...] = ()
    survey_due: float = 0.0
    survey_failures: int = 0
    order: Order | None = None

    @property
    def path(self) -> str:
        return self.look.path

    @property
    def stale(self) -> bool:
        """It changed since it was surveyed."""
        return self.surveyed != self.look.digest

    def see(self, look: Look, at: float) -> None:
        """Another look."""
        if look.digest != self.look.digest:
            self.changed_at, self.untouched = at, False
        self.look, self.looked_at = look, at

    def survey_met(self, digest: bytes, took_s: float, now: float) -> bool:
        """A survey's answer; False if it met another state than the last look: look again."""
        self.surveyed, self.survey_failures = digest, 0
        # While a folder is being filled, surveys take at most a fifth of the time.
        self.survey_due = now + min(4 * took_s, _MOST_PAUSE_S)
        return digest == self.look.digest

    def survey_failed(self, now: float) -> None:
        """No answer: ask again after a while, each time a longer one."""
        self.survey_due = now + min(_RETRY_S * 2**self.survey_failures, _MOST_RETRY_S)
        self.survey_failures += 1

    def quiet_for_s(self, wall: float) -> float:
        """Nothing has changed for so long.

        Counted between looks, for a share's clock may be wrong. Only for a folder that has been as it is since the
        first look do its files' own times count, and only what they are beyond an hour old: so a restart costs an
        old folder nothing. Status times (ctime) are among them: a copy that keeps old modification times is no proof.
        """
        watched = self.looked_at - self.changed_at
        return max(watched, wall - self.look.newest - OLD_S) if self.untouched else watched


class Agenda:
    """When which folder is to be looked at again; the soonest wins."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []

    def put(self, path: str, due: float) -> None:
        """Look at this folder at this monotonic time, or earlier if that was agreed before."""
        if due < self._due.get(path, float("inf")):
            self._due[path] = due
            heapq.heappush(self._heap, (due, path))

    def drop(self, path: str) -> None:
        self._due.pop(path, None)

    def soonest(self) -> float | None:
        """Time of the next look; None: nothing is agreed."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self, now: float) -> list[str]:
        """Folders whose time has come; they are off the agenda."""
        paths = []
        while (soonest := self.soonest()) is not None and soonest <= now:
            _, path = heapq.heappop(self._heap)
            del self._due[path]
            paths.append(path)
        return paths
