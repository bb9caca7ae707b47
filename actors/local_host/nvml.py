"""Reading this machine's GPUs through NVML. Each value that the driver will not give is None; unknown is not idle.

Everything here may hang in the driver: to be called from a task thread that nobody waits for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import pynvml

from actors.local_host import processes
from messages.hosts import GpuProcess, GpuReading

T = TypeVar("T")

MEGA = 1024 * 1024
_ABSENT = frozenset({pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED})
_NOT_GIVEN = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_NOT_FOUND,
    }
)
"""Errors that say nothing about the GPU's health: the value is not to be had here, now or ever."""
_SICK_XIDS = {
    48: "double-bit memory error",
    61: "internal micro-controller fault",
    62: "internal micro-controller halt",
    64: "memory page could not be retired",
    74: "NVLink error",
    79: "the GPU fell off the bus",
    92: "high rate of single-bit memory errors",
    95: "uncontained memory error",
    119: "GPU system processor does not answer",
    120: "GPU system processor error",
}
"""Xid codes that speak of the hardware (NVIDIA, "XID Errors", driver documentation); the others, such as 13, 31 and
43, are caused by programs and say nothing against the GPU."""


class NoDriver(Exception):  # noqa: N818 - a state of the machine, stated clearly; no error
    """This machine has no NVIDIA driver, so it has no GPU to ask."""


class CannotTell(Exception):  # noqa: N818 - the name of what is known
    """The driver is there and does not answer as it should."""


class Nvml:
    """One session with the driver; opened by the first reading, opened anew after a failure."""

    def __init__(self) -> None:
        self._open = False
        self._events: Any = None
        self._xids: dict[int, int] = {}

    def read(self) -> tuple[GpuReading, ...]:
        """Every GPU in the order of its index. Raises NoDriver or CannotTell."""
        try:
            self._begin()
            count = pynvml.nvmlDeviceGetCount()
            self._take_xids()
            return tuple(self._gpu(index) for index in range(count))
        except pynvml.NVMLError as error:
            self.close()
            if error.value in _ABSENT:
                raise NoDriver(str(error)) from error
            raise CannotTell(f"NVML answers: {error}") from error

    def close(self) -> None:
        """End the session; what fails meanwhile is of no concern."""
        if self._events is not None:
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlEventSetFree(self._events)
            self._events = None
        if self._open:
            self._open = False
            self._xids.clear()
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _begin(self) -> None:
        if self._open:
            return
        pynvml.nvmlInit()
        self._open = True
        with contextlib.suppress(pynvml.NVMLError):  # without events Xids are not seen; all else still is
            events = pynvml.nvmlEventSetCreate()
            self._events = events
            for index in range(pynvml.nvmlDeviceGetCount()):
                with contextlib.suppress(pynvml.NVMLError):
                    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                    pynvml.nvmlDeviceRegisterEvents(handle, pynvml.nvmlEventTypeXidCriticalError, events)

    def _take_xids(self) -> None:
        """Note the Xids since the last reading."""
        if self._events is None:
            return
        with contextlib.suppress(pynvml.NVMLError):  # NVML_ERROR_TIMEOUT: none
            for _ in range(100):
                event = pynvml.nvmlEventSetWait(self._events, 0)
                if event.eventData in _SICK_XIDS:
                    self._xids[pynvml.nvmlDeviceGetIndex(event.device)] = int(event.eventData)

    def _gpu(self, index: int) -> GpuReading:
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            uuid = _text(pynvml.nvmlDeviceGetUUID(handle))
        except (pynvml.NVMLError, UnicodeDecodeError) as error:
            return GpuReading(index, "", "", processes=None, fault=f"GPU {index} does not answer: {error}")
        asked = _Asked()
        memory = asked.value("memory", lambda: pynvml.nvmlDeviceGetMemoryInfo(handle))
        rates = asked.value("utilisation", lambda: pynvml.nvmlDeviceGetUtilizationRates(handle))
        xid = self._xids.get(index)
        return GpuReading(
            index=index,
            uuid=uuid,
            name=asked.value("name", lambda: _text(pynvml.nvmlDeviceGetName(handle))) or "",
            total_mb=None if memory is None else int(memory.total) // MEGA,
            used_mb=None if memory is None else int(memory.used) // MEGA,
            free_mb=None if memory is None else int(memory.free) // MEGA,
            temperature_c=asked.value(
                "temperature", lambda: int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
            ),
            utilization_percent=None if rates is None else int(rates.gpu),
            clock_mhz=asked.value(
                "clock", lambda: int(pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_GRAPHICS))
            ),
            uncorrectable_ecc=asked.value("memory errors", lambda: _ecc(handle)),
            processes=asked.value("processes", lambda: _processes(handle)),
            fault=f"Xid {xid} ({_SICK_XIDS[xid]}) since it is watched" if xid else asked.fault,
        )


class _Asked:
    """Values asked one by one; the first failure that casts doubt on the GPU is kept."""

    def __init__(self) -> None:
        self.fault = ""

    def value(self, what: str, ask: Callable[[], T]) -> T | None:
        """The value, or None when the driver does not give it."""
        try:
            return ask()
        except pynvml.NVMLError as error:
            if error.value not in _NOT_GIVEN and not self.fault:
                self.fault = f"the driver does not tell its {what}: {error}"
        except UnicodeDecodeError:
            pass
        return None


def _ecc(handle: Any) -> int:
    """Uncorrected memory errors since the driver was loaded."""
    uncorrected, volatile = pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC
    return int(pynvml.nvmlDeviceGetTotalEccErrors(handle, uncorrected, volatile))


def _processes(handle: Any) -> tuple[GpuProcess, ...]:
    """Who computes on it; older drivers have the second form only."""
    try:
        found = pynvml.nvmlDeviceGetComputeRunningProcesses_v3(handle)
    except pynvml.NVMLError as error:
        if error.value != pynvml.NVML_ERROR_FUNCTION_NOT_FOUND:
            raise
        found = pynvml.nvmlDeviceGetComputeRunningProcesses_v2(handle)
    return tuple(
        GpuProcess(
            pid=int(one.pid),
            name=processes.name_of(int(one.pid)),
            used_mb=None if one.usedGpuMemory is None else int(one.usedGpuMemory) // MEGA,
            attempt=processes.attempt_of(int(one.pid)),
        )
        for one in found
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
