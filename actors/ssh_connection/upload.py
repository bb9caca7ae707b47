"""Files from here to a host: gathered there beside the target, verified there, then renamed as a whole."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import Item, unfinished_name
from actors.jobs.sources import opened_file, opened_folder
from actors.ssh_connection import refusals, scripts
from actors.ssh_connection.answers import Look, UnclearError, parse_hashes, parse_look
from actors.ssh_connection.packing import Member, Pack, blocks, pack
from actors.ssh_connection.route import CHUNK, LITTLE, Route, unclear
from messages.faults import Blame
from messages.files import FileProof

BIG = 4 << 20
"""A file of so many bytes travels by itself; smaller ones share a stream."""
SPARE_BYTES = 1 << 20
"""Room that a move leaves beside its files, for folders and the file system's own needs."""
_TURNS = 4
"""Looks at the target: another mover may finish first, and take away what this one was building with."""
_TAKEN_AWAY = frozenset({("target-unwritable", Blame.HOST), ("source-differs", Blame.HOST)})
"""What is said then: it cannot be written to, or what is read back is not all there."""


def part_of(target: str, items: Sequence[Item]) -> str:
    """Where the move is gathered."""
    path = PurePosixPath(target)
    return str(path.parent / unfinished_name(path.name, items))


@dataclass(frozen=True, slots=True)
class Upload:
    """One move, over as many tries as it takes. Nothing is flushed on the host: a run that loses its input to a
    power cut is lost itself, and begins anew in another folder."""

    source: Path
    target: str
    items: tuple[Item, ...]
    mount: str = ""
    """Where the disk of the workspace ought to be mounted; empty: not known."""

    @property
    def part(self) -> str:
        return part_of(self.target, self.items)

    def run(self, route: Route) -> tuple[FileProof, ...]:
        """Make the move, going on where an earlier try stopped; its proof. Raises MqiError, or Stopped."""
        load, fault = self._load()
        for turn in range(1, _TURNS + 1):
            look = self._look(route, load)
            if look.there is not None:
                return self._proven(route, look.there)
            if load is None:
                assert fault is not None
                raise fault
            try:
                if self._build(route, load, look):
                    return tuple(FileProof(item.path, item.size, str(item.sha256)) for item in self.items)
            except MqiError as error:
                if (error.fault.kind, error.fault.blame) not in _TAKEN_AWAY or turn == _TURNS:
                    raise
        raise refusals.differs(self.target, Blame.HOST)

    def forget(self, route: Route) -> None:
        """Remove what an unfinished move left there."""
        with effect("move.sweep"):
            route.run(scripts.forget(self.part))

    # -- before

    def _load(self) -> tuple[_Load | None, MqiError | None]:
        """What is to be sent; or why it cannot be, which matters only if it is not there already."""
        try:
            return _Load.of([self._member(item) for item in self.items]), None
        except MqiError as error:
            return None, error

    def _look(self, route: Route, load: _Load | None) -> Look:
        keep = load.packed.name if load is not None and load.packed is not None else ""
        with effect("stage.look"):
            answer = route.ask(scripts.look(route.workspace, self.target, self.part, keep, self.mount), self.target)
        try:
            look = parse_look(answer)
        except UnclearError as error:
            raise unclear(route, self.target, error) from error
        route.tally.begin(sum(member.size for member in look.part), sum(item.size for item in self.items))
        return look

    def _proven(self, route: Route, there: tuple[Member, ...]) -> tuple[FileProof, ...]:
        """The proof when the target holds these very files already. Raises MqiError else."""
        if [(file.path, file.size) for file in there] != [(item.path, item.size) for item in self.items]:
            raise refusals.differs(self.target, Blame.HOST)
        found = far_hashes(route, self.target, there)
        if any(found[item.path] != item.sha256 for item in self.items):
            raise refusals.differs(self.target, Blame.HOST)
        self.forget(route)
        return tuple(FileProof(item.path, item.size, found[item.path]) for item in self.items)

    # -- the move

    def _build(self, route: Route, load: _Load, look: Look) -> bool:
        """Send, verify, rename; False when something stands under the final name by now."""
        have = {member.path: member.size for member in look.part}
        self._check_room(route, load, have, look.free_bytes)
        with effect("stage.send"):
            known = self._fitting(self._send(route, load, have))
        tree = f"tree-{secrets.token_hex(4)}"
        with effect("stage.unpack"):
            self._unpack(route, tree, load.packed)
        rest = [member for member in load.members if member.path not in known]
        size = sum(member.size for member in rest)
        with effect("stage.place"):
            answer = route.ask(scripts.place(self.part, tree, load.big, rest), self.target, size)
        found = parse_hashes(answer, rest) or far_hashes(route, f"{self.part}/{tree}", rest)
        self._verify(route, load, known | found)
        with effect("stage.rename"):
            outcome = route.run(scripts.finish(self.part, tree, self.target))
        if outcome.exit_code not in (0, scripts.TAKEN):
            raise refusals.of_script(route.host, route.workspace, self.target, outcome.exit_code, outcome.stderr)
        return outcome.exit_code == 0

    def _check_room(self, route: Route, load: _Load, have: dict[str, int], free: int) -> None:
        need = sum(max(size - have.get(name, 0), 0) for name, size in load.streams)
        need += sum(piece.member.size for piece in load.packed.pieces) if load.packed else 0
        if free < need + SPARE_BYTES:
            why = refusals.no_room(need + SPARE_BYTES, free)
            raise refusals.full(route.host, len(self.items), self.target, why)

    def _send(self, route: Route, load: _Load, have: dict[str, int]) -> dict[str, str]:
        """Complete every stream; the SHA-256 of those large files that were hashed on the way."""
        known = dict[str, str]()
        self._drop_overlong(route, load, have)
        for name, member in load.big:
            offset = have.get(name, 0)
            if offset < member.size or name not in have:
                script = scripts.pour_and_hash(self.part, name, offset, secrets.token_hex(4))
                answer = route.pour(script, self._read(member, offset), self.target, member.size)
                known |= parse_hashes(answer, [member]) or {}
        packed = load.packed
        if packed is not None:
            offset = have.get(packed.name, 0)
            if offset < packed.size:
                self._send_pack(route, packed, offset)
        return known

    def _drop_overlong(self, route: Route, load: _Load, have: dict[str, int]) -> None:
        """What is longer than it may be is begun anew."""
        overlong = [name for name, size in load.streams if have.get(name, 0) > size]
        if overlong:
            route.ask(scripts.drop(self.part, overlong), self.target)
            for name in overlong:
                del have[name]

    def _send_pack(self, route: Route, packed: Pack, offset: int) -> None:
        content = blocks(packed, offset, self._read)
        if packed.size - offset <= LITTLE:
            joined = b"".join(content)
            route.ask(scripts.pour_inline(self.part, packed.name, offset, joined), self.target)
            route.tally.took(len(joined))
        else:
            route.pour(scripts.pour(self.part, packed.name, offset), _gathered(content), self.target)

    def _unpack(self, route: Route, tree: str, packed: Pack | None) -> None:
        if packed is None:
            route.ask(scripts.unpack(self.part, tree, None), self.target)
            return
        outcome = route.run(scripts.unpack(self.part, tree, packed), packed.size)
        if outcome.exit_code == 0:
            return
        fault = refusals.of_script(route.host, route.workspace, self.target, outcome.exit_code, outcome.stderr)
        if outcome.exit_code != scripts.NO_TAR or fault.fault.kind == "no-space":
            raise fault
        route.ask(scripts.unpack_plainly(self.part, tree, packed), self.target, packed.size)

    def _fitting(self, found: dict[str, str]) -> dict[str, str]:
        """Of hashes that were taken while a file grew only these count: a second mover may have ended one too early.
        The other files are hashed once more."""
        expected = {item.path: item.sha256 for item in self.items}
        return {path: sha256 for path, sha256 in found.items() if sha256 == expected[path]}

    def _verify(self, route: Route, load: _Load, found: dict[str, str]) -> None:
        for item in self.items:
            if found[item.path] == item.sha256:
                continue
            route.run(scripts.drop(self.part, [load.carrier(item.path)]))
            if self._hash(item) != item.sha256:
                where = str(self.source / item.path)
                raise refusals.source(item.path, "is not what the manifest says", where, "source-differs", Blame.OURS)
            raise refusals.damaged(item.path, self.target, found[item.path], str(item.sha256), Blame.HOST)

    # -- the files here

    def _member(self, item: Item) -> Member:
        with self._opened(item.path) as descriptor:
            facts = os.fstat(descriptor)
        if facts.st_size != item.size:
            where = str(self.source / item.path)
            raise refusals.source(item.path, "is not what the manifest says", where, "source-differs", Blame.OURS)
        return Member(item.path, item.size, facts.st_mtime_ns, facts.st_mode & 0o777)

    def _read(self, member: Member, offset: int) -> Iterator[bytes]:
        """Exactly as many bytes as its size says. Raises MqiError for a file that shrank."""
        with self._opened(member.path) as descriptor:
            while offset < member.size:
                block = os.pread(descriptor, min(CHUNK, member.size - offset), offset)
                if not block:
                    where = str(self.source / member.path)
                    raise refusals.source(member.path, "shrank", where, "source-differs", Blame.OURS)
                offset += len(block)
                yield block

    def _hash(self, item: Item) -> str:
        digest = hashlib.sha256()
        for block in self._read(Member(item.path, item.size, 0, 0), 0):
            digest.update(block)
        return digest.hexdigest()

    def _opened(self, path: str) -> _Opened:
        return _Opened(self.source, path)


