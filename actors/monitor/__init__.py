"""The monitor: how hosts, GPUs, disks, this machine and the actors are; what an operator must know becomes an alarm."""

from actors.monitor.actor import Monitor

__all__ = ["Monitor"]
