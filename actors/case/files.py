"""The case's working files on this machine: are they whole, and away with them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from actors.crash_points import effect
from messages.files import FileProof
from messages.interpretation import Interpretation


def inputs_whole(interpretation: Interpretation, *, thorough: bool = False) -> bool:
    """Every file of every beam's input is there with its size (bytes), and with its hash where that is asked.

    Hashes are checked in any case when a beam is staged.
    """
    return all(
        _is_whole(Path(beam.directory) / proof.path, proof, thorough=thorough)
        for beam in interpretation.beams
        for proof in beam.files
    )


def _is_whole(path: Path, proof: FileProof, *, thorough: bool) -> bool:
    if _size(path) != proof.size:
        return False
    if not thorough:
        return True
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == proof.sha256
    except OSError:
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:
        return -1


def remove(folder: Path, keep: Iterable[str] = ()) -> bool:
    """True when nothing of the folder is left but the folders ``keep`` in it. OSError when something cannot go."""
    kept = frozenset(path for text in keep if (path := Path(text)).is_relative_to(folder) and path.exists())
    if folder.exists():
        with effect("clean.work"):
            _remove_around(folder, kept)
    return True


def _remove_around(entry: Path, kept: frozenset[Path]) -> None:
    """Away with the entry and all below it that is not kept."""
    if entry in kept:
        return
    if any(path.is_relative_to(entry) for path in kept):
        for below in entry.iterdir():
            _remove_around(below, kept)
    elif entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink()