class _Opened:
    """A file below the source, open; its troubles in words."""

    def __init__(self, source: Path, path: str) -> None:
        self._source = source
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> int:
        where = str(self._source / self._path)
        try:
            with opened_folder(self._source) as folder, opened_file(folder, self._path) as descriptor:
                self._descriptor = os.dup(descriptor)
        except FileNotFoundError as error:
            raise refusals.source(self._path, "is missing", where, "source-missing", Blame.OURS) from error
        except OSError as error:
            why = f"cannot be read ({error})"
            raise refusals.source(self._path, why, where, "source-unreadable", Blame.OURS) from error
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


@dataclass(frozen=True, slots=True)
class _Load:
    """How the files of a move travel."""

    members: tuple[Member, ...]
    big: tuple[tuple[str, Member], ...]
    """Name far away, and file."""
    packed: Pack | None

    @classmethod
    def of(cls, members: Sequence[Member]) -> _Load:
        big = tuple((f"big-{number}", member) for number, member in enumerate(members) if member.size >= BIG)
        small = [member for member in members if member.size < BIG]
        return cls(tuple(members), big, pack(small) if small else None)

    @property
    def streams(self) -> tuple[tuple[str, int], ...]:
        """Name and size of each file that is gathered far away."""
        packed = ((self.packed.name, self.packed.size),) if self.packed else ()
        return (*((name, member.size) for name, member in self.big), *packed)

    def carrier(self, path: str) -> str:
        """Name of the stream that holds a file."""
        for name, member in self.big:
            if member.path == path:
                return name
        assert self.packed is not None
        return self.packed.name


def _gathered(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Small blocks joined: each one sent costs a packet."""
    joined = bytearray()
    for block in stream:
        joined += block
        if len(joined) >= CHUNK:
            yield bytes(joined)
            joined.clear()
    if joined:
        yield bytes(joined)


def far_hashes(route: Route, folder: str, members: Sequence[Member]) -> dict[str, str]:
    """SHA-256 by path; where the host has no tool for it, the files are read back and hashed here."""
    if not members:
        return {}
    found = route.hashes(folder, members)
    return found if found is not None else read_back(route, folder, members)


def read_back(route: Route, folder: str, members: Sequence[Member]) -> dict[str, str]:
    """Raises MqiError for files that are not what they were."""
    digests = [hashlib.sha256() for _ in members]
    try:
        for index, block in route.read(folder, [(member, 0) for member in members]):
            digests[index].update(block)
    except UnclearError as error:
        where = folder
        raise refusals.source("A file", f"changed meanwhile ({error})", where, "source-differs", Blame.HOST) from error
    return {member.path: digest.hexdigest() for member, digest in zip(members, digests, strict=True)}
