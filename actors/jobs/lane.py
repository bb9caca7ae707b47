"""A lane of any host: one move of files after another, each in a task thread, each answered once."""

from __future__ import annotations

import functools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from actors.crash_points import effect
from actors.errors import MqiError
from actors.supervision import Actor, Context, Task, TaskFailed, TaskScope
from messages.address import Mailbox
from messages.faults import Blame, Fault
from messages.files import AbandonMove, FetchFiles, FileProof, FilesMoved, MoveFailed, PutFiles
from messages.metrics import FilesCarried

Order = PutFiles | FetchFiles


class Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """The move was stopped; what was copied stays for the next try."""


@dataclass(frozen=True, slots=True)
class _Finished:
    """From the task: the answer; None when it was stopped."""

    answer: FilesMoved | MoveFailed | None
    seconds: float = 0.0


class Lane(Actor):
    """The queue of a lane; a host's kind says what a move is."""

    def __init__(self, context: Context, *, host: str, monitor: Mailbox | None = None) -> None:
        super().__init__(context)
        self._host, self._monitor = host, monitor
        self._waiting: deque[Order] = deque()
        self._current: Order | None = None
        self._task: Task | None = None
        self._abandoned = threading.Event()
        self._epochs: dict[str, int] = {}
        self._stale = 0

    def move(self, order: Order, scope: TaskScope, abandoned: Callable[[], bool]) -> tuple[FileProof, ...]:
        """Make the move, in a task thread; its proof. Raises MqiError, or Stopped.

        A cancelled scope stops it; what it copied stays for the next try, unless it was ``abandoned``.
        """
        raise NotImplementedError

    def receive(self, message: object) -> None:
        match message:
            case PutFiles() | FetchFiles():
                self._take(message)
            case AbandonMove(request_id):
                self._abandon(request_id)
            case _Finished(answer, seconds):
                self._measure(answer, seconds)
                self._finish(answer)
            case TaskFailed(_, error):
                self._finish(self._broken(error))

    def _take(self, order: Order) -> None:
        newest = self._epochs.get(order.reply_to.id, order.epoch)
        if order.epoch < newest:
            self._stale += 1
            self.log.warning(f"order {order.request_id} of a former {order.reply_to.id} dropped ({self._stale} so far)")
            return
        self._epochs[order.reply_to.id] = order.epoch
        self._waiting.append(order)
        self._next()

    def _next(self) -> None:
        if self._current is not None or not self._waiting:
            return
        order = self._current = self._waiting.popleft()
        self._abandoned = threading.Event()
        work = functools.partial(self._work, order, self._abandoned.is_set)
        self._task = self.task(f"move {order.request_id}", work)

    def _abandon(self, request_id: str) -> None:
        self._waiting = deque(order for order in self._waiting if order.request_id != request_id)
        if self._current is not None and self._current.request_id == request_id and self._task is not None:
            self._abandoned.set()
            self._task.cancel()

    def _work(self, order: Order, abandoned: Callable[[], bool], scope: TaskScope) -> _Finished:
        """In the task thread: no actor state is touched here."""
        begun = time.monotonic()
        try:
            with effect("stage") if isinstance(order, PutFiles) else effect("fetch"):
                proofs = self.move(order, scope, abandoned)
            return _Finished(FilesMoved(order.request_id, proofs), time.monotonic() - begun)
        except MqiError as error:
            return _Finished(MoveFailed(order.request_id, error.fault))
        except Stopped:
            return _Finished(None)
        except Exception:
            if not scope.cancelled:
                raise
            return _Finished(None)  # a task that was cut short is told nothing of; the next order must go on

    def _measure(self, answer: FilesMoved | MoveFailed | None, seconds: float) -> None:
        if isinstance(answer, FilesMoved) and self._monitor is not None:
            size = sum(proof.size for proof in answer.files)
            self._monitor.tell(FilesCarried(self._host, isinstance(self._current, PutFiles), size, seconds))

    def _finish(self, answer: FilesMoved | MoveFailed | None) -> None:
        order, self._current, self._task = self._current, None, None
        if order is not None and answer is not None and not self._abandoned.is_set():
            order.reply_to.tell(answer)
        self._next()

    def _broken(self, error: BaseException) -> MoveFailed | None:
        if self._current is None:
            return None
        self.log.opt(exception=error).error(f"{self._host}: move {self._current.request_id} broke")
        fault = Fault(what=f"A move of files broke: {error!r}.", where=self._host, blame=Blame.OURS, kind="move-broken")
        return MoveFailed(self._current.request_id, fault)
