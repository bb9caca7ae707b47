"""This machine as a host: its control, and its file lanes."""

from actors.local_host.control import LocalControl
from actors.local_host.lane import LocalLane

__all__ = ["LocalControl", "LocalLane"]
