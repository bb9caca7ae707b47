"""What a move needs of its way to the host: scripts with a verdict, and streams that notice when nothing moves."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from actors.errors import MqiError
from actors.jobs.lane import Stopped
from actors.ssh_connection import refusals, scripts, troubles
from actors.ssh_connection.answers import UnclearError, parse_hashes, split
from actors.ssh_connection.channel import Channel
from actors.ssh_connection.link import Link
from actors.ssh_connection.outcome import Outcome
from actors.ssh_connection.packing import Member

CHUNK = 1 << 20
"""Bytes read and sent in one go; what a cut costs at most."""
LITTLE = 1 << 17
"""So much goes along with a question or an answer: another session would cost a login's start-up files."""
_SENT_AT_ONCE = 1 << 18
_ON_THE_WAY = 1 << 19
"""Bytes that may be sent and not taken yet. With what lies in pipes it is less than a chunk, all that a cut can cost;
still enough to fill a gigabit over several milliseconds."""
_SLOWEST_BYTES_S = 10e6
"""Of a disk that hashes or unpacks."""
_END_S = 10.0
"""For the exit code of a script whose output has ended."""


@dataclass
class Tally:
    """How far a move has come, over all its tries."""

    landed: int = 0
    """Bytes that are known to lie at their destination, the most ever seen."""
    moved: int = 0
    """Bytes sent or received in all tries."""
    size: int = 0
    """Bytes of the whole move."""
    news: Callable[[int, int], None] = lambda _place, _size: None
    """Is told how far it is, and the size, whenever something moved."""
    _place: int = 0

    def begin(self, landed: int, size: int) -> None:
        """A try goes on from here."""
        self.seen(landed)
        self._place, self.size = landed, size

    def seen(self, landed: int) -> None:
        self.landed = max(self.landed, landed)

    def took(self, size: int) -> None:
        """So many bytes were sent or received."""
        self.moved += size
        self._place += size
        self.news(min(self._place, self.size), self.size)


