"""Is a node there? For ``check``: nothing is sent."""

from __future__ import annotations

import os

from actors.settings import SendNode


def look_at(node: SendNode) -> str:
    """A C-ECHO (PS3.4 A), or a look at the drop folder: empty when all is well, else what is not."""
    return _folder(node) if node.kind == "folder" else _echo(node)


def _echo(node: SendNode) -> str:
    # Heavy libraries, and no part of the daemon.
    from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RTDoseStorage  # noqa: PLC0415
    from pynetdicom import build_context  # noqa: PLC0415

    from actors.sender.association import STORAGE_COMMITMENT, VERIFICATION, NodeError, associated  # noqa: PLC0415

    wanted = {RTDoseStorage: "RT Dose"}
    if node.commitment:
        wanted[STORAGE_COMMITMENT] = "storage commitment"
    syntaxes: list[str | UID] = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
    try:
        with associated(node, [build_context(one, syntaxes) for one in (VERIFICATION, *wanted)]) as association:
            offered = {context.abstract_syntax for context in association.accepted_contexts}
            if VERIFICATION in offered and association.send_c_echo().get("Status") != 0:
                return "it does not answer a C-ECHO"
    except NodeError as error:
        return error.sentence
    return "; ".join(f"it offers no {name}" for uid, name in wanted.items() if uid not in offered)


def _folder(node: SendNode) -> str:
    assert node.folder is not None, "the configuration was checked"
    if not node.folder.is_dir():
        return f"there is no folder {node.folder}"
    return "" if os.access(node.folder, os.W_OK | os.X_OK) else f"{node.folder} cannot be written to"
