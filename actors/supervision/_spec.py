"""What a supervisor must know of a child: how to make it, when to restart it, how long it may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors.supervision._actor import Actor


class Restart(StrEnum):
    """When a child that ended without being asked is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only if it crashed; ending by its own ``stop`` is its good end."""
    TEMPORARY = "temporary"
    """Never."""


class Strategy(StrEnum):
    """Which siblings share the fate of a child that crashed."""

    ONE_FOR_ONE = "one-for-one"
    """None; children are started without waiting for one another."""
    REST_FOR_ONE = "rest-for-one"
    """Those after it: they depend on it. Each is started when the one before is up."""
    ONE_FOR_ALL = "one-for-all"
    """All. Each is started when the one before is up."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delay of a restart: ``min_s``, doubled with every crash in a row up to ``max_s``, then stretched by chance."""

    min_s: float = 0.0
    max_s: float = 0.0
    jitter: float = 0.0
    """Share by which a delay is stretched at most, so that many children do not come back at one instant."""
    reset_after_s: float = 60.0
    """A child that was up for so long starts again at ``min_s``."""

    def __post_init__(self) -> None:
        if min(self.min_s, self.max_s - self.min_s, self.jitter, self.reset_after_s) < 0:
            raise ValueError(f"a back-off needs 0 <= min_s <= max_s, jitter >= 0, reset_after_s >= 0: {self}")

    def delay_s(self, crashes: int, chance: float) -> float:
        """Delay after ``crashes`` earlier crashes in a row; ``chance`` is uniform in [0, 1)."""
        return min(self.max_s, self.min_s * 2.0 ** min(crashes, 30)) * (1.0 + chance * self.jitter)


@dataclass(frozen=True, slots=True)
class Spec:
    """One child. Its constructor runs in the supervisor's thread and must be trivial; work begins in ``started``."""

    id: str
    """Last part of its path; no slash."""
    actor: Callable[..., Actor]
    """Class or factory, called with the context and ``arguments``."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    restart: Restart = Restart.PERMANENT
    backoff: Backoff = Backoff()
    start_timeout_s: float = 30.0
    """``started`` may take so long."""
    stop_timeout_s: float = 5.0
    """From being asked to stop to the end of ``stopped``."""
    handler_budget_s: float = 10.0
    """One message may keep it busy for so long before it is given up and replaced."""
    capacity: int = 1000
    """Messages that may wait; what is told beyond is a dead letter."""
    keep_mail: bool = True
    """Waiting mail goes to the next incarnation; else it becomes dead letters at a restart."""
    escalates: bool = True
    """Its crashes count towards the supervisor's budget."""

    def __post_init__(self) -> None:
        if not self.id or "/" in self.id:
            raise ValueError(f"the id {self.id!r} of a child must be one non-empty part of a path")
        if not self.escalates and self.backoff.min_s <= 0:
            raise ValueError(f"{self.id} never escalates: it needs a back-off, or it would crash in a tight loop")
        object.__setattr__(self, "arguments", MappingProxyType(dict(self.arguments)))
        object.__setattr__(self, "restart", Restart(self.restart))
