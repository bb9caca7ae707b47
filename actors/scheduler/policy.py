"""Who runs next, and where: waiting beams and GPUs in, assignments out. No clock, no thread, no state.

* **Order.** A priority point is worth ``AGING_S`` of waiting. Ranking beams by ``admitted - priority * AGING_S`` is
  therefore priority, then first come, with aging built in: whatever arrives later than that span behind a beam ranks
  behind it for ever, so nothing starves, and the order needs no clock. Beams of an older case go first, ties are
  broken by names.
* **Idle first.** A maximum matching of beams to idle GPUs, beams taken in their order: a beam that ranks higher is
  never left out for one that ranks lower, and no GPU stays idle that any waiting beam could use (work-conserving).
* **Then where it begins soonest.** What is left is staged behind busy GPUs, one beam each, and handed to clusters in
  whose queue a job is expected to wait, whichever is expected to begin sooner (``Slot.begins_s``): a run takes as long
  after either, as far as is known, so the soonest begin is the soonest completion. A GPU that is over in minutes goes
  before a queue of hours, and a queue of seconds before a GPU that has just begun. Nothing is kept back for a better
  place later: while anything has room, no beam that it could take waits here. A cluster of which no wait is expected
  counts as idle. A beam of which nothing was opened yet goes back to the queue when its worker cannot take it.
* **Called back.** A beam that is staged behind a busy GPU while another one stays idle is called back for it, unless
  the run before it is nearly over, or over before the other one (a cluster) would begin: moving a beam costs a
  transfer, waiting may cost the rest of a long run.
* **Avoid.** GPUs that failed a beam are left out for it, unless no other GPU is in service that could ever take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from actors.scheduler.matching import Wish, match
from messages.hosts import GpuState
from messages.scheduling import AGING_S, BeamRequest

NEARLY_OVER = 0.9
"""Progress of a run behind which a staged beam is left where it is."""
USUAL_RUN_S = 600.0
"""What a run of which nothing is known yet is taken to last."""


class Room(StrEnum):
    """What one GPU can take now."""

    IDLE = "idle"
    """A beam to run at once."""
    AHEAD = "ahead"
    """A beam to stage behind the one that runs."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Slot:
    """One GPU as the policy sees it."""

    worker: str
    host: str
    uuid: str
    state: GpuState
    room: Room
    free_mb: int | None = None
    """GPU memory when nothing of ours uses it; None: not asked."""
    progress: float = 0.0
    """Of the running beam, 0 to 1."""
    wait_s: float = 0.0
    """What a run given to it now is expected to wait in its cluster's queue, s; 0: it begins at once."""
    left_s: float | None = None
    """Until what runs there is expected to be over, s; None: not known."""

    @property
    def begins_s(self) -> float:
        """Until a beam that is given to it now is expected to begin, s."""
        if self.room is Room.IDLE:
            return self.wait_s
        return self.wait_s + (self.left_s if self.left_s is not None else USUAL_RUN_S * (1 - self.progress))

    @property
    def place(self) -> str:
        """``host/uuid``, as ``BeamRequest.avoid`` names it."""
        return f"{self.host}/{self.uuid}"

    def holds(self, request: BeamRequest) -> bool:
        """Memory enough for the beam."""
        return self.free_mb is None or self.free_mb >= request.memory_mb

    def serves(self, request: BeamRequest) -> bool:
        """In service, and large enough: it could take the beam now or after what it runs."""
        return self.state in (GpuState.IDLE, GpuState.BUSY) and self.holds(request)


@dataclass(frozen=True, slots=True)
class Assignment:
    """This beam goes to this worker."""

    key: str
    worker: str


def rank(request: BeamRequest) -> tuple[float, float, str, int, int]:
    """Sort key of a waiting beam; the smallest runs first."""
    admitted = request.admitted.timestamp()
    return (admitted - request.priority * AGING_S, admitted, request.case, request.beam, request.attempt)


def avoided(request: BeamRequest, slots: Iterable[Slot]) -> frozenset[str]:
    """The places that this beam must not be given to: what it avoids, unless nothing else could ever take it."""
    if not request.avoid:
        return request.avoid
    elsewhere = any(slot.serves(request) and slot.place not in request.avoid for slot in slots)
    return request.avoid if elsewhere else frozenset()


