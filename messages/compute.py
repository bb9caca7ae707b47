"""CPU-heavy work in processes of its own: interpretation, verification, dose files."""

from __future__ import annotations

from dataclasses import dataclass

from messages.address import Mailbox
from messages.faults import Fault


@dataclass(frozen=True, slots=True)
class Compute:
    """Run ``function(argument)`` in a worker process and answer with its value."""

    request_id: str
    reply_to: Mailbox
    function: str
    """Entry point ``package.module:name`` taking one frozen, picklable argument."""
    argument: object
    label: str = ""
    """For the log: case, and what is done."""
    urgent: bool = False
    """Taken before the others that wait (surveys that let new cases be seen)."""
    timeout_s: float = 600.0
    alone: str = ""
    """What no two may be at: a later request with the same word takes the place of an earlier one, which is abandoned,
    and begins when nothing of that is left. Empty: any number may run beside one another."""


@dataclass(frozen=True, slots=True)
class Computed:
    """The value that the function returned."""

    request_id: str
    value: object


@dataclass(frozen=True, slots=True)
class ComputeFailed:
    """The function raised one of our errors (its fault), or its process died or overran (blame OURS)."""

    request_id: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class AbandonCompute:
    """Drop the request, kill its process if it runs; no answer follows."""

    request_id: str
