"""Why a host or a GPU is as it is, in one sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from actors.documents.around import Around
from actors.documents.status import halt_words
from actors.documents.waits import clock, gpu_end, spoken_key, until
from actors.documents.why import one_line
from messages.hosts import GpuState, HostState
from messages.ledger import GpuRow, HostRow

_FAILED_RUNS = "two runs in a row"
_STRANGER = "used by a stranger"


def why_gpu(row: GpuRow, *, running: bool, around: Around, waiting: int = 0) -> str:
    """``running``: whether a daemon looks at it; ``waiting``: beams that wait for a GPU."""
    name = f"{row.host}/{row.index}"
    if not running:
        return (
            f"No daemon is running, so how {name} is now is not known (mqi-actors start); "
            f"when one last looked, {clock(row.at)}, it was {row.state}{_because(row.reason)}."
        )
    return f"{name} {_gpu(row, name, around, waiting)}."


def _gpu(row: GpuRow, name: str, around: Around, waiting: int) -> str:
    halt = around.halt_of(row.host, row.index)
    if halt is not None:
        place = halt.place
        runs = f"; {_runs(row, around)} goes on to its end" if row.beam else "; nothing of ours runs there any more"
        return f"is drained {halt_words(halt)}{runs}; mqi-actors resume {place} lets it take work again"
    match row.state:
        case GpuState.BUSY:
            return f"is busy with {_runs(row, around)}"
        case GpuState.IDLE:
            wait = f"{waiting} beam{'s wait' if waiting != 1 else ' waits'}, see why of their cases"
            return f"is idle since {clock(row.at)}: {wait if waiting else 'no beam waits for a GPU'}"
        case GpuState.QUARANTINED:
            return f"gets no new work since {clock(row.at)}: {one_line(row.reason)}; {_remedy(row.reason, name)}"
    runs = f"; {_runs(row, around)} goes on there" if row.beam else ""
    return f"gets no new work since {clock(row.at)}, for how it is cannot be told{_because(row.reason)}{runs}"


def _runs(row: GpuRow, around: Around) -> str:
    end = gpu_end(row, around)
    return f"{spoken_key(row.beam)}{f' until {until(end)}' if end is not None else ''}"


def _remedy(reason: str, name: str) -> str:
    if reason.startswith(_FAILED_RUNS):
        return f"look at it, then: mqi-actors resume {name}"
    if reason.startswith(_STRANGER):
        return "it takes work again when that process is gone"
    if reason.startswith("over temperature"):
        return "it takes work again when it has cooled; look at its cooling"
    return "it takes work again when its driver reports it healthy: reset or replace it"


def why_host(name: str, row: HostRow | None, gpus: Sequence[GpuRow], *, running: bool, around: Around) -> str:
    """``row`` None: no daemon has met the host."""
    if row is None:
        return f"{name} was never seen{'' if running else ': no daemon is running (mqi-actors start)'}."
    if not running:
        return (
            f"No daemon is running, so how {name} is now is not known (mqi-actors start); "
            f"when one last looked it was {row.state}{_because(row.reason)}."
        )
    halt = around.halt_of(name)
    if halt is not None:
        runs = [_runs(gpu, around) for gpu in gpus if gpu.beam]
        left = f"; to their end go on: {', '.join(runs)}" if runs else "; nothing of ours runs there any more"
        lost = f"; it is suspended{_because(row.reason)}" if row.state == HostState.SUSPENDED else ""
        return f"{name} is drained {halt_words(halt)}{left}{lost}; mqi-actors resume {name} lets it take work again."
    if row.state == HostState.SUSPENDED:
        return f"{name} is suspended since {clock(row.at)}{_because(row.reason)}; its own work waits for it."
    return f"{name} is up since {clock(row.at)}: {_counted(gpus)}."


def _counted(gpus: Sequence[GpuRow]) -> str:
    states: dict[str, int] = {}
    for gpu in gpus:
        states[gpu.state] = states.get(gpu.state, 0) + 1
    each = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    return f"{len(gpus)} GPU{'s' if len(gpus) != 1 else ''}{f' ({each})' if each else ''}"


def _because(reason: str) -> str:
    return f": {one_line(reason)}" if reason else ""
