"""Requests that wait for a process: urgent ones first, else first come, first served."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from messages.compute import Compute


@dataclass(frozen=True, slots=True)
class Job:
    """A request with how often a process died under it."""

    request: Compute
    deaths: int = 0


class Waiting:
    """By request id: the same request again changes nothing but its reply address."""

    def __init__(self) -> None:
        self._urgent: OrderedDict[str, Job] = OrderedDict()
        self._usual: OrderedDict[str, Job] = OrderedDict()

    def __len__(self) -> int:
        return len(self._urgent) + len(self._usual)

    def add(self, job: Job) -> None:
        """At the end of its queue; where it stands already, if it does."""
        self._queue(job)[job.request.request_id] = job

    def add_first(self, job: Job) -> None:
        """Before all others of its kind: it had its turn, and lost it by no fault of its own."""
        queue = self._queue(job)
        queue[job.request.request_id] = job
        queue.move_to_end(job.request.request_id, last=False)

    def take(self) -> Job | None:
        """The next one, off the queue."""
        for queue in (self._urgent, self._usual):
            if queue:
                return queue.popitem(last=False)[1]
        return None

    def drop(self, request_id: str) -> bool:
        """True if it waited."""
        return any(queue.pop(request_id, None) is not None for queue in (self._urgent, self._usual))

    def drop_alone(self, alone: str) -> None:
        """Whatever waits under this word."""
        for queue in (self._urgent, self._usual):
            for request_id in [id_ for id_, job in queue.items() if job.request.alone == alone]:
                del queue[request_id]

    def drain(self) -> list[Job]:
        """All of them, off the queue."""
        jobs = []
        while (job := self.take()) is not None:
            jobs.append(job)
        return jobs

    def _queue(self, job: Job) -> OrderedDict[str, Job]:
        return self._urgent if job.request.urgent else self._usual
