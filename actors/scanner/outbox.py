"""Writes on their way to the ledger: at most one per case, each with what follows once it is on the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from actors.crash_points import effect
from messages.address import Mailbox
from messages.ledger import Record, Write


@dataclass(frozen=True, slots=True)
class Pending:
    case: str
    path: str
    """Case folder that it is about."""
    then: Callable[[], None]
    """Called once it is written."""


class Outbox:
    """Sends writes and remembers them until their answer."""

    def __init__(self, ledger: Mailbox, writer: Mailbox, epoch: int) -> None:
        self._ledger, self._writer, self._epoch = ledger, writer, epoch
        self._pending: dict[str, Pending] = {}
        self._busy: set[str] = set()
        self._numbers = count(1)

    def busy(self, case: str) -> bool:
        """A write about this case is on its way: what follows is decided after its answer."""
        return case in self._busy

    def send(self, pending: Pending, records: tuple[Record, ...]) -> None:
        """Ask the ledger to write all records, or none."""
        request_id = f"{self._writer.id}/{self._epoch}/{next(self._numbers)}"
        self._pending[request_id] = pending
        self._busy.add(pending.case)
        with effect("scan.write"):
            self._ledger.tell(Write(request_id, self._writer, self._writer.id, self._epoch, records))

    def answered(self, request_id: str) -> Pending | None:
        """What this answer is to; None: not one of ours."""
        pending = self._pending.pop(request_id, None)
        if pending is not None:
            self._busy.discard(pending.case)
        return pending
