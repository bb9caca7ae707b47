"""The watch of all runs of a host over one channel, which costs the host no process while nothing happens.

A loop on the host (watch.sh) answers ticks: only what is new crosses the link. After a cut the next channel goes on
from the offsets reached. A tick that is not answered in time means that the link is lost, though nobody closed it.
"""

from __future__ import annotations

import base64
import binascii
import itertools
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from actors.crash_points import effect, point
from actors.jobs import Verdict
from actors.jobs.following import Follower
from actors.ssh_connection import troubles
from actors.ssh_connection.answers import UnclearError
from actors.ssh_connection.link import Channel
from actors.ssh_connection.remote import Facts, Remote, facts_of, lines_of, watch_loop
from messages.address import Mailbox
from messages.jobs import JobObserved, Observation, UnwatchJob, WatchJob

BEGINS_WITHIN_S = 10.0
"""A claim that is neither locked nor begun for so long is voided: a stalled wrapper then never begins."""
_YOUNG_S = 2.0
_YOUNG_TICK_S, _TICK_S, _HEARTBEAT_S = 0.025, 0.15, 5.0
_LOGS_S = 0.3
_FULL_LOOK_S = 5.0
"""A run whose wrapper is known to live is looked at as a whole so often, and whenever its wrapper ends."""
_OFTEN_S, _SELDOM_S = 0.1, 0.5
_NUMBER = re.compile(r"[0-9]{1,18}")
_LONGEST_ANSWER = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Observed:
    """From the watch to its actor: news for whoever watches."""

    reply_to: Mailbox
    news: JobObserved


class Run:
    """One watched run: what was told of it, and how far its log is known."""

    def __init__(self, order: WatchJob, number: int, now: float) -> None:
        self.order = order
        self.number = number
        self.since = now
        self.full_look_due = now
        self.facts: Facts | None = None
        self.told: tuple[Observation, bool] | None = None
        self.log = Follower(order.offset)

    @property
    def verdict(self) -> Verdict | None:
        return self.facts.verdict if self.facts else None

    @property
    def over(self) -> bool:
        """Its end was told with proof: nothing more will come."""
        return self.told is not None and self.told[1]

    def begin_again(self) -> None:
        """There is a new channel: what was not told is sent anew."""
        self.log.begin_again()
        self.full_look_due = 0.0

    def news(self, data: bytes, start: int) -> JobObserved | None:
        """What is to be told after a look; ``data`` is new text of the log from byte ``start``, or empty."""
        if self.facts is None:
            return None
        gone = self.facts.gone
        text = self.log.take(data, start, ended=gone)
        standing = (self.facts.verdict.observation, gone)
        if standing == self.told and not text:
            return None
        self.told = standing
        verdict = self.facts.verdict
        return JobObserved(
            self.order.key,
            verdict.observation,
            text,
            self.log.offset,
            verdict.exit,
            group_gone=gone,
            evidence=verdict.evidence,
        )

    def lost(self, why: str) -> JobObserved:
        """Nothing can be told now."""
        self.told = None
        self.begin_again()
        return JobObserved(self.order.key, Observation.UNKNOWN, "", self.log.offset, evidence=why)

    def pause_s(self, now: float) -> float:
        """Until it is looked at as a whole again, whatever the host tells by itself."""
        if self.facts is None or self.facts.wrapper is not None:
            return _FULL_LOOK_S
        if now - self.since < _YOUNG_S and self.facts.verdict.observation is not Observation.KILLED:
            return _YOUNG_TICK_S
        return _OFTEN_S if self.facts.verdict.observation is Observation.RUNNING else _SELDOM_S


