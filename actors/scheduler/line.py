"""The line of waiting beams, in the order in which they run. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from actors.scheduler.policy import rank
from messages.address import Mailbox
from messages.scheduling import BeamRequest

_Rank = tuple[float, float, str, int, int]


@dataclass(slots=True)
class Waiting:
    """One beam that waits."""

    request: BeamRequest
    reply_to: Mailbox
    since: float
    told: str = ""
    hopeless_since: float | None = None
    """Since when no GPU in service could ever take it; None: one could."""
    alarm: str = ""
    """What is told of that once it has lasted."""


@dataclass(slots=True)
class Line:
    """By (case, beam); the order is kept as beams come and go, not made anew at every decision."""

    _entries: dict[tuple[str, int], Waiting] = field(default_factory=dict)
    _ranks: list[_Rank] = field(default_factory=list)
    _requests: list[BeamRequest] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, beam: tuple[str, int]) -> Waiting:
        return self._entries[beam]

    def __iter__(self) -> Iterator[Waiting]:
        return (self._entries[request.case, request.beam] for request in self._requests)

    @property
    def requests(self) -> Sequence[BeamRequest]:
        """In their order. Changes with the line."""
        return self._requests

    def get(self, beam: tuple[str, int]) -> Waiting | None:
        return self._entries.get(beam)

    def put(self, entry: Waiting) -> None:
        """In place of whatever waits for the same beam."""
        request = entry.request
        self.pop((request.case, request.beam))
        insort(self._ranks, rank(request))
        self._requests.insert(bisect_left(self._ranks, rank(request)), request)
        self._entries[request.case, request.beam] = entry

    def pop(self, beam: tuple[str, int]) -> Waiting | None:
        """The entry, which waits no more; None where none does."""
        entry = self._entries.pop(beam, None)
        if entry is not None:
            at = bisect_left(self._ranks, rank(entry.request))
            del self._ranks[at], self._requests[at]
        return entry
