"""What a worker's decisions ask of its actor; each is one message or timer."""

from __future__ import annotations

from dataclasses import dataclass

from messages.ledger import Record
from messages.scheduling import AttemptReport


@dataclass(frozen=True, slots=True)
class Save:
    """Write these records; acts that depend on them wait for the acknowledgement."""

    key: str
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Write these records; nothing waits for it."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """Stage the attempt's input."""

    key: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """Collect the attempt's output; ``log_only``: the run failed, only its log and exit.json are wanted."""

    key: str
    log_only: bool


@dataclass(frozen=True, slots=True)
class Abandon:
    """Stop the attempt's transfer."""

    key: str


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the attempt's engine on the host."""

    key: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Observe the attempt's run from this offset of its log."""

    key: str
    offset: int


@dataclass(frozen=True, slots=True)
class Unwatch:
    key: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End the attempt's process group."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Rest:
    """Do nothing for the attempt for so long, then go on."""

    key: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Report:
    """Tell the case where the attempt stands."""

    report: AttemptReport


@dataclass(frozen=True, slots=True)
class Reread:
    """The ledger refused a transition: what it holds is the truth, read it again."""

    key: str


@dataclass(frozen=True, slots=True)
class NotOurs:
    """The ledger has no open attempt of this key for us; ``opened`` tells whether it ever had."""

    key: str
    opened: bool


Effect = NotOurs | Save | Note | Put | Fetch | Abandon | Launch | Watch | Unwatch | Kill | Rest | Report | Reread