class Watch:
    """The runs that are watched, whatever becomes of the link. Orders come from any thread, ``loop`` runs in one."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[WatchJob | UnwatchJob] = queue.SimpleQueue()
        self._bell = threading.Event()
        self._numbers = itertools.count(1)
        self._runs: dict[str, Run] = {}
        self._logs_due = 0.0

    def order(self, order: WatchJob | UnwatchJob) -> None:
        """Watch a run (in place of a former order for it), or watch it no more."""
        self._orders.put(order)
        self.ring()

    def ring(self) -> None:
        """Wake the loop: there is an order, or it is to end."""
        self._bell.set()

    def lost(self, why: str) -> tuple[Observed, ...]:
        """The link is gone, and no loop runs: what each watcher is told."""
        self._take_orders(time.monotonic())
        return tuple(Observed(run.order.reply_to, run.lost(why)) for run in self._runs.values())

    def loop(self, remote: Remote, tell: Callable[[Observed], None], ended: Callable[[], bool]) -> None:
        """Until ``ended``. Raises LinkError when the link is lost, or nothing was heard for too long."""
        script = f"{remote.prelude}\n{watch_loop()}"
        with effect("watch.open"):
            channel = remote.link.channel(script, timeout_s=remote.link.target.patience.session_s, cancel=ended)
        try:
            talk = _Talk(channel, remote, ended)
            for run in self._runs.values():
                run.begin_again()
            orders = [_watch_line(run) for run in self._runs.values()]
            while not ended():
                self._bell.clear()
                now = time.monotonic()
                orders += self._take_orders(now)
                orders += self._due(now)
                answer = talk.tick("".join(orders), logs=self._logs(now))
                try:
                    orders = self._take(answer, remote.boot_id, tell)
                except UnclearError as error:
                    raise troubles.lost(remote.link.target.host, f"its answer is not understood: {error}") from error
                self._bell.wait(self._pause_s(time.monotonic()))
        finally:
            channel.close()

    # -- orders

    def _take_orders(self, now: float) -> list[str]:
        lines: list[str] = []
        while True:
            try:
                order = self._orders.get_nowait()
            except queue.Empty:
                return lines
            former = self._runs.pop(order.key, None)
            if former is not None:
                lines.append(f"u {former.number}\n")
            if isinstance(order, WatchJob) and "\n" not in order.run_dir:
                run = self._runs[order.key] = Run(order, next(self._numbers), now)
                lines.append(_watch_line(run))

    def _due(self, now: float) -> Iterator[str]:
        """Runs that are to be looked at as a whole."""
        for run in self._runs.values():
            if now < run.full_look_due:
                continue
            run.full_look_due = now + run.pause_s(now)
            if run.verdict is not None and run.verdict.unbegun and now - run.since > BEGINS_WITHIN_S:
                yield f"v {run.number}\n"
            yield f"f {run.number}\n"

    def _logs(self, now: float) -> bool:
        if now < self._logs_due:
            return False
        self._logs_due = now + _LOGS_S
        return bool(self._runs)

    def _pause_s(self, now: float) -> float:
        if not self._runs:
            return _HEARTBEAT_S
        return _YOUNG_TICK_S if any(now - run.since < _YOUNG_S for run in self._runs.values()) else _TICK_S

    # -- answers

    def _take(self, answer: bytes, boot_id: str, tell: Callable[[Observed], None]) -> list[str]:
        """Tell what is new; lines for the host that follow from it."""
        if not answer:
            return []
        by_number = {run.number: run for run in self._runs.values()}
        logs: dict[int, tuple[int, bytes]] = {}
        touched: dict[int, None] = {}
        for number, lines in _sections(answer):
            run = by_number.get(number)
            if run is None:
                continue
            touched[number] = None
            if lines[0][0] == "log":
                logs[number] = (_word(lines[0], 1), _decoded(lines[1:]))
            else:
                run.facts = facts_of(lines[1:], run.order.key, boot_id)
                run.full_look_due = min(run.full_look_due, time.monotonic() + run.pause_s(time.monotonic()))
        return [line for number in touched for line in self._tell(by_number[number], logs.get(number), tell)]

    def _tell(self, run: Run, log: tuple[int, bytes] | None, tell: Callable[[Observed], None]) -> Iterator[str]:
        start, data = log or (run.log.seen, b"")
        news = run.news(data, start)
        if news is not None:
            point("watch.told")
            tell(Observed(run.order.reply_to, news))
        if run.over:
            self._runs.pop(run.order.key, None)
            yield f"u {run.number}\n"
        elif data:
            yield f"o {run.number} {run.log.seen}\n"


class _Talk:
    """Ticks and their answers on one channel."""

    def __init__(self, channel: Channel, remote: Remote, ended: Callable[[], bool]) -> None:
        self._channel = channel
        self._remote = remote
        self._ended = ended
        self._silence_s = remote.link.target.patience.silence_s

    def tick(self, orders: str, *, logs: bool) -> bytes:
        """The answer without its last line; empty when nothing is new."""
        text = f"{orders}{'T' if logs else 't'}\n".encode("utf-8", "surrogateescape")
        self._channel.write(text, self._silence_s)
        answer = bytearray()
        deadline = time.monotonic() + self._silence_s
        while not (answer == b";\n" or answer.endswith(b"\n;\n")):
            if time.monotonic() > deadline or len(answer) > _LONGEST_ANSWER:
                raise troubles.lost(self._remote.link.target.host, f"nothing was heard for {self._silence_s:g} s")
            block = self._channel.read(65536, 0.5)
            if block == b"" or self._ended():
                raise troubles.lost(self._remote.link.target.host, "the watch on the host ended")
            answer += block or b""
        return bytes(answer[:-2])


def _watch_line(run: Run) -> str:
    return f"w {run.number} {run.log.seen} {PurePosixPath(run.order.run_dir)}/\n"


def _sections(answer: bytes) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Parts of an answer: the number of the run, and the lines from the first of the part on. Raises UnclearError."""
    section: list[tuple[str, str]] = []
    for word, rest in lines_of(answer.decode("utf-8", "surrogateescape")):
        if word in ("run", "log") and rest:
            if section:
                yield _word(section[0], 0), section
            section = []
        section.append((word, rest))
    if section:
        yield _word(section[0], 0), section


def _word(line: tuple[str, str], place: int) -> int:
    """A number in the first line of a part. Raises UnclearError."""
    words = line[1].split()
    if line[0] not in ("run", "log") or place >= len(words) or not _NUMBER.fullmatch(words[place]):
        raise UnclearError(repr(" ".join(line)[:80]))
    return int(words[place])


def _decoded(lines: list[tuple[str, str]]) -> bytes:
    try:
        return base64.b64decode("".join(word for word, _ in lines if word != "."))
    except (binascii.Error, ValueError):
        return b""
