"""What lies in a workspace far away, as far as its name tells. The host itself looks at symbolic links. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath

from actors.errors import MqiError
from messages.faults import Blame, Fault

OTHER_WORKSPACE = "Was it begun while the host had another workspace? Configure that one until it has ended."
"""What to do about a run that lies elsewhere."""


def below(workspace: str, path: str) -> str:
    """``path``, plainly written, if it is absolute and below the workspace. MqiError (``outside-workspace``) else."""
    root, place = PurePosixPath(workspace), PurePosixPath(path)
    plain = place.is_absolute() and ".." not in place.parts and "\0" not in path and "\n" not in path
    if not plain or place == root or not place.is_relative_to(root):
        what = f"{path} does not lie below the workspace {workspace}: it was not touched."
        raise MqiError(Fault(what=what, where=path, remedy=OTHER_WORKSPACE, blame=Blame.OURS, kind="outside-workspace"))
    return str(place)
