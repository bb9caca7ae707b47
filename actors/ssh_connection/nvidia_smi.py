"""GPUs of a host, asked through nvidia-smi with a time limit. What is not given is None; unknown is not idle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actors.ssh_connection.remote import Remote
from messages.hosts import GpuProcess, GpuReading

GPU_FIELDS = "index,uuid,name,memory.total,memory.used,memory.free,temperature.gpu,utilization.gpu,clocks.gr"
APP_FIELDS = "pid,gpu_uuid,process_name,used_memory"
MORE_FIELDS = "uuid,ecc.errors.uncorrected.volatile.total"
"""Asked apart: where it cannot be told, nothing else is doubted."""
LIMIT_S = 5
_MARGIN_S = 20.0
_NOT_GIVEN = frozenset({"[n/a]", "n/a", "[not supported]", "[not found]", "[insufficient permissions]", "-", ""})
"""Said of values that this GPU or driver never gives: nothing against its health. Anything else in brackets is."""
_NUMBER, _WHOLE = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,15})?"), re.compile(r"[0-9]{1,15}")
_MEMORY = ("memory.total", "memory.used", "memory.free")
_TIMED_OUT = ("124", "137")


@dataclass(frozen=True, slots=True)
class Readings:
    """One answer of the host; ``fault`` says why there are no GPUs in it."""

    gpus: tuple[GpuReading, ...]
    fault: str = ""
    hanging: tuple[str, ...] = ()
    """Pid and start time of a question that hangs on the host."""


def ask(remote: Remote, hanging: Sequence[str] = ()) -> Readings:
    """Ask once; a question that still hangs is not asked again. Raises LinkError."""
    fields = f"mqi_gpu_fields={GPU_FIELDS} mqi_app_fields={APP_FIELDS} mqi_more_fields={MORE_FIELDS}\n"
    limit = str(LIMIT_S)
    return parse(remote.call("ask_gpus", limit, *hanging, timeout_s=LIMIT_S + _MARGIN_S, before=fields))


def parse(lines: tuple[tuple[str, str], ...]) -> Readings:
    """What ``ask_gpus`` answered. Pure."""
    said = dict(lines)
    codes = {words[0]: words[-1] for word, rest in lines if word == "code" and (words := rest.split())}
    if "absent" in said:
        return Readings((), "nvidia-smi is not installed on the host, or not in the PATH of its user")
    if "error" in said:
        return Readings((), f"cannot tell: {said['error']}")
    if "hangs" in said or any(code in _TIMED_OUT for code in codes.values()):
        hanging = tuple(said.get("hangs", "").split())
        return Readings((), f"cannot tell: nvidia-smi has not answered for more than {LIMIT_S} s", hanging)
    if codes.get("gpus") != "0":
        why = next((rest for word, rest in lines if word == "gpus" and rest), "it said nothing")
        return Readings((), f"cannot tell: nvidia-smi failed with code {codes.get('gpus', '?')}: {why}")
    return _gpus(lines, codes)


def _gpus(lines: tuple[tuple[str, str], ...], codes: dict[str, str]) -> Readings:
    rows = [_split(rest, 9) for word, rest in lines if word == "gpus" and rest]
    odd = [rest for word, rest in lines if word == "gpus" and rest and _split(rest, 9) is None]
    if odd:
        return Readings((), f"cannot tell: nvidia-smi said {odd[0][:120]!r}")
    processes = _processes(lines) if codes.get("apps") == "0" else None
    errors = _memory_errors(lines) if codes.get("more") == "0" else {}
    return Readings(tuple(_reading(row, processes, errors) for row in rows if row))


def _reading(row: Sequence[str], processes: dict[str, list[GpuProcess]] | None, errors: dict[str, int]) -> GpuReading:
    """One GPU from its row; the first value that casts doubt on it is its fault."""
    asked = _Asked(dict(zip(GPU_FIELDS.split(","), row, strict=True)))
    index = asked.number("index")
    uuid = asked.text("uuid")
    total, used, free = (asked.number(name) for name in _MEMORY)
    return GpuReading(
        index=-1 if index is None else index,
        uuid=uuid,
        name=asked.text("name"),
        total_mb=total,
        used_mb=used,
        free_mb=free,
        temperature_c=asked.number("temperature.gpu"),
        utilization_percent=asked.number("utilization.gpu"),
        clock_mhz=asked.number("clocks.gr"),
        uncorrectable_ecc=errors.get(uuid),
        processes=None if processes is None else tuple(processes.get(uuid, ())),
        fault=asked.fault or ("" if uuid else "nvidia-smi does not tell its UUID"),
    )


class _Asked:
    """Values of one row; the first that means that the GPU cannot be judged is kept."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self.fault = ""

    def text(self, name: str) -> str:
        """The value; empty when it is not given."""
        value = self._values[name]
        if value.lower() in _NOT_GIVEN:
            return ""
        if value.startswith("["):
            self._doubt(name, value)
            return ""
        return value

    def number(self, name: str) -> int | None:
        """The value, or None when it is not given."""
        value = self.text(name)
        if not value:
            return None
        if _NUMBER.fullmatch(value):
            return int(float(value))
        self._doubt(name, value)
        return None

    def _doubt(self, name: str, value: str) -> None:
        self.fault = self.fault or f"nvidia-smi says {value[:80]} for its {name}"


def _processes(lines: Iterable[tuple[str, str]]) -> dict[str, list[GpuProcess]] | None:
    """Who computes, by GPU; None when a line of the answer is no process."""
    pairs = tuple(lines)
    owners = {rest.split(" ")[0]: rest.partition(" ")[2] for word, rest in pairs if word == "owner"}
    found: dict[str, list[GpuProcess]] = {}
    for word, rest in pairs:
        if word != "apps" or not rest:
            continue
        pid, _, other = rest.partition(", ")
        uuid, _, other = other.partition(", ")
        name, _, used = other.rpartition(", ")
        if not _WHOLE.fullmatch(pid):
            return None
        memory = int(used) if _WHOLE.fullmatch(used) else None
        one = GpuProcess(int(pid), name.rpartition("/")[2] or "?", memory, owners.get(pid))
        found.setdefault(uuid, []).append(one)
    return found


def _memory_errors(lines: Iterable[tuple[str, str]]) -> dict[str, int]:
    rows = (_split(rest, 2) for word, rest in lines if word == "more")
    return {row[0]: int(row[1]) for row in rows if row and _WHOLE.fullmatch(row[1])}


def _split(line: str, fields: int) -> list[str] | None:
    values = [value.strip() for value in line.split(",")]
    return values if len(values) == fields else None
