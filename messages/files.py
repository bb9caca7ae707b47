"""Files with their proof: relative path, size, SHA-256; and moving them to and from a host."""

from __future__ import annotations

from dataclasses import dataclass

from messages.address import Mailbox
from messages.faults import Fault


@dataclass(frozen=True, slots=True)
class FileProof:
    """One file of a manifest."""

    path: str
    """Relative, with forward slashes; never absolute, never with ``..``."""
    size: int
    sha256: str
    """Lower-case hexadecimal."""


@dataclass(frozen=True, slots=True)
class PutFiles:
    """Copy ``files`` below ``source`` (daemon's machine) to below ``target`` (host), verified, then renamed."""

    request_id: str
    reply_to: Mailbox
    epoch: int
    source: str
    target: str
    """Absolute directory on the host; appears whole or not at all."""
    files: tuple[FileProof, ...]


@dataclass(frozen=True, slots=True)
class FetchFiles:
    """Copy all regular files below ``source`` (host) to below ``target`` (daemon's machine), verified, then renamed."""

    request_id: str
    reply_to: Mailbox
    epoch: int
    source: str
    target: str
    """Absolute directory on the daemon's machine; appears whole or not at all."""
    names: tuple[str, ...] = ()
    """Relative paths of single files to fetch; empty: all of them. A named file that is absent is left out."""


@dataclass(frozen=True, slots=True)
class MoveProgress:
    """On the way of a move that takes long, at most every few seconds; the answer follows."""

    request_id: str
    landed: int
    """Bytes that were moved so far, in all tries."""
    size: int
    """Bytes of the whole move."""
    bytes_per_s: float

    @property
    def words(self) -> str:
        """``45 % of 400 MB, 120.0 MB/s``."""
        share = min(self.landed / self.size, 1.0) if self.size else 1.0
        return f"{share * 100:.0f} % of {self.size / 1e6:.0f} MB, {self.bytes_per_s / 1e6:.1f} MB/s"


@dataclass(frozen=True, slots=True)
class FilesMoved:
    """Answer to PutFiles and FetchFiles: everything lies under ``target`` and was verified there."""

    request_id: str
    files: tuple[FileProof, ...]


@dataclass(frozen=True, slots=True)
class MoveFailed:
    """Answer to PutFiles and FetchFiles: nothing appeared under the final name."""

    request_id: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class AbandonMove:
    """Stop a transfer that nobody waits for any more; no answer follows."""

    request_id: str
