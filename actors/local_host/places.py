"""What lies in the workspace, and what does not."""

from __future__ import annotations

from pathlib import Path

from actors.errors import MqiError
from actors.jobs.places import OTHER_WORKSPACE
from messages.faults import Blame, Fault


def below(workspace: Path, path: Path) -> Path:
    """``path`` if it is absolute, plain and truly below the workspace, also after every symbolic link on its way.

    Raises MqiError (kind ``outside-workspace``).
    """
    plain = path.is_absolute() and ".." not in path.parts and "\0" not in str(path)
    if not plain or path == workspace or not path.is_relative_to(workspace):
        raise _outside(workspace, path)
    if not path.parent.resolve().is_relative_to(workspace.resolve()):
        raise _outside(workspace, path)
    return path


def _outside(workspace: Path, path: Path) -> MqiError:
    return MqiError(
        Fault(
            what=f"{path} does not lie below the workspace {workspace}: it was not touched.",
            where=str(path),
            remedy=OTHER_WORKSPACE,
            blame=Blame.OURS,
            kind="outside-workspace",
        )
    )
