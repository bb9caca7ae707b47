"""Files from a host to here: gathered beside the target, compared with what the host says of them, then renamed."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from actors.crash_points import effect
from actors.jobs import Item, check_paths, unfinished_name
from actors.jobs.sources import opened_folder
from actors.jobs.sources import survey as local_survey
from actors.ssh_connection import refusals, scripts
from actors.ssh_connection.answers import UnclearError, parse_hashes, parse_listing
from actors.ssh_connection.landing import Landing, hash_of
from actors.ssh_connection.packing import Member
from actors.ssh_connection.route import Route, unclear
from actors.ssh_connection.upload import SPARE_BYTES, read_back
from messages.faults import Blame
from messages.files import FileProof

_TOGETHER_BYTES = 4 << 20
"""From here on the host hashes while it sends."""
_OTHER_MOVER_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Download:
    """One move, over as many tries as it takes."""

    source: str
    target: Path
    names: tuple[str, ...]

    def run(self, route: Route) -> tuple[FileProof, ...]:
        """Make the move, going on where an earlier try stopped; its proof. Raises MqiError, or Stopped."""
        members = self._survey(route)
        try:
            proofs = self._there(route, members)
            if proofs is None:
                self.target.parent.mkdir(parents=True, exist_ok=True)
                while (proofs := self._try(route, members)) is None:
                    route.check_stop()
                    time.sleep(_OTHER_MOVER_POLL_S)
        except OSError as error:
            raise refusals.of_disk(self.target, error) from error
        return proofs

    def forget(self) -> None:
        """Remove what unfinished moves to this target left."""
        for part in self.target.parent.glob(f".{_literal(self.target.name)}.part-*"):
            with effect("move.sweep"):
                shutil.rmtree(part, ignore_errors=True)

    def _survey(self, route: Route) -> tuple[Member, ...]:
        answer = route.ask(scripts.survey(route.workspace, self.source, self.names), self.source)
        try:
            members = parse_listing(answer)
        except UnclearError as error:
            raise unclear(route, self.source, error) from error
        check_paths(member.path for member in members)
        return members

    def _there(self, route: Route, members: Sequence[Member]) -> tuple[FileProof, ...] | None:
        """The proof when the target holds these very files already; None when it holds nothing. Raises MqiError."""
        try:
            present = local_survey(self.target)
        except FileNotFoundError:
            return None
        if not present:
            return None
        if [(file.path, file.size) for file in present] != [(member.path, member.size) for member in members]:
            raise refusals.differs(str(self.target), Blame.OURS)
        expected = self._told(route, members)
        if any(hash_of(self.target, path) != sha256 for path, sha256 in expected.items()):
            raise refusals.differs(str(self.target), Blame.OURS)
        return _proofs(members, expected)

    def _try(self, route: Route, members: Sequence[Member]) -> tuple[FileProof, ...] | None:
        """One try under the lock of the unfinished folder; None while another mover has it."""
        items = [Item(member.path, member.size, None, member.mtime_ns) for member in members]
        part = self.target.parent / unfinished_name(self.target.name, items)
        with effect("move.make"):
            part.mkdir(exist_ok=True)
        with opened_folder(part) as folder:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
            if not part.is_dir() or not os.path.samestat(os.fstat(folder), part.lstat()):
                return None  # another mover finished meanwhile
            proofs = self._there(route, members)
            if proofs is None:
                proofs = self._gather(route, part, members)
                with effect("move.rename"):
                    part.rename(self.target)
        with effect("move.sweep"):
            shutil.rmtree(part, ignore_errors=True)
        with opened_folder(self.target.parent) as above:
            os.fsync(above)
        return proofs

    def _gather(self, route: Route, part: Path, members: Sequence[Member]) -> tuple[FileProof, ...]:
        landing = Landing(part, members, route.tally)
        self._check_room(part, landing, len(members))
        hashes = bytearray()
        with effect("move.copy"):
            landing.receive(self._incoming(route, landing.wanted, members, hashes))
        expected = parse_hashes(bytes(hashes), members) or self._told(route, members)
        landing.verify(expected, str(self.target))
        return _proofs(members, expected)

    def _incoming(
        self, route: Route, wanted: Sequence[tuple[Member, int]], members: Sequence[Member], hashes: bytearray
    ) -> Iterator[tuple[int, bytes]]:
        if not wanted:
            return
        try:
            if sum(member.size for member in members) >= _TOGETHER_BYTES:
                yield from route.read_and_hash(self.source, wanted, members, hashes)
            else:
                yield from route.read(self.source, wanted)
        except UnclearError as error:
            if not route.link.alive:
                raise route.link.broken("it broke off") from error
            why = f"changed while it was fetched ({error})"
            raise refusals.source("A file", why, self.source, "source-differs", Blame.HOST) from error

    def _check_room(self, part: Path, landing: Landing, files: int) -> None:
        disk = os.statvfs(part)
        need, free = landing.missing + SPARE_BYTES, disk.f_bavail * disk.f_frsize
        if free < need:
            why = refusals.no_room(need, free)
            raise refusals.full("this machine", files, str(self.target), why, Blame.OURS)

    def _told(self, route: Route, members: Sequence[Member]) -> dict[str, str]:
        """SHA-256 by path as the files lie on the host."""
        if not members:
            return {}
        found = route.hashes(self.source, members)
        return found if found is not None else read_back(route, self.source, members)


def _proofs(members: Sequence[Member], sha256: dict[str, str]) -> tuple[FileProof, ...]:
    return tuple(FileProof(member.path, member.size, sha256[member.path]) for member in members)


def _literal(name: str) -> str:
    """A name as a pattern that matches only it."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)
