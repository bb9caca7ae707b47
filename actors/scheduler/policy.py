"""Who runs next, and where: waiting beams and GPUs in, assignments out. No clock, no thread, no state.

* **Order.** A priority point is worth ``AGING_S`` of waiting. Ranking beams by ``admitted - priority * AGING_S`` is
  therefore priority, then first come, with aging built in: whatever arrives later than that span behind a beam ranks
  behind it for ever, so nothing starves, and the order needs no clock. Beams of an older case go first, ties are
  broken by names.
* **Idle first.** A maximum matching of beams to idle GPUs, beams taken in their order: a beam that ranks higher is
  never left out for one that ranks lower, and no GPU stays idle that any waiting beam could use (work-conserving).
* **Then staged ahead.** What is left is staged behind busy GPUs, one beam each, the one nearest to its end first. A
  beam of which nothing was opened yet goes back to the queue by itself when its worker cannot take it.
* **Called back.** A beam that is staged behind a busy GPU while another one stays idle is called back for it, unless
  the run before it is nearly over: moving a beam costs a transfer, waiting may cost the rest of a long run.
* **Avoid.** GPUs that failed a beam are left out for it, unless no other GPU is in service that could ever take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from messages.hosts import GpuState
from messages.scheduling import AGING_S, BeamRequest

NEARLY_OVER = 0.9
"""Progress of a run behind which a staged beam is left where it is."""


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
    everything = sorted(slots, key=lambda slot: slot.worker)
    idle = [slot for slot in everything if slot.room is Room.IDLE]
    ahead = sorted(
        (slot for slot in everything if slot.room is Room.AHEAD), key=lambda slot: (-slot.progress, slot.worker)
    )
    if not idle and not ahead:
        return ()
    beams = sorted(waiting, key=rank)
    banned = {request.key: avoided(request, everything) for request in beams}

    def choices(of: Sequence[Slot]) -> dict[str, list[str]]:
        return {
            request.key: [
                slot.worker
                for slot in of
                if slot.holds(request)
                and slot.place not in banned[request.key]
                and (request.key, slot.worker) not in barred
            ]
            for request in beams
        }

    now = _match(choices(idle), len(idle))
    left = {key: workers for key, workers in choices(ahead).items() if key not in now}
    chosen = now | _match(left, len(ahead))
    return tuple(Assignment(request.key, chosen[request.key]) for request in beams if request.key in chosen)


def call_back(ahead: Mapping[str, BeamRequest], slots: Iterable[Slot]) -> tuple[str, ...]:
    """Keys of staged beams that are to be given back for idle GPUs that nothing waits for.

    ``ahead``: worker → the beam staged behind what runs there. Each idle GPU calls back one beam, the first in order.
    """
    everything = sorted(slots, key=lambda slot: slot.worker)
    idle = [slot for slot in everything if slot.room is Room.IDLE]
    late = {slot.worker for slot in everything if slot.progress < NEARLY_OVER}
    called: list[str] = []
    for request in sorted((one for worker, one in ahead.items() if worker in late), key=rank):
        banned = avoided(request, everything)
        fit = next((slot for slot in idle if slot.holds(request) and slot.place not in banned), None)
        if fit is not None:
            idle.remove(fit)
            called.append(request.key)
    return tuple(called)


def _match(choices: Mapping[str, Sequence[str]], most: int) -> dict[str, str]:
    """Maximum matching of keys to workers by augmenting paths (Kuhn); keys that come first are matched first.

    Once matched a key stays matched, so the set of matched keys is the best one in the keys' order.
    """
    holder: dict[str, str] = {}

    def place(key: str, tried: set[str]) -> bool:
        for worker in choices[key]:
            if worker in tried:
                continue
            tried.add(worker)
            if worker not in holder or place(holder[worker], tried):
                holder[worker] = key
                return True
        return False

    for key in choices:
        if len(holder) == most:
            break
        place(key, set())
    return {key: worker for worker, key in holder.items()}
