"""What the actor and the process that sends one result say to one another. Light: the daemon imports it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from actors.documents.sending import Standing
from actors.settings import SendNode


@dataclass(frozen=True, slots=True)
class SendResult:
    """What is asked of the process."""

    case: str
    result: str
    """Folder of the published result: ``<results.dir>/<case>``."""
    result_sha256: str
    """Of its manifest, as the ledger has it since publication; empty: it does not say."""
    node: SendNode
    standing: Standing
    """As the ledger has it; the manifest has the last word."""
    ordered: bool
    commit: bool = False
    """Nothing is sent: the node is asked whether it keeps what it has taken."""
    transaction: str = ""
    """What makes this one question different from all others."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The node has taken every file, or keeps it."""

    sentence: str
    answers: str
    """What the node said of each file, as JSON."""


class Why(StrEnum):
    """Why something was not sent."""

    WITHHELD = "withheld"
    """The rules forbid it."""
    CHANGED = "changed"
    """The result is not what was published."""
    NODE = "node"
    """The node cannot be reached, or does not answer: nothing would be sent there now."""
    REFUSED = "refused"
    """The node has refused this result."""
    UNSAID = "unsaid"
    """The node has not said yet whether it keeps the files."""
    LOST = "lost"
    """The node says that it does not keep all files."""
    OURS = "ours"
    """The process died, or could not be started."""


@dataclass(frozen=True, slots=True)
class NotSent:
    """It was not, or not all of it."""

    sentence: str
    why: Why
    answers: str = ""
