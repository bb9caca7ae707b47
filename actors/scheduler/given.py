"""What was given to whom. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from messages.address import Mailbox
from messages.scheduling import BeamRequest


@dataclass(frozen=True, slots=True)
class Given:
    """One attempt that a worker was given, or said that it is answerable for."""

    worker: str
    epoch: int
    """Of the worker when the beam was given."""
    request: BeamRequest | None = None
    """None: learnt from the worker's report alone."""
    reply_to: Mailbox | None = None
    acknowledged: bool = False
    called_back: bool = False


@dataclass(slots=True)
class GivenBeams:
    """By key, and by worker: a report asks for what one worker has, not for everything."""

    _by_key: dict[str, Given] = field(default_factory=dict)
    _of_worker: dict[str, dict[str, None]] = field(default_factory=dict)

    def __getitem__(self, key: str) -> Given:
        return self._by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_key)

    def get(self, key: str) -> Given | None:
        return self._by_key.get(key)

    def put(self, key: str, given: Given) -> None:
        """In place of what was known of the key."""
        known = self._by_key.get(key)
        if known is not None and known.worker != given.worker:
            self._of_worker[known.worker].pop(key, None)
        self._by_key[key] = given
        self._of_worker.setdefault(given.worker, {})[key] = None

    def pop(self, key: str) -> Given:
        given = self._by_key.pop(key)
        self._of_worker[given.worker].pop(key, None)
        return given

    def of(self, worker: str) -> tuple[tuple[str, Given], ...]:
        """Its keys, with what is known of each."""
        return tuple((key, self._by_key[key]) for key in self._of_worker.get(worker, ()))

    def pending(self, worker: str) -> str:
        """The first of its keys that it has not acknowledged yet; empty: none."""
        return next((key for key, given in self.of(worker) if not given.acknowledged), "")
