"""An operator names a folder: which case folder is meant, and how it looks. Runs in a task."""

from __future__ import annotations

import os
from dataclasses import dataclass

from actors.formats.reading import shown
from actors.scanner.looks import Look, list_folder, look_at, unreadable
from actors.scanner.paths import parent
from messages.cases import SubmitFolder


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
        return Found(request, None, f"{shown(path)} holds neither an RTPLAN nor a delivery: it is no case folder.")
    return Found(request, look)
