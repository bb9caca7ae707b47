"""Are the files of a case still those that its result was computed from? Reads all of them: in a task."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from actors.formats.reading import input_name, shown
from messages.ledger import CaseRow

_PIECE = 1 << 20


class StoppedError(Exception):
    """Nobody waits for the answer any more."""


def difference(row: CaseRow, cancelled: Callable[[], bool]) -> str:
    """What of its inputs is gone or changed, in a sentence; empty: nothing. StoppedError."""
    source = row.source
    assert source is not None, "what is done was admitted"
    if not Path(source.path).is_dir():
        return f"its folder is gone: {shown(source.path)}"
    read = {str(one["path"]): str(one["sha256"]) for one in json.loads(row.interpretation or "{}").get("inputs", ())}
    if not read:
        return "it is not known which files it was computed from"
    folders = {source.path, str(Path(source.plan_path).parent), *(one.path for one in source.deliveries)}
    there = _files(folders, source.path)
    for name, sha256 in read.items():
        if name not in there:
            return f"{name} of {shown(source.path)} is gone"
        if _sha256(there[name], cancelled) != sha256:
            return f"{name} of {shown(source.path)} is not what it was computed from"
    return ""


def _files(folders: set[str], case_folder: str) -> Mapping[str, Path]:
    """Name of an input, as the interpreter tells it → where it lies."""
    return {input_name(path, case_folder): path for folder in folders for path in _below(folder)}


def _below(folder: str) -> Iterator[Path]:
    for at, _, names in os.walk(folder):
        yield from (Path(at) / name for name in names)


def _sha256(path: Path, cancelled: Callable[[], bool]) -> str:
    """Empty: it cannot be read, or is no plain file."""
    digest = hashlib.sha256()
    if path.is_symlink() or not path.is_file():
        return ""
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                if cancelled():
                    raise StoppedError
                digest.update(piece)
    except OSError:
        return ""
    return digest.hexdigest()
