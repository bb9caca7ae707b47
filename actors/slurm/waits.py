"""How long a job submitted now is expected to wait in the queue, from what this site's jobs met there. Pure.

Each job says one thing: from its submission to its start; while it waits, to the start that Slurm expects of it, or for
as long as it has waited, whichever is longer. The median of the latest few is what the next one is expected to meet.
All times are of the cluster's own clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median

from actors.slurm.options import PREFIX
from actors.slurm.queue import QueuedJob

LATEST = 9
"""Jobs that count."""
FORGOTTEN_S = 6 * 3600.0
"""What a job met that was submitted so long ago says nothing about now."""
AT_ONCE_S = 5.0
"""A shorter wait is Slurm's own pace, and no queue."""
_NEVER_BEGUN = frozenset({"CANCELLED", "DEADLINE", "REVOKED"})
_ON_PURPOSE = frozenset({"JobHeldAdmin", "JobHeldUser", "BeginTime", "Dependency", "DependencyNeverSatisfied"})


@dataclass(slots=True)
class Waits:
    """What is known now."""

    _met: dict[str, tuple[datetime, float]] = field(default_factory=dict)
    """Number of a job → when it was submitted, and how long it waited or is to wait, s."""

    @property
    def expected_s(self) -> float:
        """0 where nothing is known, or nothing waits."""
        if not self._met:
            return 0.0
        found = median(wait_s for _, wait_s in self._met.values())
        return found if found >= AT_ONCE_S else 0.0

    def hear(self, jobs: Iterable[QueuedJob], clock: str) -> None:
        """Slurm's answer, given when the cluster's clock showed ``clock``."""
        now = _time(clock)
        if now is None:
            return
        for job in jobs:
            submitted, wait_s = _time(job.submitted), _wait_s(job, now)
            if submitted is None or wait_s is None:
                self._met.pop(job.number, None)
            else:
                self._met[job.number] = (submitted, wait_s)
        young = [one for one in self._met.items() if (now - one[1][0]).total_seconds() <= FORGOTTEN_S]
        self._met = dict(sorted(young, key=lambda one: (one[1][0], one[0]))[-LATEST:])


def _wait_s(job: QueuedJob, now: datetime) -> float | None:
    """None: it tells nothing of the queue."""
    submitted, start = _time(job.submitted), _time(job.start)
    if submitted is None or not job.name.startswith(PREFIX) or job.restarts:
        return None
    if job.state in _NEVER_BEGUN or (job.waiting and job.reason in _ON_PURPOSE):
        return None
    if not job.waiting:
        return max((start - submitted).total_seconds(), 0.0) if start is not None else None
    known = (at for at in (start, now) if at is not None)
    return max((max(known) - submitted).total_seconds(), 0.0)


def _time(text: str) -> datetime | None:
    """As Slurm tells it: without a zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is None else None
