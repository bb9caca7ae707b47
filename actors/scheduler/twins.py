"""GPUs that two hosts of the settings offer: one machine by two names, or here and over SSH. Pure.

Each of the two workers proves its GPU free before it begins, but both may do so in the same moment. One of them has the
GPU then: who has work there, else the first that was heard and still can tell how it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_OF_A_DEVICE = ("GPU-", "MIG-")
"""How the driver's UUIDs begin; counted slots have names of their own on every host."""


@dataclass(slots=True)
class Twins:
    """Workers by their GPU's UUID."""

    _workers: dict[str, list[str]] = field(default_factory=dict)
    _uuid: dict[str, str] = field(default_factory=dict)

    def met(self, worker: str, uuid: str) -> None:
        """This worker's GPU, as it reports it now."""
        known = self._uuid.get(worker, "")
        if known == uuid:
            return
        if known:
            self._workers[known].remove(worker)
        self._uuid[worker] = uuid
        self._workers.setdefault(uuid, []).append(worker)

    def others(self, worker: str) -> tuple[str, ...]:
        """Workers of the same GPU."""
        uuid = self._uuid.get(worker, "")
        if not uuid.startswith(_OF_A_DEVICE):
            return ()
        return tuple(other for other in self._workers[uuid] if other != worker)

    def owner(self, worker: str, weight: Callable[[str], int]) -> str:
        """Who has the GPU of ``worker``: the heaviest, of equals the first that was heard."""
        if not self.others(worker):
            return worker
        return max(self._workers[self._uuid[worker]], key=weight)

    def pairs(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """UUID and workers of every GPU that more than one offers."""
        for uuid, workers in self._workers.items():
            if len(workers) > 1 and uuid.startswith(_OF_A_DEVICE):
                yield uuid, tuple(workers)
