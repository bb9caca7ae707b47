"""All readers, by name."""

from __future__ import annotations

from tests.fuzz.reader import Reader
from tests.fuzz.readers import case_files, console, daemon_files, hosts, ledger, results, settings, workers

GROUPS = (case_files, hosts, results, settings, ledger, workers, daemon_files, console)
READERS: tuple[Reader, ...] = tuple(one for group in GROUPS for one in group.READERS)


def reader(name: str) -> Reader:
    """KeyError for a name that none has."""
    found = next((one for one in READERS if one.name == name), None)
    if found is None:
        raise KeyError(f"no reader {name!r}; there are: {', '.join(sorted(one.name for one in READERS))}")
    return found


def group_of(name: str) -> str:
    """The module that holds a reader, to import nothing else for it."""
    return next(group.__name__ for group in GROUPS if any(one.name == name for one in group.READERS))
