"""Maximum matching of beams to workers, whatever their numbers. Pure.

Augmenting paths (Kuhn 1955) as a search in breadth, so that its depth is no matter. Beams that want the same workers
share one ``Wish``: it is looked through once, not once for each of them. A search that finds no free worker has seen
a closed set, of which every worker is held by a beam that could be nowhere else; it stays so, and none of them is
looked at again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Wish:
    """The workers that a beam could go to, the best first. For one matching."""

    workers: tuple[str, ...]
    hopeless: bool = False
    """None of them can be had any more."""
    _left: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._left = iter(self.workers)

    def free(self, taken: dict[str, str]) -> str | None:
        """The best that nobody holds; none becomes free again, so each is passed over once."""
        return next((worker for worker in self._left if worker not in taken), None)


@dataclass(slots=True)
class _Matching:
    holder: dict[str, str] = field(default_factory=dict)
    """Worker → key."""
    place: dict[str, str] = field(default_factory=dict)
    """Key → worker, in the order of the keys."""
    wishes: dict[str, Wish] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    """Workers that nothing can be moved away from."""

    def put(self, key: str, worker: str) -> None:
        self.holder[worker], self.place[key] = key, worker

    def make_room(self, key: str) -> None:
        """Move what holds a wished worker to another one, and so on, until one is free."""
        came: dict[str, str] = {}
        looked: list[Wish] = []
        asking = deque([key])
        while asking:
            wish = self.wishes[asked := asking.popleft()]
            if wish.hopeless or any(wish is one for one in looked):
                continue
            looked.append(wish)
            for worker in wish.workers:
                if worker in came or worker in self.closed:
                    continue
                came[worker] = asked
                if worker not in self.holder:
                    self._move_along(key, worker, came)
                    return
                asking.append(self.holder[worker])
        self.closed.update(came)
        for wish in looked:
            wish.hopeless = True

    def _move_along(self, key: str, free: str, came: dict[str, str]) -> None:
        worker = free
        while (moved := came[worker]) != key:
            before = self.place[moved]
            self.put(moved, worker)
            worker = before
        self.put(key, worker)


def match(keys: Iterable[str], wish_of: Callable[[str], Wish], most: int) -> dict[str, str]:
    """Key → worker. Keys that come first are matched first, and each gets its best free worker unless others need it.

    Once matched a key stays matched, so the set of matched keys is the best one in the keys' order. ``most``: workers
    that there are. ``wish_of`` gives equal beams the same object.
    """
    made = _Matching()
    for key in keys:
        if len(made.holder) == most:
            break
        wish = wish_of(key)
        if wish.hopeless:
            continue
        made.wishes[key] = wish
        free = wish.free(made.holder)
        if free is not None:
            made.put(key, free)
        else:
            made.make_room(key)
    return made.place
