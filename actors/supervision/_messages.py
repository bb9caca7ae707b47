"""What the runtime tells actors, and what actors tell supervisors."""

from __future__ import annotations

from dataclasses import dataclass

from actors.supervision._spec import Spec


@dataclass(frozen=True, slots=True)
class Up:
    """An incarnation of a watched actor is ready: its ``started`` returned."""

    id: str
    """Path of the actor."""
    epoch: int


@dataclass(frozen=True, slots=True)
class Exited:
    """An incarnation of a watched actor is over, whichever way it ended."""

    id: str
    """Path of the actor."""
    epoch: int
    cause: BaseException | None
    """None: it ended as it was asked to, or by its own ``stop``."""


@dataclass(frozen=True, slots=True)
class TaskFailed:
    """The work of one of the actor's own tasks raised."""

    name: str
    error: BaseException
    epoch: int
    """Of the incarnation that started the task: always the receiver's own."""


@dataclass(frozen=True, slots=True)
class StartChild:
    """To a supervisor: have this child, appended in order.

    Idempotent by id: of a child that runs, only the spec for the next start changes. Should it end well after that, it
    is started once more, for whoever asks may know of work that it did not see any more.
    """

    spec: Spec


@dataclass(frozen=True, slots=True)
class StopChild:
    """To a supervisor: stop this child and forget it. Unknown ids are none of its business."""

    id: str
    """The spec's id, not the path."""
