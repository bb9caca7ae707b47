"""The file lane of an SSH host: a connection of its own, opened when it is needed, and again when it was lost."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from actors.errors import MqiError
from actors.jobs import check_path, manifest
from actors.jobs.lane import Lane, Order, Stopped
from actors.jobs.progress import Teller
from actors.mounts import Ground
from actors.ssh_connection import refusals, troubles
from actors.ssh_connection.download import Download
from actors.ssh_connection.link import Link, open_link
from actors.ssh_connection.route import Route, Tally
from actors.ssh_connection.target import Target
from actors.ssh_connection.upload import Upload
from actors.supervision import Backoff, Context, TaskScope
from messages.address import Mailbox
from messages.files import FileProof, PutFiles

REOPENED = Backoff(min_s=1.0, max_s=60.0, jitter=0.2)
"""Between two attempts to connect: a host that is away is not stormed, whoever orders moves."""
TRIES = 4
"""Of one move without a byte gained; then whoever ordered it is told, and may order it again later. Of a host that
could not be reached so often, each order asks once."""
_PAUSE_S = 0.5
_SESSIONS = 3
_READY = 2
"""Shells that wait for the next move: one for its questions, one for its files."""


class SshLane(Lane):
    """Moves files to and from runs of one host; ``workspace`` is the only place it touches there.

    Only regular files are moved. A symbolic link is never followed: one that a manifest names is refused, any other
    is left out, as are devices, pipes and sockets.

    A lost link never crashes it, for its siblings would be restarted with it: it connects anew, goes on where the
    move stopped, and answers MoveFailed (blame HOST) when that does not help.
    """

    def __init__(
        self,
        context: Context,
        *,
        host: str,
        target: Target,
        workspace: str,
        monitor: Mailbox | None = None,
        ground: Ground | None = None,
    ) -> None:
        super().__init__(context, host=host, monitor=monitor)
        self._target = target
        self._workspace = str(PurePosixPath(workspace))
        self._ground = ground or Ground(workspace)
        self._link: Link | None = None
        self._failures = 0
        self._not_before = 0.0

    def stopped(self) -> None:
        self._drop()

    def move(self, order: Order, scope: TaskScope, abandoned: Callable[[], bool]) -> tuple[FileProof, ...]:
        move = _move_of(order, self._workspace, self._ground)
        begun = time.monotonic()
        tally = Tally(news=self._teller(order, begun))
        try:
            proofs, tries = self._moved(move, tally, scope)
        finally:
            if abandoned():
                self._forget(move)
        if self._link is not None and self._link.alive:
            self._link.prepare(_READY)
        self._tell(order, tally, time.monotonic() - begun, tries)
        return proofs

    def _moved(self, move: Upload | Download, tally: Tally, scope: TaskScope) -> tuple[tuple[FileProof, ...], int]:
        """Its proof, and how many tries it took."""
        vain, tries = 0, 0
        while True:
            landed, tries = tally.landed, tries + 1
            try:
                return self._try(move, tally, scope), tries
            except MqiError as error:
                if scope.cancelled:
                    raise Stopped from error
                vain = 1 if tally.landed > landed else vain + 1
                if not self._mends(error) or max(vain, self._failures) >= TRIES:
                    raise
                self.log.info(f"{error.fault.what} The move goes on where it stopped.")
            if vain > 1 and scope.wait(_PAUSE_S * vain):
                raise Stopped

    def _mends(self, error: MqiError) -> bool:
        """Whether another connection may help."""
        if self._link is not None and (isinstance(error, troubles.LinkError) or not self._link.alive):
            self._drop()
            return True
        return self._link is None and error.fault.kind not in troubles.NEEDS_HANDS

    def _try(self, move: Upload | Download, tally: Tally, scope: TaskScope) -> tuple[FileProof, ...]:
        link = self._opened(scope)
        withdraw = scope.on_cancel(link.cut)
        try:
            return move.run(Route(link, self._workspace, lambda: scope.cancelled, tally))
        finally:
            withdraw()

    def _opened(self, scope: TaskScope) -> Link:
        """The connection; a new one is opened no sooner than the last failure allows. Raises MqiError, or Stopped."""
        if self._link is not None and self._link.alive:
            return self._link
        self._drop()
        if scope.wait(max(self._not_before - time.monotonic(), 0.0)):
            raise Stopped
        try:
            self._link = open_link(self._target, scope.on_cancel, sessions=_SESSIONS)
        except MqiError:
            self._failures += 1
            self._not_before = time.monotonic() + REOPENED.delay_s(self._failures - 1, random.random())
            raise
        self._failures = 0
        return self._link

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _forget(self, move: Upload | Download) -> None:
        """Nobody waits for the move any more: what it left goes, here or there, if the host can be reached."""
        if isinstance(move, Download):
            move.forget()
            return
        self._drop()  # it was cut short, and says nothing any more
        with contextlib.suppress(MqiError):
            self._link = open_link(self._target, sessions=_SESSIONS)
            move.forget(Route(self._link, self._workspace, lambda: False))

    def _teller(self, order: Order, begun: float) -> Callable[[int, int], None]:
        """Says how far a long move is, to whoever ordered it and in the log."""
        teller = Teller(order.request_id, begun)
        way = "to" if isinstance(order, PutFiles) else "from"

        def tell(landed: int, size: int) -> None:
            news = teller.news(landed, size, time.monotonic())
            if news is not None:
                order.reply_to.tell(news)
                self.log.info(f"{order.request_id.partition('#')[0]}: moving files {way} {self._host}, {news.words}")

        return tell

    def _tell(self, order: Order, tally: Tally, seconds: float, tries: int) -> None:
        way = "to" if isinstance(order, PutFiles) else "from"
        again = f", in {tries} tries" if tries > 1 else ""
        self.log.debug(
            f"{order.request_id}: {tally.moved / 1e6:.1f} MB moved {way} {self._host} in {seconds:.2f} s{again}"
        )


def _move_of(order: Order, workspace: str, ground: Ground) -> Upload | Download:
    if isinstance(order, PutFiles):
        return Upload(Path(order.source), _below(workspace, order.target), manifest(order.files), ground.expected())
    for name in order.names:
        check_path(name)
    return Download(_below(workspace, order.source), Path(order.target), order.names)


def _below(workspace: str, path: str) -> str:
    """The path if it is absolute, plain and below the workspace by its words; the host checks its links."""
    plain = PurePosixPath(path)
    fit = plain.is_absolute() and ".." not in plain.parts and "\0" not in path
    if not fit or str(plain) == workspace or not plain.is_relative_to(workspace):
        raise refusals.outside(workspace, path)
    return str(plain)
