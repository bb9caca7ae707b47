"""The house keeps its shape: imports point one way, a room imports no other room, files stay readable."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = {
    "supervision",
    "formats",
    "jobs",
    "errands",
    "errors",
    "settings",
    "logs",
    "documents",
    "crash_points",
    "unfinished",
    "mounts",
}
"""What every room may import beside messages."""
TOPS = {"cli", "demo", "tree", "host_tree"}
"""What may import any room: the command line, the demo, and the page that wires the tree."""


def modules(package: str) -> Iterator[Path]:
    yield from sorted((ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def room(dotted: str) -> str:
    parts = dotted.split(".")
    return parts[1] if parts[0] == "actors" and len(parts) > 1 else ""


def test_messages_import_nothing_of_ours() -> None:
    strays = [
        f"{path}: {name}" for path in modules("messages") for name in imported(path) if name.split(".")[0] == "actors"
    ]
    assert not strays


def test_no_room_imports_another() -> None:
    strays = []
    for path in modules("actors"):
        own = path.relative_to(ROOT / "actors").parts[0].removesuffix(".py")
        if own in TOPS:
            continue
        for name in imported(path):
            other = room(name)
            if other and other != own and other not in LIBRARIES:
                strays.append(f"{path.relative_to(ROOT)}: {name}")
    assert not strays


def test_only_supervision_knows_pykka() -> None:
    strays = [
        str(path.relative_to(ROOT))
        for path in modules("actors")
        for name in imported(path)
        if name.split(".")[0] == "pykka" and "supervision" not in path.parts
    ]
    assert not strays


@pytest.mark.parametrize("package", ["actors", "messages"])
def test_no_file_needs_a_map(package: str) -> None:
    long = {str(p.relative_to(ROOT)): n for p in modules(package) if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_the_daemon_starts_without_the_heavy_libraries() -> None:
    """Arrays and DICOM belong to worker processes: the daemon itself stays small for years."""
    probe = (
        "import sys, actors.tree\n"
        "heavy = {'numpy', 'scipy', 'pydicom', 'matplotlib', 'typer', 'rich'} & set(sys.modules)\n"
        "sys.exit('the daemon imports ' + ', '.join(sorted(heavy)) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
