"""The case's working files on this machine: are they whole, and away with them."""

from __future__ import annotations

import shutil
from pathlib import Path

from actors.crash_points import effect
from messages.interpretation import Interpretation


def inputs_whole(interpretation: Interpretation) -> bool:
    """Every file of every beam's input is there with its size (bytes). Hashes are checked when a beam is staged."""
    return all(
        _size(Path(beam.directory) / proof.path) == proof.size for beam in interpretation.beams for proof in beam.files
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:
        return -1


def remove(folder: Path) -> bool:
    """True when nothing of the folder is left. OSError when something cannot be removed."""
    if folder.exists():
        with effect("clean.work"):
            shutil.rmtree(folder)
    return True
