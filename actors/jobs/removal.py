"""What `remove` in host.sh answered. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from messages.faults import Blame, Fault


def not_removed(path: str, folder: str, said: Mapping[str, str]) -> Fault | None:
    """Why the folder of this path below the workspace is still there; None: it is gone."""
    if "outside" in said:
        what = f"{folder} does not lie below the workspace: it was not touched."
        return Fault(what=what, where=folder, blame=Blame.OURS, kind="outside-workspace")
    if "alive" in said:
        return Fault(
            what=f"The run in {said['alive']} still has processes: it was not removed.",
            where=said["alive"],
            remedy="Wait for its end, or cancel it.",
            blame=Blame.HOST,
            kind="run-alive",
        )
    if "error" in said:
        return Fault(
            what=f"The run directory {path} cannot be removed: {said['error']}.",
            where=folder,
            remedy="Remove it by hand when nothing uses it.",
            blame=Blame.HOST,
            kind="remove-failed",
        )
    return None
