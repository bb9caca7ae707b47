"""Moves of files as tests order them, and what a folder holds."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from messages.files import FetchFiles, FileProof, FilesMoved, MoveFailed, PutFiles
from tests.kit.hosts import Host


def written(root: Path, files: dict[str, bytes]) -> tuple[FileProof, ...]:
    """Write them; their manifest."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return tuple(FileProof(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items())


def contents(root: Path) -> dict[str, bytes]:
    """Every file below it."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def noise(sizes: dict[str, int]) -> dict[str, bytes]:
    return {name: os.urandom(size) for name, size in sizes.items()}


def put(host: Host, source: Path, target: Path, files: tuple[FileProof, ...]) -> str:
    """Order it; the request."""
    request_id = host.request_id()
    host.lane.tell(PutFiles(request_id, host.probe, 1, str(source), str(target), files))
    return request_id


def fetch(host: Host, source: Path, target: Path, names: tuple[str, ...] = ()) -> str:
    request_id = host.request_id()
    host.lane.tell(FetchFiles(request_id, host.probe, 1, str(source), str(target), names))
    return request_id


def answer(host: Host, request_id: str, timeout_s: float = 30.0) -> FilesMoved | MoveFailed:
    ours = (FilesMoved, MoveFailed)  # not what is told on the way
    found = host.probe.expect(object, timeout_s, lambda news: isinstance(news, ours) and news.request_id == request_id)
    assert isinstance(found, FilesMoved | MoveFailed)
    return found


def moved(host: Host, request_id: str, timeout_s: float = 30.0) -> FilesMoved:
    outcome = answer(host, request_id, timeout_s)
    assert isinstance(outcome, FilesMoved), outcome
    return outcome


def refused(host: Host, request_id: str, timeout_s: float = 30.0) -> MoveFailed:
    outcome = answer(host, request_id, timeout_s)
    assert isinstance(outcome, MoveFailed), outcome
    return outcome


def gathered(target: Path) -> int:
    """Bytes that unfinished moves to this target have gathered."""
    sizes = 0
    for part in target.parent.glob(f".{target.name}.part-*"):
        for path in part.rglob("*"):
            try:
                sizes += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:
                continue
    return sizes


def beside(target: Path) -> list[str]:
    """Names of what lies beside the target, with it."""
    return sorted(path.name for path in target.parent.iterdir()) if target.parent.exists() else []
