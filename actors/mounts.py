"""Is the share still mounted on which a folder lies? An empty mount point looks like a folder with nothing in it."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from actors.errors import MqiError
from actors.formats.reading import shown
from messages.faults import Blame, Fault

AWAY = "results-away"
"""Kind of the fault: what is to be published waits for it as for room on a disk."""
NOTE = "results.mount"
"""File in the state folder that keeps where the share of the results is mounted."""
_REMEDY = (
    f"Mount it, and all goes on by itself. If it is not to be mounted any more: remove {NOTE} from the state folder"
)
_MOUNTS = Path("/proc/self/mountinfo")


def mount_of(folder: Path) -> str:
    """The mount point below which ``folder`` lies, whether it exists or not; empty where that cannot be told.

    May block as the file system does. What is mounted when it is entered (autofs) is entered.
    """
    with contextlib.suppress(OSError):
        (folder / "entered").exists()  # the folder itself may be told of without being entered
    try:
        text = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        return deepest(os.path.realpath(folder), text)
    except OSError:
        return ""


def deepest(path: str, mountinfo: str) -> str:
    """Of the mount points in the text of /proc/self/mountinfo (proc(5)), that of ``path``. Pure."""
    places = (_plain(fields[4]) for line in mountinfo.splitlines() if len(fields := line.split(" ")) > 4)
    above = (place for place in places if path == place or path.startswith(place.rstrip("/") + "/"))
    return max(above, key=len, default="")


def _plain(place: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        place = place.replace(code, character)
    return place


def expected_mount(folder: Path, note: Path) -> str:
    """The mount point on which ``folder`` ought to lie, by the file ``note`` or, where that says less, as it is now.

    Kept over restarts: after a reboot a share may not be mounted any more. Another folder, and a mount that came to be
    deeper, are noted anew. Empty where nothing can be told.
    """
    now = mount_of(folder)
    noted = _read(note, folder)
    if len(noted) >= len(now):
        return noted
    with contextlib.suppress(OSError):  # a state folder that is full or read-only is told of by others
        note.write_text(f"{folder}\n{now}\n", encoding="utf-8", errors="surrogateescape")
    return now


def _read(note: Path, folder: Path) -> str:
    try:
        of, mount = note.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (OSError, ValueError):
        return ""
    return mount if of == str(folder) else ""


def away(folder: Path, expected: str) -> str:
    """Why nothing may be written to ``folder`` now; empty: its share is there, or none is known."""
    now = mount_of(folder)
    if not expected or len(now) >= len(expected):
        return ""
    return f"{shown(expected)} is not mounted. {_REMEDY}"


def check_mounted(folder: Path, expected: str) -> None:
    """Raises MqiError (``results-away``) where the share of ``folder`` is not mounted."""
    if why := away(folder, expected):
        raise MqiError(Fault(f"Nothing is written there: {why}.", where=str(folder), blame=Blame.OURS, kind=AWAY))
