"""Is the share still mounted on which a folder lies? An empty mount point looks like a folder with nothing in it.

Of the results here, and of every host's workspace: there a folder with nothing in it would mean that no run was ever
launched.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from actors.errors import MqiError
from actors.formats.reading import shown
from messages.faults import Blame, Fault

AWAY = "results-away"
"""Kind of the fault: what is to be published waits for it as for room on a disk."""
WORKSPACE_AWAY = "workspace-away"
"""Kind of the fault: a host's runs are not to be seen."""
NOTE = "results.mount"
"""File in the state folder that keeps where the share of the results is mounted."""
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
    return _deeper(str(folder), mount_of(folder), note)


def _deeper(folder: str, now: str, note: Path) -> str:
    noted = _read(note, folder)
    if len(noted) >= len(now):
        return noted
    with contextlib.suppress(OSError):  # a state folder that is full or read-only is told of by others
        note.write_text(f"{folder}\n{now}\n", encoding="utf-8", errors="surrogateescape")
    return now


def _read(note: Path, folder: str) -> str:
    try:
        of, mount = note.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (OSError, ValueError):
        return ""
    return mount if of == folder else ""


def away(folder: Path, expected: str) -> str:
    """Why nothing may be written to ``folder`` now; empty: its share is there, or none is known."""
    now = mount_of(folder)
    if not expected or len(now) >= len(expected):
        return ""
    return not_mounted(expected, NOTE)


def not_mounted(expected: str, note: str) -> str:
    """The sentence, with its remedy, where ``note`` in the state folder says that ``expected`` ought to be mounted."""
    return (
        f"{shown(expected)} is not mounted. Mount it, and all goes on by itself. If it is not to be mounted any more: "
        f"remove {note} from the state folder"
    )


def check_mounted(folder: Path, expected: str) -> None:
    """Raises MqiError (``results-away``) where the share of ``folder`` is not mounted."""
    if why := away(folder, expected):
        raise MqiError(Fault(f"Nothing is written there: {why}.", where=str(folder), blame=Blame.OURS, kind=AWAY))


@dataclass(frozen=True, slots=True)
class Ground:
    """What a host's workspace lies on, kept over restarts; read anew each time: an operator may remove the note."""

    folder: str
    """The workspace, as the host names it."""
    note: Path | None = None
    """File in the state folder; None: nothing is kept, so nothing is ever missed."""

    @classmethod
    def of(cls, host: str, workspace: str, state_dir: Path) -> Ground:
        return cls(workspace, state_dir / f"workspace-{host}.mount")

    def expected(self) -> str:
        """Where it ought to be mounted; empty: not known, or on the system's own disk, which is never missed."""
        return _read(self.note, self.folder) if self.note is not None else ""

    def saw(self, now: str) -> str:
        """It is mounted at ``now``: kept if that says more than what was known; what is expected from here on."""
        if self.note is None or now in ("", "/"):
            return self.expected()
        return _deeper(self.folder, now, self.note)

    def away(self) -> str:
        """Of a workspace on this machine: why it is not to be seen now; empty: it is. May block as a disk does."""
        expected = self.expected()
        there = not expected or len(mount_of(Path(self.folder))) >= len(expected)
        return "" if there else self.sentence(expected)

    def sentence(self, expected: str) -> str:
        """Why the workspace cannot be used."""
        return f"the workspace's disk {not_mounted(expected, self.note.name if self.note is not None else '')}"
