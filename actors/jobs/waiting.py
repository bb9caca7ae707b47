"""Orders that wait for a host: carried out beside each other, but those about one run one after the other. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from messages.jobs import KillJob, LaunchJob, SteerCase

O = TypeVar("O")  # noqa: E741 - an order of any kind


class WaitingOrders(Generic[O]):
    """What waits, oldest first, and whose runs are in hand.

    A run that is to end while its launch is still on its way would be proven absent, and begin afterwards. A case that
    is held and released at once would stay held.
    """

    def __init__(self) -> None:
        self._waiting: deque[O] = deque()
        self._in_hand: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, order: O) -> None:
        """It came."""
        self._waiting.append(order)

    def take(self, ready: Callable[[O], bool] = lambda _order: True) -> O | None:
        """The oldest that is ``ready`` and whose run no other order is about, in hand or older; None: there is none."""
        passed = set(self._in_hand)
        for order in self._waiting:
            key = _run_of(order)
            if ready(order) and key not in passed:
                self._waiting.remove(order)
                if key is not None:
                    self._in_hand.add(key)
                return order
            if key is not None:
                passed.add(key)
        return None

    def done(self, order: O) -> None:
        """It was carried out."""
        self._in_hand.discard(_run_of(order) or "")

    def again(self, order: O) -> None:
        """It was in hand, and is to be done again from its start, before all that came after it."""
        self.done(order)
        self._waiting.appendleft(order)


def _run_of(order: object) -> str | None:
    match order:
        case LaunchJob(_, _, job):
            return job.key
        case KillJob():
            return order.key
        case SteerCase():
            return order.case
        case _:
            return None