def assign(
    waiting: Iterable[BeamRequest],
    slots: Iterable[Slot],
    barred: frozenset[tuple[str, str]] = frozenset(),
) -> tuple[Assignment, ...]:
    """Beams for the GPUs that have room: each beam and each GPU at most once, in the beams' order.

    ``barred``: pairs of (key, worker) that are not tried now, because the worker has just refused the beam.
    """
    return deal(sorted(waiting, key=rank), tuple(slots), barred)


def deal(
    beams: Sequence[BeamRequest], slots: Sequence[Slot], barred: frozenset[tuple[str, str]] = frozenset()
) -> tuple[Assignment, ...]:
    """The same for beams that are in their order already; what has no room costs next to nothing."""
    room = [slot for slot in slots if slot.room is not Room.NONE]
    if not room or not beams:
        return ()
    at_once = [slot for slot in room if slot.room is Room.IDLE and slot.wait_s <= 0]
    later = [slot for slot in room if slot.room is not Room.IDLE or slot.wait_s > 0]
    chosen: dict[str, tuple[int, str]] = {}
    for part in filter(None, (at_once, later)):
        wishes = _Wishes(beams, part, slots, barred)
        placed = match(wishes.keys(but=frozenset(chosen)), wishes.of, len(part))
        chosen |= {key: (wishes.asked[key], worker) for key, worker in placed.items()}
    ordered = sorted((number, key, worker) for key, (number, worker) in chosen.items())
    return tuple(Assignment(key, worker) for _, key, worker in ordered)


class _Wishes:
    """What each beam could have of ``room``. Beams are looked at one by one, for most queues are longer than the room.

    ``slots``: every one, with or without room.
    """

    def __init__(
        self,
        beams: Sequence[BeamRequest],
        room: Sequence[Slot],
        slots: Sequence[Slot],
        barred: frozenset[tuple[str, str]],
    ) -> None:
        self._beams, self._slots, self._barred = beams, slots, barred
        self._room = sorted(room, key=lambda slot: (slot.begins_s, slot.worker))
        self._refused = {key for key, _ in barred}
        self._alike: dict[object, Wish] = {}
        self.asked: dict[str, int] = {}
        """Key → place in the order, of those that were looked at."""

    def keys(self, but: frozenset[str]) -> Iterator[str]:
        for number, request in enumerate(self._beams):
            key = request.key
            if key not in but:
                self.asked[key] = number
                yield key

    def of(self, key: str) -> Wish:
        """The same for all that ask for the same."""
        request = self._beams[self.asked[key]]
        banned = avoided(request, self._slots)
        kind = (request.memory_mb, banned, key if key in self._refused else "")
        if kind not in self._alike:
            self._alike[kind] = Wish(tuple(slot.worker for slot in self._room if self._fits(slot, request, banned)))
        return self._alike[kind]

    def _fits(self, slot: Slot, request: BeamRequest, banned: frozenset[str]) -> bool:
        free = slot.place not in banned and (request.key, slot.worker) not in self._barred
        return free and slot.holds(request)


def call_back(ahead: Mapping[str, BeamRequest], slots: Iterable[Slot]) -> tuple[str, ...]:
    """Keys of staged beams that are to be given back for idle GPUs that nothing waits for.

    ``ahead``: worker → the beam staged behind what runs there. Each idle GPU calls back one beam, the first in order.
    """
    everything = {slot.worker: slot for slot in slots}
    idle = sorted(
        (slot for slot in everything.values() if slot.room is Room.IDLE), key=lambda slot: (slot.wait_s, slot.worker)
    )
    late = [worker for worker in ahead if worker in everything and everything[worker].progress < NEARLY_OVER]
    called: list[str] = []
    for worker in sorted(late, key=lambda worker: rank(ahead[worker])):
        request, here = ahead[worker], everything[worker]
        banned = avoided(request, everything.values())
        fit = next((slot for slot in idle if slot.holds(request) and slot.place not in banned), None)
        if fit is not None and fit.begins_s < here.begins_s:
            idle.remove(fit)
            called.append(request.key)
    return tuple(called)
