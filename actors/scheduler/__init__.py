"""Which beam runs next, on which GPU."""

from actors.scheduler.actor import Scheduler

__all__ = ["Scheduler"]
