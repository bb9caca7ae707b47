"""Where results are sent: DICOM nodes that answer, folders that are there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from actors.cli.doctor.finding import Finding
from actors.settings import SendNode, Settings


def check_nodes(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """A C-ECHO to each node, and whether it takes RT Dose; nothing is sent."""
    from actors.sender import look_at

    if not settings.send:
        yield Finding("sending", ok=True, text="results are sent nowhere; [[send]] names DICOM nodes and drop folders")
    for node in settings.send:
        wrong = look_at(node)
        right = f"{_where(node)} is ready; results go there {_WHEN[node.when]}"
        yield Finding(f"node {node.name}", ok=not wrong, text=wrong or right, remedy=_remedy(node) if wrong else "")


_WHEN = {
    "accepted": "once they are accepted",
    "approved": "once a user approved them",
    "ordered": "by order only",
}


def _where(node: SendNode) -> str:
    return str(node.folder) if node.kind == "folder" else f"{node.called} at {node.host}:{node.port}"


def _remedy(node: SendNode) -> str:
    if node.kind == "folder":
        return f"make {node.folder}, mount its share, or let the daemon's user write there"
    return (
        f"correct host, port and called of [[send]] {node.name}, or have {node.ae_title} of this machine entered there "
        "with RT Dose" + (" and storage commitment" if node.commitment else "")
    )
