"""Inputs on which a reader once stumbled: ``tests/fuzz/corpus/<reader>/<what>``, committed, for ever."""

from __future__ import annotations

from pathlib import Path

CORPUS = Path(__file__).resolve().parent / "corpus"


def committed(reader: str) -> list[bytes]:
    """By name of the file."""
    folder = CORPUS / reader
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []
