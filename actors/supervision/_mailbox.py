"""Address: what peers hold of an actor. It owns the mailbox and outlives incarnations. Window: one incarnation's view.

User mail waits in the address and passes from one incarnation to the next. Control mail (orders of the supervisor,
timers, results of tasks, news of watched actors) concerns one incarnation: it waits in the window and goes with it. So
no message of an earlier life can reach a later one except what peers told the address.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from actors.supervision._messages import Exited, Up

if TYPE_CHECKING:
    from pykka._envelope import Envelope

    from actors.supervision._dead_letters import DeadLetters
    from actors.supervision._spec import Spec

DEFAULT_CAPACITY = 1000


class Fenced(BaseException):
    """Raised out of ``Window.get`` to end an incarnation; a BaseException, so that pykka lets it through."""


class Letter:
    """A message in the shape of pykka's private envelope: what its loop reads of one."""

    __slots__ = ("message", "reply_to")

    def __init__(self, message: object) -> None:
        self.message = message
        self.reply_to = None


class Address:
    """Satisfies ``messages.address.Mailbox``. Made by the system, one per path."""

    def __init__(self, path: str, dead_letters: DeadLetters, unclaimed: Callable[[Address], None]) -> None:
        self._path = path
        self._dead_letters = dead_letters
        self._unclaimed = unclaimed  # told of mail that waits for an actor that nobody has started yet
        self._changed = threading.Condition(threading.Lock())
        self._user: deque[Letter] = deque()
        self._window: Window | None = None
        self._capacity = DEFAULT_CAPACITY
        self._forgotten = False
        # Watching has a lock of its own, taken before and never after a mailbox's: two actors may watch one another.
        self._watching = threading.Lock()
        self._watchers: list[Window] = []
        self._epoch: int | None = None  # of the incarnation that is there, up or not
        self._up = False

    def __repr__(self) -> str:
        return f"<Address {self._path}>"

    @property
    def id(self) -> str:
        """Path in the tree."""
        return self._path

    @property
    def name(self) -> str:
        """Last part of the path: the id of its spec."""
        return self._path.rpartition("/")[2]

    @property
    def waiting(self) -> int:
        """User messages in the mailbox."""
        return len(self._user)

    def tell(self, message: object) -> bool:
        """Leave a message. Never blocks, never raises; False when it became a dead letter."""
        with self._changed:
            why = "it has ended" if self._forgotten else "its mailbox is full" if self._full() else ""
            first = not why and self._window is None and not self._user
            if not why:
                self._user.append(Letter(message))
                self._changed.notify_all()
        if why:
            self._dead_letters.add(self._path, message, why)
        elif first:
            self._unclaimed(self)
        return not why

    def _full(self) -> bool:
        return len(self._user) >= self._capacity

    # -- for the runtime

    def open(self, window: Window, spec: Spec) -> None:
        """A new incarnation reads from here; an earlier one that is still about gets nothing more."""
        lost: deque[Letter] = deque()
        with self._changed:
            if self._window is not None:
                self._window.fenced = True
            restarted = self._window is not None
            self._window, self._capacity, self._forgotten = window, spec.capacity, False
            if restarted and not spec.keep_mail:
                lost, self._user = self._user, lost
            self._changed.notify_all()
        with self._watching:
            self._epoch, self._up = window.epoch, False
        self._bury(lost, "it was restarted")

    def forget(self, why: str) -> None:
        """Nobody will read this mail; until another incarnation opens it, all mail is a dead letter."""
        with self._changed:
            self._forgotten = True
        self.discard(why)

    def discard(self, why: str) -> None:
        """Nobody came for this mail; what is told later may wait again."""
        with self._changed:
            lost, self._user = self._user, deque()
        self._bury(lost, why)

    def _bury(self, lost: deque[Letter], why: str) -> None:
        for letter in lost:
            self._dead_letters.add(self._path, letter.message, why)

    def watch(self, watcher: Window) -> None:
        """Tell the watcher of this and later incarnations; if one is up now, of that at once."""
        with self._watching:
            self._watchers = [*(w for w in self._watchers if w is not watcher and not w.closed), watcher]
            if self._up and self._epoch is not None:
                watcher.control(Up(self._path, self._epoch))

    def unwatch(self, watcher: Window) -> None:
        """Tell the watcher nothing more."""
        with self._watching:
            self._watchers = [known for known in self._watchers if known is not watcher]

    def came_up(self, epoch: int) -> None:
        with self._watching:
            if self._epoch == epoch:
                self._up = True
                self._publish(Up(self._path, epoch))

    def went_down(self, epoch: int, cause: BaseException | None) -> None:
        """Told once per incarnation, by whoever knows first: the actor itself, or who gave it up."""
        with self._watching:
            if self._epoch == epoch:
                self._epoch, self._up = None, False
                self._publish(Exited(self._path, epoch, cause))

    def _publish(self, news: Up | Exited) -> None:
        self._watchers = [watcher for watcher in self._watchers if not watcher.closed]
        for watcher in self._watchers:
            watcher.control(news)


class Window:
    """What one incarnation reads: its own control mail first, then the address's. Speaks pykka's inbox protocol."""

    def __init__(self, address: Address, epoch: int) -> None:
        self.address = address
        self.epoch = epoch
        self.fenced = False
        self.closed = False
        self._control: deque[Letter | Envelope[Any]] = deque()

    def control(self, message: object) -> None:
        """Mail for this incarnation only, ahead of user mail and not bounded; nothing once it is over."""
        self.put(Letter(message))

    @property
    def crowded(self) -> bool:
        """More control mail waits than a mailbox holds: who can wait, should."""
        return len(self._control) >= DEFAULT_CAPACITY

    def put(self, envelope: Letter | Envelope[Any], /) -> None:
        """From pykka: its own references speak to the incarnation, not to the address."""
        with self.address._changed:
            if not self.closed:
                self._control.append(envelope)
                self.address._changed.notify_all()

    def empty(self) -> bool:
        """For pykka's teardown, which must answer its own asks but not drain the shared mailbox."""
        return self.fenced or not self._control

    def get(self) -> Letter | Envelope[Any]:
        """The next message, waiting for it. Raises Fenced once the incarnation was given up."""
        with self.address._changed:
            while not self.fenced:
                if self._control:
                    return self._control.popleft()
                if self.address._user:
                    return self.address._user.popleft()
                self.address._changed.wait()
        raise Fenced

    def fence(self) -> None:
        """Not another message for this incarnation."""
        with self.address._changed:
            self.fenced = True
            self.address._changed.notify_all()

    def close(self) -> None:
        """It is over: control mail that still comes is for nobody."""
        with self.address._changed:
            self.fenced = self.closed = True
            self._control.clear()
