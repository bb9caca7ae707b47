"""CPU-heavy work in processes of its own, so that no busy thread delays the actors."""

from actors.compute.actor import Compute

__all__ = ["Compute"]
