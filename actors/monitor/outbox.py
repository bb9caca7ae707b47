"""What the ledger has still to take: the latest record of each subject, sent until it is acknowledged."""

from __future__ import annotations

from dataclasses import dataclass, field

from messages.ledger import ClearAlarm, RaiseAlarm, Record

PATIENCE_S = 30.0
"""An answer that takes longer is lost: the ledger was restarted."""


@dataclass(slots=True)
class Outbox:
    """One write under way at a time; a full disk or a crashed ledger only delays it. ``now`` is monotonic seconds."""

    _waiting: dict[str, Record] = field(default_factory=dict)
    _sent: dict[str, Record] = field(default_factory=dict)
    _sent_at: float | None = None
    _number: int = 0

    def put(self, subject: str, record: Record) -> None:
        """The newest word about a subject replaces the one that waits."""
        self._waiting[subject] = record

    def next(self, now: float) -> tuple[str, tuple[Record, ...]] | None:
        """(request id, records) to send now; None when there is nothing, or an answer is awaited."""
        if self._sent_at is not None and now - self._sent_at < PATIENCE_S:
            return None
        if not self._waiting:
            return None
        self._sent, self._sent_at, self._number = dict(self._waiting), now, self._number + 1
        return f"notes-{self._number}", tuple(self._sent.values())

    def sent_alarms(self, request_id: str) -> bool:
        """Whether that write was of alarms too."""
        current = request_id == f"notes-{self._number}"
        return current and any(isinstance(record, RaiseAlarm | ClearAlarm) for record in self._sent.values())

    def written(self, request_id: str) -> None:
        """The ledger has it; what changed meanwhile still waits."""
        if request_id == f"notes-{self._number}":
            self._waiting = {k: record for k, record in self._waiting.items() if self._sent.get(k) is not record}
            self._sent_at = None

    def refused(self, request_id: str) -> None:
        """It goes out again with the next look."""
        if request_id == f"notes-{self._number}":
            self._sent_at = None
