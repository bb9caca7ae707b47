"""Times and numbers in the sentences of ``why``. Pure."""

from __future__ import annotations

from datetime import datetime

from actors.documents.around import Around
from actors.documents.forecast import Estimate
from messages.ledger import GpuRow

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def spoken_wait(reason: str, around: Around) -> str:
    """Why a beam waits, as the scheduler said, with until when GPUs are busy and since when they are out of service."""
    said = reason
    for row in around.gpus:
        label = f"{row.host}/{row.index}"
        busy = f"{label} busy with {spoken_key(row.beam)}" if row.beam else ""
        end = gpu_end(row, around)
        if busy and end is not None and busy in said:
            said = said.replace(busy, f"{busy} until about {clock(end.eta)}", 1)
        for state in ("quarantined", "draining", "unknown"):
            if f"{label} {state}" in said and row.state == state:
                said = said.replace(f"{label} {state}", f"{label} {state} since {clock(row.at)}", 1)
    return said


def gpu_end(row: GpuRow, around: Around) -> Estimate | None:
    """When what runs on a GPU will have ended."""
    case, _, rest = row.beam.partition("/")
    number = rest.partition("/")[0]
    return around.of_beam(case, int(number)) if number.isdigit() else None


def spoken_key(key: str) -> str:
    """``<case>/<beam>/<attempt>`` in words."""
    case, _, rest = key.partition("/")
    return f"{case} beam {rest.partition('/')[0]}"


def clock(at: datetime) -> str:
    """The time of this machine's day; with the date where it is another day's."""
    here = at.astimezone()
    today = datetime.now().astimezone().date()
    return here.strftime("%H:%M" if here.date() == today else "%Y-%m-%d %H:%M")


def until(foretold: Estimate) -> str:
    """``about 14:31, by 14:50 in nine cases of ten``."""
    eta, bound = clock(foretold.eta), clock(foretold.bound)
    return f"about {eta}" if eta == bound else f"about {eta}, by {bound} in nine cases of ten"


def ordinal(number: int) -> str:
    return _ORDINALS[number - 1] if 0 < number <= len(_ORDINALS) else f"{number}th"
