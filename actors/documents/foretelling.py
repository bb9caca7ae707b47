"""The forecast from the ledger's rows. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from actors.documents.durations import Durations, Gpu, Run, Work
from actors.documents.forecast import UNKNOWN, Facts, Forecast, forecast
from messages.ledger import CaseRow, GpuRow, HaltRow, PastRuns, RunRow


def foretell(
    open_cases: Sequence[CaseRow], gpus: Sequence[GpuRow], halts: Iterable[HaltRow], past: PastRuns, now: datetime
) -> Forecast:
    """When every beam and case will be done. ``open_cases``: every one that is queued or running."""
    if not open_cases:
        return UNKNOWN
    facts = Facts(
        durations=Durations([run for row in past.good if (run := _run(row)) is not None]),
        works={(row.case, number): work for row in open_cases for number, work in _works(row)},
        begun={row.key: at for row in past.running if (at := _time(row.launched)) is not None},
        after_s=max(0.0, median(past.after_s)) if past.after_s else 0.0,
        paused=any(not row.place for row in halts),
    )
    return forecast(open_cases, gpus, facts, now)


def _run(row: RunRow) -> Run | None:
    began, ended = _time(row.launched), _time(row.ended)
    if began is None or ended is None:
        return None
    work = Work(row.profile, row.particles, row.voxels)
    return Run(work, Gpu(row.host, row.gpu, row.model), (ended - began).total_seconds())


def _works(row: CaseRow) -> Iterator[tuple[int, Work]]:
    """(beam number, its work) as the interpretation has it; nothing of one that is not ours to read."""
    try:
        made = json.loads(row.interpretation) if row.interpretation else {}
        for beam in made.get("beams", ()):
            yield int(beam["number"]), Work(str(made["profile"]), int(beam["counts"]), _voxels(beam["grid"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return


def _voxels(grid: Any) -> int:
    across, down, deep = grid["size"]
    return int(across) * int(down) * int(deep)


def _time(text: str) -> datetime | None:
    """An aware time; None of anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None
