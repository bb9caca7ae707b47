"""What is wrong under the roots: each said once, not at each scan."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from actors.formats.reading import shown
from actors.scanner.looks import Complaint
from messages.address import Mailbox
from messages.metrics import RootsScanned
from messages.operators import AlarmCleared, AlarmRaised

if TYPE_CHECKING:
    from loguru import Logger


class Complaints:
    """Remembers what was said, so that only news are said again. After a complaint ended it is said anew."""

    def __init__(self) -> None:
        self._said: set[Complaint] = set()

    def news(self, complaints: Iterable[Complaint], *, all_there_are: bool) -> list[Complaint]:
        """Of these the ones not said yet; with ``all_there_are``, others that were said have ended."""
        now = set(complaints)
        fresh = sorted(now - self._said)
        self._said = now if all_there_are else self._said | now
        return fresh


class MissingRoots:
    """Which roots were missing at the last round; a share that is not mounted is logged once, and its return too."""

    def __init__(self, monitor: Mailbox, log: Logger) -> None:
        self._monitor, self._log = monitor, log
        self._missing: frozenset[str] = frozenset()

    def tell(self, missing: Iterable[str]) -> None:
        """A round over all roots has ended. Log what changed since the one before; what is missing stays an alarm for
        as long as it is told."""
        self._monitor.tell(RootsScanned())
        now = frozenset(shown(root) for root in missing)
        for root in sorted(now):
            text = f"The watch root {root} is not there. Mount the share, or mend scan.roots."
            if root not in self._missing:
                self._log.error("{}", text)
            self._monitor.tell(AlarmRaised(f"scan-root:{root}", text))
        for root in sorted(self._missing - now):
            self._log.info("the watch root {} is there again", root)
            self._monitor.tell(AlarmCleared(f"scan-root:{root}"))
        self._missing = now
