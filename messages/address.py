"""What actors hold of one another."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Mailbox(Protocol):
    """Where messages for one actor go; it outlives every incarnation of that actor."""

    @property
    def id(self) -> str:
        """Path of the actor in the tree, such as ``pipeline/hosts/gpu1/gpu-0``."""

    def tell(self, message: object) -> bool:
        """Leave a message. Never blocks, never raises; False when it became a dead letter."""
