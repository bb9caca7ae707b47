"""Supervised actors on pykka: addresses that outlive crashes, supervision trees, tasks, timers, a watchdog.

Knows nothing of cases, GPUs or hosts. Nothing outside this package imports pykka.
"""

from actors.supervision._actor import Actor, Context
from actors.supervision._board import ActorStatus
from actors.supervision._core import Phase, RestartsSpent
from actors.supervision._mailbox import Address
from actors.supervision._messages import Exited, StartChild, StopChild, TaskFailed, Up
from actors.supervision._spec import Backoff, Restart, Spec, Strategy
from actors.supervision._supervisor import supervisor
from actors.supervision._system import System, TooManyStuck
from actors.supervision._tasks import Task, TaskScope
from actors.supervision._timers import Timer, TimerService

__all__ = [
    "Actor",
    "ActorStatus",
    "Address",
    "Backoff",
    "Context",
    "Exited",
    "Phase",
    "Restart",
    "RestartsSpent",
    "Spec",
    "StartChild",
    "StopChild",
    "Strategy",
    "System",
    "Task",
    "TaskFailed",
    "TaskScope",
    "Timer",
    "TimerService",
    "TooManyStuck",
    "Up",
    "supervisor",
]
