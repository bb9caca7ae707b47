"""What a case's decisions ask of its actor; each is one message, task or timer."""

from __future__ import annotations

from dataclasses import dataclass

from messages.interpretation import Interpretation
from messages.ledger import Record
from messages.results import PublishCase, VerifyRun
from messages.scheduling import BeamRequest

CASE = 0
"""Subject of an effect that concerns the case as a whole; beams have their numbers, from 1."""


@dataclass(frozen=True, slots=True)
class Save:
    """Write these records; what depends on them waits for the acknowledgement."""

    subject: int
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Write these records; nothing waits for it."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """Read the case from the ledger again, after a pause."""

    after_s: float


@dataclass(frozen=True, slots=True)
class CheckInputs:
    """Do the files of this interpretation lie where it says?"""

    interpretation: Interpretation
    thorough: bool = False
    """With their hashes; else with their sizes only."""


@dataclass(frozen=True, slots=True)
class Interpret:
    """Make the engine input of every beam."""


@dataclass(frozen=True, slots=True)
class Queue:
    request: BeamRequest


@dataclass(frozen=True, slots=True)
class Withdraw:
    beam: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask a worker where an attempt stands."""

    worker: str
    key: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Have a worker give an attempt up; what runs of it is ended."""

    worker: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Have a worker give an attempt back, unless it is on its way to its launch."""

    worker: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verify:
    beam: int
    run: VerifyRun


@dataclass(frozen=True, slots=True)
class Publish:
    order: PublishCase


@dataclass(frozen=True, slots=True)
class Settle:
    """Tell a worker what became of an attempt."""

    worker: str
    key: str
    good: bool
    blame_gpu: bool = False


@dataclass(frozen=True, slots=True)
class RemoveRuns:
    """Remove the case's run directories on a host."""

    host: str


@dataclass(frozen=True, slots=True)
class EndRuns:
    """End what still runs of the case on a host besides its beams: interpretations."""

    host: str


@dataclass(frozen=True, slots=True)
class RemoveWork:
    """Remove the case's working files here, but for these folders."""

    keep: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rest:
    """Do nothing for a subject for so long, then go on."""

    subject: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """Raise the case's alarm; with an empty text clear it."""

    text: str


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell admission that a planned run may have been admitted with this case."""

    case: str


@dataclass(frozen=True, slots=True)
class Stop:
    """The case is over: nothing is left to do."""


Effect = (
    Save
    | Note
    | Read
    | CheckInputs
    | Interpret
    | Queue
    | Withdraw
    | Ask
    | Cancel
    | GiveBack
    | Verify
    | Publish
    | Settle
    | RemoveRuns
    | EndRuns
    | RemoveWork
    | Rest
    | Alarm
    | Announce
    | Stop
)
