"""A directory that appears whole or not at all, with the proof of every file in it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.crash_points import effect
from actors.errors import MqiError
from messages.faults import Blame, Fault
from messages.files import FileProof


class Staging:
    """Files are written beside ``target`` and renamed into its place by ``commit``; without it nothing is left.

    Raises MqiError (blame OURS, kind ``disk``) when the disk refuses. A target that is there already is replaced.
    """

    def __init__(self, target: str) -> None:
        self._target = Path(target)
        self._folder = self._target.with_name(f".{self._target.name}.partial")
        self._old = self._target.with_name(f".{self._target.name}.old")
        self._proofs: dict[str, dict[str, FileProof]] = {}

    def __enter__(self) -> Self:
        self._guard(self._clear)
        with effect("interpret.make"):
            self._guard(partial(self._folder.mkdir, parents=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def write(self, part: str, name: str, data: bytes) -> None:
        """Writes ``<target>/<part>/<name>``; ``name`` is relative with forward slashes."""
        path = self._folder / part / name

        def write() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                file.write(data)
                file.flush()
                os.fdatasync(file.fileno())

        self._guard(write)
        self._prove(part, FileProof(name, len(data), hashlib.sha256(data).hexdigest()))

    def share(self, part: str, other: str, prefix: str) -> None:
        """Gives ``other`` the files of ``part`` whose names begin with ``prefix``, without a second copy."""
        for proof in self.files(part):
            if proof.path.startswith(prefix):
                source, path = self._folder / part / proof.path, self._folder / other / proof.path
                self._guard(partial(path.parent.mkdir, parents=True, exist_ok=True))
                self._guard(partial(path.hardlink_to, source))
                self._prove(other, proof)

    def files(self, part: str) -> tuple[FileProof, ...]:
        """Proofs of a part's files, by path."""
        return tuple(self._proofs.get(part, {})[name] for name in sorted(self._proofs.get(part, {})))

    def commit(self) -> None:
        """Everything on disk, then under its name."""
        self._guard(self._rename)

    def _rename(self) -> None:
        for folder, _, _ in os.walk(self._folder):
            _sync(Path(folder))
        if self._target.exists():
            with effect("interpret.aside"):
                self._target.rename(self._old)
        with effect("interpret.rename"):
            self._folder.rename(self._target)
        _sync(self._target.parent)
        with effect("interpret.clear"):
            shutil.rmtree(self._old, ignore_errors=True)

    def _prove(self, part: str, proof: FileProof) -> None:
        self._proofs.setdefault(part, {})[proof.path] = proof

    def _clear(self) -> None:
        for leftover in (self._folder, self._old):
            if leftover.exists():
                with effect("interpret.clear"):
                    shutil.rmtree(leftover)

    def _guard(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            raise MqiError(
                Fault(
                    what=f"The interpretation cannot be written: {error.strerror or error}.",
                    where=str(self._target),
                    remedy="Make room, or check the state folder's disk and rights.",
                    blame=Blame.OURS,
                    kind="disk",
                )
            ) from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
