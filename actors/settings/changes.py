"""What differs between two configurations, and what of it can take effect without a restart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from actors.settings.model import Settings

RELOADABLE = frozenset({"scan", "retry", "monitor", "alarms", "results.min_free_gb"})
"""Sections and keys that a running daemon takes over; all else waits for the next start."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Keys that differ, such as ``scan.quiet_s`` or ``hosts.gpu1.lanes``."""

    reload: tuple[str, ...]
    """Taken over by a running daemon."""
    restart: tuple[str, ...]
    """Taken over at the next start."""

    def __bool__(self) -> bool:
        return bool(self.reload or self.restart)


def diff(old: Settings, new: Settings) -> Changes:
    """Which keys differ, in two parts."""
    before, after = dict(_flat(old)), dict(_flat(new))
    keys = sorted(k for k in before.keys() | after.keys() if before.get(k) != after.get(k))
    soon = tuple(k for k in keys if k in RELOADABLE or k.partition(".")[0] in RELOADABLE)
    return Changes(reload=soon, restart=tuple(k for k in keys if k not in soon))


def merged(old: Settings, new: Settings) -> Settings:
    """The settings in force after a reload: ``new`` where it can be taken over, ``old`` elsewhere."""
    results = old.results.model_copy(update={"min_free_gb": new.results.min_free_gb})
    sections = {name: getattr(new, name) for name in ("scan", "retry", "monitor", "alarms")}
    return old.model_copy(update={**sections, "results": results})


def _flat(settings: Settings) -> Iterator[tuple[str, object]]:
    tables: dict[str, object] = settings.model_dump()
    for section in ("hosts", "send"):
        named = tables.pop(section)
        assert isinstance(named, tuple)
        for table in named:
            yield from _keys(f"{section}.{table['name']}", table)
    for section, table in tables.items():
        assert isinstance(table, Mapping)
        yield from _keys(section, table)


def _keys(prefix: str, table: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _keys(f"{prefix}.{key}", value)
        else:
            yield f"{prefix}.{key}", value
