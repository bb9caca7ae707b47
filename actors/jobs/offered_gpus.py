"""Which GPUs or slots this host offers, and what is said of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from messages.hosts import GpuReading, GpusObserved

Offer = Literal["auto"] | tuple[int, ...] | int
"""Every GPU of the driver; these indices of it; or so many counted slots, where no GPU is asked."""


@dataclass(slots=True)
class Gpus:
    """What was configured, which workers were started, what was said last."""

    host: str
    offer: Offer
    left: tuple[tuple[int, str], ...] = ()
    """Index and UUID (or slot) of GPUs on which something is yet to be brought to an end, offered or not."""
    started: set[str] = field(default_factory=set)
    """UUIDs whose worker was asked for."""
    said: str = ""
    """The last fault or lack, so that it is logged once."""

    @property
    def asked(self) -> bool:
        """Whether there is a driver to ask."""
        return not isinstance(self.offer, int)

    def slots(self, at: datetime) -> GpusObserved:
        """The counted slots: nothing is asked, each is taken as healthy."""
        assert isinstance(self.offer, int)
        every = tuple(GpuReading(index, f"slot-{index}", f"slot {index}") for index in range(self.offer))
        return GpusObserved(self.host, at, every, asked=False)

    def observed(self, readings: Iterable[GpuReading], at: datetime) -> GpusObserved:
        """What the driver said, of the configured GPUs only."""
        wanted = self.offer if isinstance(self.offer, tuple) else None
        return GpusObserved(self.host, at, tuple(gpu for gpu in readings if wanted is None or gpu.index in wanted))

    def unknown(self, fault: str, at: datetime) -> GpusObserved:
        """Cannot tell: nothing is idle, nothing is released."""
        return GpusObserved(self.host, at, (), fault=fault)

    def new(self, observed: GpusObserved) -> tuple[GpuReading, ...]:
        """GPUs seen for the first time, each once: a worker is to be started for it.

        So it is for one that is not offered any more (taken out of the settings, fallen off the bus) while something
        is open there: whatever became of that, nobody else brings it to its end.
        """
        found = [gpu for gpu in observed.gpus if gpu.uuid and gpu.uuid not in self.started]
        if not observed.fault:
            offered = {gpu.index for gpu in observed.gpus if gpu.uuid}
            gone = ((index, uuid) for index, uuid in self.left if index not in offered and uuid not in self.started)
            found += [GpuReading(index, uuid, "") for index, uuid in gone]
        self.started.update(gpu.uuid for gpu in found)
        return tuple(found)

    def lacking(self, observed: GpusObserved) -> str:
        """What is configured and not there, in words; empty when nothing is."""
        if observed.fault or not isinstance(self.offer, tuple):
            return ""
        missing = sorted(set(self.offer) - {gpu.index for gpu in observed.gpus})
        names = ", ".join(map(str, missing))
        return f"GPU {names} of the settings {'is' if len(missing) == 1 else 'are'} not there" if missing else ""

    def news(self, sentence: str) -> str:
        """``sentence`` if it was not said last; else empty."""
        fresh = sentence if sentence != self.said else ""
        self.said = sentence
        return fresh
