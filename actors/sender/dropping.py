"""A result put into a drop folder: whole under its name, or not there at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from actors.crash_points import effect
from actors.sender.order import NotSent, Sent, Why
from actors.sender.result import Result, sha256_of
from actors.unfinished import abandoned, unfinished
from messages.files import FileProof

_PIECE = 1 << 20


def drop(folder: Path, result: Result) -> Sent | NotSent:
    """``<folder>/<case>/`` with every file of the manifest, and that last; beside it a hidden name while it is written.

    What is there by that name already is left as it is: the same result is sent, anything else is in the way.
    """
    if not folder.is_dir():
        return NotSent(f"there is no folder {folder} (is its share mounted? it is never made)", Why.NODE)
    final = folder / result.folder.name
    if final.exists():
        return _there(final, result)
    try:
        for leftover in abandoned(folder, final.name):
            with effect("send.clear"):
                shutil.rmtree(leftover, ignore_errors=True)
        _copied(unfinished(folder, final.name), final, result)
    except OSError as error:
        return NotSent(f"{folder}: {error.strerror or error}", Why.NODE)
    return Sent(f"{len(result.files) + 1} files in {final}", "")


def _there(final: Path, result: Result) -> Sent | NotSent:
    """After a crash between name and outcome, or a second order."""
    try:
        same = all(sha256_of(final / proof.path) == proof.sha256 for proof in (*result.files, result.manifest))
    except OSError:
        same = False
    if same:
        return Sent(f"{len(result.files) + 1} files in {final}: they were there", "")
    return NotSent(f"{final} is there and is not this result: move it away", Why.REFUSED)


def _copied(partial: Path, final: Path, result: Result) -> None:
    with effect("send.make"):
        partial.mkdir()
    try:
        for proof in (*result.files, result.manifest):
            _copy(result.folder / proof.path, partial / proof.path, proof)
        _sync(partial)
        with effect("send.rename"):
            partial.rename(final)
        _sync(final.parent)
    finally:
        with effect("send.clear"):
            shutil.rmtree(partial, ignore_errors=True)


def _copy(source: Path, target: Path, proof: FileProof) -> None:
    """What is written is what was hashed; OSError otherwise."""
    digest = hashlib.sha256()
    with source.open("rb") as original, target.open("xb") as copy:
        while piece := original.read(_PIECE):
            digest.update(piece)
            copy.write(piece)
        copy.flush()
        os.fsync(copy.fileno())
    if digest.hexdigest() != proof.sha256:
        raise OSError(f"{proof.path} changed as it was copied")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
