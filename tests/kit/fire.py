"""A daemon under fire: the real tree on the real runtime, whose actors a test can strike from outside.

``python -m tests.kit.fire start --conf …`` is ``mqi-actors start`` in a process where every incarnation looks, before
it handles a message or starts, whether a blow waits for it. Production code knows nothing of it. The test (or a
campaign) gives the blows with ``Fire``, by files in the folder that ``MQI_FIRE`` names, and reads there what came of
each.
"""

from __future__ import annotations

import fnmatch
import json
import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any

from actors.supervision import Actor, _supervisor, _system
from actors.supervision._incarnation import Incarnation

FOLDER, BUDGET = "MQI_FIRE", "MQI_FIRE_BUDGET_S"
LOOK_EVERY_S = 0.005
SPARK_AFTER_S = 1.0


class Kind(StrEnum):
    """How an actor is struck."""

    RAISE = "exception"
    EXIT = "SystemExit"
    HANG = "hang"
    """Over the budget of its handler; then it comes back, and does what the message asked for, as a ghost."""
    START = "failing start"
    """An exception, and then so many starts that fail."""


@dataclass(frozen=True, slots=True)
class Blow:
    """Strikes the next actor whose path matches ``path`` (with ``*``) at its next message, once."""

    path: str
    kind: Kind
    late: bool = False
    """Only after the message was handled."""
    starts: int = 0
    """Of Kind.START: so many starts fail."""
    hang_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Struck:
    """What came of a blow."""

    path: str
    """Of the actor that was struck."""
    kind: Kind
    message: str
    """Type of the message that it had."""
    at_s: float
    """Monotonic clock of this machine."""
    up_s: float | None
    """When a successor had started; None: none has yet."""


class Fire:
    """The test's side. ``environment`` goes to the daemon; ``budget_s`` makes every handler's budget shorter."""

    def __init__(self, folder: Path, budget_s: float | None = None) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {FOLDER: str(folder)}
        if budget_s is not None:
            self.environment[BUDGET] = str(budget_s)
        self._numbers = count(1)

    def strike(self, blow: Blow) -> None:
        """Returns at once; the blow waits for its actor."""
        name = f"{os.getpid()}-{next(self._numbers):06d}"
        waiting = self.folder / f"{name}.new"
        waiting.write_text(json.dumps(asdict(blow)))
        waiting.rename(self.folder / f"{name}.blow")

    def struck(self) -> list[Struck]:
        """Every blow that fell, in order."""
        told = self.folder / "told.jsonl"
        if not told.exists():
            return []
        found: list[Struck] = []
        for line in told.read_text().splitlines():
            news: dict[str, Any] = json.loads(line)
            if news["what"] == "struck":
                found.append(Struck(news["path"], Kind(news["kind"]), news["message"], news["at_s"], None))
            else:
                open_ = [n for n, one in enumerate(found) if one.path == news["path"] and one.up_s is None]
                for number in open_:
                    found[number] = replace(found[number], up_s=news["at_s"])
        return found


class _Spark:
    """A message for an actor that gets none by itself: the blow falls on it."""


class _Hearth:
    """The daemon's side."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blows: list[Blow] = []
        self._failing: dict[str, int] = {}
        self._rising: set[str] = set()
        self._folder = Path(os.environ[FOLDER])
        self.budget_s = float(os.environ.get(BUDGET, "inf"))
        # weak, for a soak measures whether the runtime lets go of what has ended
        self.living: weakref.WeakValueDictionary[str, Incarnation] = weakref.WeakValueDictionary()

    def light(self) -> None:
        threading.Thread(target=self._look, name="fire", daemon=True).start()

    def take(self, path: str) -> Blow | None:
        with self._lock:
            for number, blow in enumerate(self._blows):
                if fnmatch.fnmatchcase(path, blow.path):
                    if blow.kind is Kind.START:
                        self._failing[path] = blow.starts
                    return self._blows.pop(number)
        return None

    def start_fails(self, path: str) -> bool:
        with self._lock:
            left = self._failing.pop(path, 0)
            if left > 1:  # nothing is kept of the thousands that do not fail: a soak measures memory
                self._failing[path] = left - 1
        return left > 0

    def struck(self, path: str, blow: Blow, message: object) -> None:
        with self._lock:
            self._rising.add(path)
        self._tell(what="struck", path=path, kind=blow.kind, message=type(message).__name__)

    def up(self, path: str) -> None:
        with self._lock:
            known = path in self._rising
            self._rising.discard(path)
        if known:
            self._tell(what="up", path=path)

    def _tell(self, **news: object) -> None:
        line = json.dumps({**news, "at_s": time.monotonic()}) + "\n"
        with (self._folder / "told.jsonl").open("a") as file:
            file.write(line)

    def _look(self) -> None:
        while True:
            for file in sorted(self._folder.glob("*.blow")):
                blow = Blow(**json.loads(file.read_text()))
                file.unlink()
                blow = replace(blow, kind=Kind(blow.kind))
                with self._lock:
                    self._blows.append(blow)
                self._spark(blow)
            time.sleep(LOOK_EVERY_S)

    def _spark(self, blow: Blow) -> None:
        """Supervisors and lanes may hear nothing for hours."""
        for path, incarnation in list(self.living.items()):
            if fnmatch.fnmatchcase(path, blow.path):
                threading.Timer(SPARK_AFTER_S, incarnation.window.control, (_Spark(),)).start()


_hearth: _Hearth


class _Burning(Incarnation):
    """An incarnation whose actor can be struck."""

    def __init__(self, address: Any, epoch: int, spec: Any, system: Any, report: Any) -> None:
        budget_s = min(spec.handler_budget_s, _hearth.budget_s)
        super().__init__(address, epoch, replace(spec, handler_budget_s=budget_s), system, report)

    def live(self, actor: Actor) -> None:
        _hearth.living[self.address.id] = self
        super().live(actor)

    def _guarded(self, budget_s: float, call: Callable[..., None], *arguments: object) -> bool:
        # Not by replacing the actor's methods: that would tie it to this in a circle, and it would outlive its end.
        strike = {"started": self._starting, "receive": self._receiving}.get(call.__name__)
        if strike is None:
            return super()._guarded(budget_s, call, *arguments)
        return super()._guarded(budget_s, strike, call, *arguments)

    def _starting(self, started: Callable[[], None]) -> None:
        if _hearth.start_fails(self.address.id):
            raise RuntimeError("this start was made to fail")
        started()
        _hearth.up(self.address.id)

    def _receiving(self, receive: Callable[[object], None], message: object) -> None:
        blow = _hearth.take(self.address.id)
        if blow is None:
            if not isinstance(message, _Spark):
                receive(message)
            return
        if blow.late and not isinstance(message, _Spark):
            receive(message)
        _hearth.struck(self.address.id, blow, message)
        match blow.kind:
            case Kind.RAISE | Kind.START:
                raise RuntimeError("this message was made to fail")
            case Kind.EXIT:
                raise SystemExit(3)
            case Kind.HANG:
                time.sleep(blow.hang_s)
        if not blow.late and not isinstance(message, _Spark):
            receive(message)  # a ghost by now: whatever it still does must do no harm


def main() -> None:
    """``mqi-actors`` with actors that burn."""
    global _hearth  # noqa: PLW0603 - one process, one hearth
    from actors.cli import main as mqi_actors  # noqa: PLC0415 - after this module is whole

    _hearth = _Hearth()
    _supervisor.Incarnation = _system.Incarnation = _Burning  # type: ignore[misc]
    _hearth.light()
    mqi_actors()


if __name__ == "__main__":
    main()
