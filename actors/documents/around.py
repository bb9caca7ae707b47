"""What a case is seen against: hosts, GPUs, where nothing new starts, and what is foretold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from actors.documents.forecast import UNKNOWN, Estimate, Forecast
from actors.documents.foretelling import foretell
from messages.ledger import CaseRow, GpuRow, HaltRow, PastRuns


class Rows(Protocol):
    """What is read of the ledger for it; ``actors.ledger.Reader`` is one."""

    def open_cases(self) -> tuple[CaseRow, ...]: ...

    def gpus(self) -> tuple[GpuRow, ...]: ...

    def halts(self) -> tuple[HaltRow, ...]: ...

    def past_runs(self) -> PastRuns: ...


@dataclass(frozen=True, slots=True)
class Around:
    """One moment of the site. Empty: nothing is known of it, and nothing is said."""

    gpus: tuple[GpuRow, ...] = ()
    halts: tuple[HaltRow, ...] = ()
    forecast: Forecast = UNKNOWN
    attempts: int = 0
    """Runs of a beam that may fail; 0: not told."""

    @property
    def paused(self) -> HaltRow | None:
        """Who wants no further case to be begun."""
        return next((row for row in self.halts if not row.place), None)

    def halt_of(self, host: str, index: int | None = None) -> HaltRow | None:
        """Who drained this GPU, or its host."""
        places = (host,) if index is None else (host, f"{host}/{index}")
        return next((row for row in self.halts if row.place in places), None)

    def of_case(self, case: str) -> Estimate | None:
        return self.forecast.cases.get(case)

    def of_beam(self, case: str, beam: int) -> Estimate | None:
        return self.forecast.beams.get((case, beam))


NOWHERE = Around()


def look_around(reader: Rows, now: datetime, attempts: int = 0) -> Around:
    """The site as the ledger has it. ``attempts``: of the configuration. Raises what the reader raises."""
    gpus, halts = reader.gpus(), reader.halts()
    return Around(gpus, halts, foretell(reader.open_cases(), gpus, halts, reader.past_runs(), now), attempts)
