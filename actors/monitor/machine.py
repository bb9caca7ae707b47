"""The daemon's own machine: memory, load, temperatures; and when they are an alarm."""

from __future__ import annotations

import os

import psutil

from actors.monitor.alarms import Condition
from messages.operators import MachineHealth

COOLED_C = 5.0
FREED_PERCENT = 3.0


def read_machine(*, temperatures: bool) -> MachineHealth:
    """One look; ``temperatures`` also asks the sensors, which costs some milliseconds on real machines."""
    return MachineHealth(
        memory_percent=float(psutil.virtual_memory().percent),
        load=os.getloadavg()[0],
        temperature_c=_hottest() if temperatures else None,
    )


def _hottest() -> float | None:
    """Degrees of the hottest sensor; None where there are none."""
    readings = [entry.current for entries in psutil.sensors_temperatures().values() for entry in entries]
    # beyond these limits it is a sensor's nonsense
    return max((float(value) for value in readings if value is not None and 0 < value < 150), default=None)


def machine_conditions(
    health: MachineHealth, standing: frozenset[str], *, temperature_c: float, memory_percent: float
) -> dict[str, Condition]:
    """Alarm conditions by id; ``standing`` alarms end a little below their threshold."""
    conditions = {}
    hot = temperature_c - (COOLED_C if "machine:hot" in standing else 0.0)
    if health.temperature_c is not None and health.temperature_c >= hot:
        text = f"This machine is at {health.temperature_c:.0f} °C, over {temperature_c:.0f} °C. Look at its cooling."
        conditions["machine:hot"] = Condition(text, "hot")
    full = memory_percent - (FREED_PERCENT if "machine:memory" in standing else 0.0)
    if health.memory_percent is not None and health.memory_percent >= full:
        text = f"{health.memory_percent:.0f} % of this machine's memory is in use. See what else runs here."
        conditions["machine:memory"] = Condition(text, "full", grace_s=10.0)
    return conditions