@dataclass(frozen=True, slots=True)
class Route:
    """One try of one move over one link."""

    link: Link
    workspace: str
    stopped: Callable[[], bool]
    tally: Tally = field(default_factory=Tally)

    @property
    def host(self) -> str:
        return self.link.target.host

    @property
    def silence_s(self) -> float:
        return self.link.target.patience.silence_s

    def check_stop(self) -> None:
        if self.stopped():
            raise Stopped

    def run(self, script: str, size: int = 0) -> Outcome:
        """A script that handles so many bytes at most."""
        self.check_stop()
        patience = self.link.target.patience
        limit = patience.silence_s + patience.session_s + size / _SLOWEST_BYTES_S
        return self.link.run(script, timeout_s=limit, cancel=self.stopped)

    def ask(self, script: str, where: str, size: int = 0) -> bytes:
        """What the script says. Raises MqiError when it fails."""
        outcome = self.run(script, size)
        if outcome.exit_code != 0:
            raise refusals.of_script(self.host, self.workspace, where, outcome.exit_code, outcome.stderr)
        return outcome.stdout

    def hashes(self, folder: str, members: Sequence[Member]) -> dict[str, str] | None:
        """SHA-256 by path as the host finds them; None when it cannot tell of every file."""
        size = sum(member.size for member in members)
        return parse_hashes(self.run(scripts.hashes(folder, members), size).stdout, members)

    def read(self, folder: str, wanted: Sequence[tuple[Member, int]]) -> Iterator[tuple[int, bytes]]:
        """Index and bytes of files from their offsets on. Raises UnclearError when they are longer or shorter."""
        sizes = [member.size - offset for member, offset in wanted]
        script = scripts.send(folder, wanted)
        if sum(sizes) <= LITTLE:
            yield from split(sizes, self._said(script))
            return
        with self.opened(script) as channel:
            yield from split(sizes, self._blocks(channel, sum(sizes)))

    def read_and_hash(
        self, folder: str, wanted: Sequence[tuple[Member, int]], members: Sequence[Member], hashes: bytearray
    ) -> Iterator[tuple[int, bytes]]:
        """The same; ``hashes`` takes what the host found meanwhile of ``members``, for ``parse_hashes``."""
        sizes = [member.size - offset for member, offset in wanted]
        with self.opened(scripts.send_and_hash(folder, wanted, members)) as channel:
            blocks = self._blocks(channel, sum(sizes), sum(member.size for member in members))
            yield from split(sizes, blocks, hashes)

    def _said(self, script: str) -> Iterator[bytes]:
        content = self.run(script, LITTLE).stdout
        self.tally.took(len(content))
        yield content

    @contextlib.contextmanager
    def opened(self, script: str) -> Iterator[Channel]:
        self.check_stop()
        channel = self.link.channel(script, cancel=self.stopped, waiting=True)
        self.link.prepare(1)  # for what is asked after the stream
        try:
            yield channel
        finally:
            channel.close()

    def _blocks(self, channel: Channel, size: int, hashed: int = 0) -> Iterator[bytes]:
        """All that comes; after ``size`` bytes the host may have to go over so many before it says more."""
        channel.in_bulk()
        while (block := channel.read(CHUNK, self.silence_s + (0 if size > 0 else hashed / _SLOWEST_BYTES_S))) != b"":
            if block is None:
                raise self.silent()
            self.check_stop()
            self.tally.took(len(block))
            size -= len(block)
            yield block

    def pour(self, script: str, blocks: Iterable[bytes], where: str, size: int = 0) -> bytes:
        """Send everything to the script's input; its answer. Raises MqiError when it fails.

        ``size``: bytes that the script may go over once more when all has come.
        """
        with self.opened(script) as channel:
            try:
                with _Watch(self, channel) as watch:
                    for block in blocks:
                        self._send(channel, block, watch)
                channel.end_input()
                answer = self.answer(channel, size)
                code = channel.exit_code(_END_S)
                if code is None:
                    raise self.link.broken("the script's end was not told")
            except troubles.LinkError as error:
                if channel.open:  # it is not the script that ended, but the link that stalls
                    raise self.silent() from error
                raise self._ended(channel, where) or error from error
            if code:
                raise refusals.of_script(self.host, self.workspace, where, code, channel.errors)
            return answer

    def _send(self, channel: Channel, block: bytes, watch: _Watch) -> None:
        view = memoryview(block)
        for at in range(0, len(view), _SENT_AT_ONCE):
            channel.settle(_ON_THE_WAY, self.silence_s)
            channel.write(view[at : at + _SENT_AT_ONCE], self.silence_s)
            watch.beat()
        self.tally.took(len(view))
        self.check_stop()

    def answer(self, channel: Channel, size: int = 0) -> bytes:
        """All that a script says; silence counts from when the host last took something.

        ``size``: bytes that the script handles before it says anything.
        """
        limit = self.silence_s + size / _SLOWEST_BYTES_S
        answer, granted, last = b"", channel.granted, time.monotonic()
        while (block := channel.read(CHUNK, 0.25)) != b"":
            self.check_stop()
            now = time.monotonic()
            if block or channel.granted != granted:
                answer, granted, last = answer + (block or b""), channel.granted, now
            elif now - last > limit:
                raise self.silent()
        return answer

    def _ended(self, channel: Channel, where: str) -> MqiError | None:
        """The fault of a script that ended badly; None when it ended well, or the link is lost."""
        code = channel.exit_code(_END_S) if self.link.alive else None
        if code in (None, 0):
            return None
        return refusals.of_script(self.host, self.workspace, where, code, channel.errors)

    def silent(self) -> MqiError:
        """The fault for a link on which nothing moves; it is given up."""
        self.link.cut()
        return troubles.lost(self.host, f"nothing moved for {self.silence_s:g} s")


class _Watch:
    """Cuts a link on which sending blocks for too long: nothing else wakes a sender whose packets are not taken."""

    def __init__(self, route: Route, channel: Channel) -> None:
        self._route = route
        self._channel = channel
        self._beats = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch {route.host}", daemon=True)
        self._fault: MqiError | None = None

    def beat(self) -> None:
        """Something was sent."""
        self._beats += 1

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._thread.join()
        if self._fault is not None:
            raise self._fault from error

    def _run(self) -> None:
        seen = (-1, -1)
        while not self._over.wait(self._route.silence_s):
            now = (self._beats, self._channel.granted)
            if now == seen:
                self._fault = self._route.silent()
                return
            seen = now


def unclear(route: Route, where: str, error: UnclearError) -> MqiError:
    """The host's answer makes no sense."""
    return troubles.lost(route.host, f"its answer about {where} is not to be understood: {error}")
