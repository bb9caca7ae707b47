"""What a case is seen against: hosts, GPUs, where nothing new starts, and what is foretold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from actors.documents.forecast import UNKNOWN, Estimate, Forecast
from actors.documents.foretelling import foretell
from actors.documents.line import in_line
from messages.ledger import CaseRow, GpuRow, HaltRow, PastRuns
from messages.states import CaseState


class Rows(Protocol):
    """What is read of the ledger for it; ``actors.ledger.Reader`` is one."""

    def open_cases(self) -> tuple[CaseRow, ...]: ...

    def cases(self, state: CaseState) -> tuple[CaseRow, ...]: ...

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
    active_cases: int = 0
    """Worked on at once; 0: not told."""
    ahead: Mapping[str, int] = field(default_factory=dict)
    """Of every case that waits for a place among those, how many are before it."""
    hosts: tuple[str, ...] = ()
    """Names of those that are configured; empty: not told."""

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


def look_around(
    reader: Rows, now: datetime, attempts: int = 0, active_cases: int = 0, hosts: tuple[str, ...] = ()
) -> Around:
    """The site as the ledger has it. ``attempts``, ``active_cases``, ``hosts``: of the configuration. Raises what the
    reader raises."""
    gpus, halts, rows = reader.gpus(), reader.halts(), reader.open_cases()
    ahead: Mapping[str, int] = {}
    if active_cases and len(rows) > 1:
        paused = any(not row.place for row in halts)
        ahead = in_line(rows, reader.cases(CaseState.HELD), active_cases, paused=paused)
    forecast = foretell(rows, gpus, halts, reader.past_runs(), now)
    return Around(gpus, halts, forecast, attempts, active_cases, ahead, hosts)
