"""The file lane of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from actors.errors import MqiError
from actors.jobs import manifest
from actors.jobs.lane import Lane, Order
from actors.jobs.sources import survey
from actors.local_host import moving
from actors.local_host.places import below
from actors.mounts import WORKSPACE_AWAY, Ground
from actors.supervision import Context, TaskScope
from messages.address import Mailbox
from messages.faults import Blame, Fault
from messages.files import FileProof, PutFiles


class LocalLane(Lane):
    """Moves files to and from runs of this machine; ``workspace`` is the only place it touches on the host's side."""

    def __init__(
        self,
        context: Context,
        *,
        host: str,
        workspace: Path,
        monitor: Mailbox | None = None,
        ground: Ground | None = None,
    ) -> None:
        super().__init__(context, host=host, monitor=monitor)
        self._workspace = workspace
        self._ground = ground or Ground(str(workspace))

    def move(self, order: Order, scope: TaskScope, abandoned: Callable[[], bool]) -> tuple[FileProof, ...]:
        move = _move_of(order, self._workspace, self._ground, lambda: scope.cancelled)
        try:
            return moving.run(move)
        finally:
            if abandoned():
                moving.forget(move)


def _move_of(order: Order, workspace: Path, ground: Ground, stopped: Callable[[], bool]) -> moving.Move:
    source, target = Path(order.source), Path(order.target)
    if isinstance(order, PutFiles):
        below(workspace, target)
        if why := ground.away():  # what lies in the empty mount point is not there any more once it is mounted
            raise MqiError(
                Fault(
                    what=f"Nothing is written there: {why}.", where=str(target), blame=Blame.HOST, kind=WORKSPACE_AWAY
                )
            )
        return moving.Move(source, target, manifest(order.files), stopped, Blame.OURS, Blame.HOST)
    below(workspace, source)
    try:
        items = survey(source, order.names)
    except OSError as error:
        raise MqiError(
            Fault(
                what=f"The folder to fetch cannot be read: {error}.",
                where=order.source,
                blame=Blame.HOST,
                kind="source-unreadable",
            )
        ) from error
    return moving.Move(source, target, items, stopped, Blame.HOST, Blame.OURS)
