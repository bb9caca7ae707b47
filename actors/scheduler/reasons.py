"""Why a beam waits, in one sentence that an operator can act on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actors.scheduler.policy import Room, Slot
from messages.hosts import GpuState
from messages.scheduling import BeamRequest

SHOWN = 4
"""GPUs named in one sentence; the rest is counted."""
NOBODY = "no GPU has reported yet"


@dataclass(frozen=True, slots=True)
class Place:
    """One GPU with what an operator knows it by."""

    slot: Slot
    label: str
    """``host/index``."""
    reason: str = ""
    running: str = ""
    """Key of the attempt that runs there."""
    next: str = ""
    silent: bool = False
    """Nothing was heard of its worker for some seconds."""


def sentence(request: BeamRequest, keeps: str, before: int, halted: str) -> str:
    """The whole sentence. ``keeps``: as ``obstacles`` tells it; ``before``: how many beams rank before this one;
    ``halted``: why no new work starts."""
    head = f"beam {request.beam} waits: "
    if halted:
        return f"{head}no new work starts, {halted}"
    return f"{head}{keeps}{f'; {_about(before)} before it' if before and keeps != NOBODY else ''}"


def obstacles(request: BeamRequest, shown: Sequence[Place], banned: frozenset[str], count: int) -> str:
    """What keeps every beam of this kind from ``shown``, the first few of ``count`` GPUs."""
    if not shown:
        return NOBODY
    said = ", ".join(_place(request, place, banned) for place in shown)
    more = f", and {count - len(shown)} more GPUs" if count > len(shown) else ""
    return f"{said}{more}"


def _place(request: BeamRequest, place: Place, banned: frozenset[str]) -> str:
    """What keeps the beam from one GPU."""
    slot = place.slot
    why = f" ({place.reason})" if place.reason else ""
    if place.silent:
        text = "does not answer"
    elif slot.state in (GpuState.QUARANTINED, GpuState.UNKNOWN, GpuState.DRAINING):
        text = f"{slot.state.value}{why}"
    elif not slot.holds(request):
        text = f"has {slot.free_mb} MB of memory free and the beam asks for {request.memory_mb} MB"
    elif slot.place in banned:
        text = "failed this beam before"
    elif place.running or place.next:
        text = _occupied(place)
    else:
        text = "takes another beam first" if slot.room is not Room.NONE else f"not ready{why}"
    return f"{place.label} {text}"


def _occupied(place: Place) -> str:
    if not place.running:
        return f"about to run {spoken(place.next)}"
    return f"busy with {spoken(place.running)}" + (f", {spoken(place.next)} staged next" if place.next else "")


def spoken(key: str) -> str:
    """``<case>/<beam>/<attempt>`` in words."""
    case, _, rest = key.partition("/")
    return f"{case} beam {rest.partition('/')[0]}"


def _about(count: int) -> str:
    """A number that does not change at every assignment of a long queue."""
    if count == 1:
        return "1 beam goes"
    if count <= 10:
        return f"{count} beams go"
    step = 10 if count <= 100 else 100
    return f"more than {(count - 1) // step * step} beams go"
