"""An operator names a folder: which case folder is meant, and how it looks. Runs in a task."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from actors.formats.reading import shown
from actors.scanner.looks import Look, list_folder, look_at, unreadable
from actors.scanner.paths import parent
from messages.cases import SubmitFolder

LEVELS = 2
"""How far below a folder that is no case folder one is looked for."""
NAMED = 3
WIDEST = 200
"""Entries of one folder that are looked at for that."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a submission is about."""

    request: SubmitFolder
    look: Look | None
    sentence: str = ""
    """Without a look: why not."""


def find_case_folder(request: SubmitFolder, marker: str) -> Found:
    """The case folder at the path, or the one that holds the delivery folder at the path."""
    path = request.path
    try:
        path = os.path.realpath(path)
        if list_folder(path, stamps=False).delivered:
            path = parent(path)
        look = look_at(path, marker)
    except (OSError, ValueError) as error:
        why = str(unreadable(path, error)) if isinstance(error, OSError) else f"{shown(path)} is no path."
        return Found(request, None, f"There is no such case folder: {why}")
    if not look.is_case:
        what = f"{shown(path)} holds neither an RTPLAN nor a delivery: it is no case folder."
        return Found(request, None, f"{what}{_below(path, marker)}")
    return Found(request, look)


def _below(path: str, marker: str) -> str:
    """Which case folders lie below: what was meant, most likely."""
    found = list(islice(_case_folders(path, marker, LEVELS), NAMED + 1))
    if not found:
        return ""
    named = ", ".join(shown(one) for one in found[:NAMED])
    more = ", and more" if len(found) > NAMED else ""
    return f" Below it: {named}{more}; submit {'one of these' if len(found) > 1 else 'that one'}."


def _case_folders(path: str, marker: str, levels: int) -> Iterator[str]:
    """Case folders below, nearest first; what cannot be read, and links, are passed over."""
    try:
        with os.scandir(path) as entries:
            folders = sorted(entry.path for entry in islice(entries, WIDEST) if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
    deeper = []
    for folder in folders:
        try:
            case = look_at(folder, marker).is_case
        except (OSError, ValueError):
            continue
        if case:
            yield folder
        else:
            deeper.append(folder)
    if levels > 1:
        for folder in deeper:
            yield from _case_folders(folder, marker, levels - 1)
