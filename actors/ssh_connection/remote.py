"""Calls of the functions in host.sh over a link, and what their answers say."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from actors.jobs import Lock, Look, Started, Verdict, decide, parse_started
from actors.jobs.host_shell import host_functions
from actors.ssh_connection.link import Link
from messages.jobs import Observation

ANSWER_WITHIN_S = 30.0
_Lines = tuple[tuple[str, str], ...]
_PID = re.compile(r"[0-9]{1,9}")
_LOCKS = {lock.value: lock for lock in Lock}


@cache
def watch_loop() -> str:
    """The text of watch.sh."""
    return resources.files(__package__).joinpath("watch.sh").read_text("utf-8")


def prelude(workspace: str, boot_id: str, mount: str = "") -> str:
    """What stands before every script: where it works, and the functions."""
    known = f"mqi_ws={shlex.quote(workspace)} mqi_boot={shlex.quote(boot_id)} mqi_mount={shlex.quote(mount)}"
    return f"{known}\n{host_functions()}"


@dataclass(frozen=True, slots=True)
class Remote:
    """One host as it is over one link: calls block, and raise LinkError when the link fails."""

    link: Link
    workspace: str
    boot_id: str = ""
    cancelled: Callable[[], bool] = field(default=lambda: False)
    mount: str = ""
    """Where the disk of the workspace ought to be mounted there; empty: not known."""

    @property
    def prelude(self) -> str:
        """What stands before every script."""
        return prelude(self.workspace, self.boot_id, self.mount)

    def call(self, function: str, *words: str, timeout_s: float = ANSWER_WITHIN_S, before: str = "") -> _Lines:
        """(first word, the rest) of every line of the answer. No word is ever evaluated."""
        script = f"{before}\n{function} {' '.join(map(shlex.quote, words))}"
        return lines_of(self.link.run(script, timeout_s=timeout_s, cancel=self.cancelled, prelude=self.prelude).text)

    def look(self, run_dir: str, key: str, *, everybody: bool = False) -> Facts:
        """At a run as a whole; ``everybody``: also who lives of it, whatever else is found."""
        return facts_of(self.call("facts", run_dir, *(["all"] if everybody else [])), key, self.boot_id)


def lines_of(text: str) -> _Lines:
    """Split an answer. Pure."""
    pairs = (line.partition(" ") for line in text.split("\n") if line)
    return tuple((word, rest) for word, _, rest in pairs)


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at a run directory far away."""

    verdict: Verdict
    started: Started | None
    wrapper: int | None
    """Pid of the wrapper, if it lives."""
    left: tuple[int, ...] | None
    """Living processes of the run; None: not asked."""
    folder: bool
    """There is a run directory, though without a claim."""

    @property
    def gone(self) -> bool:
        """Proof that nobody of the run is left. exit.json is written only then; without it the processes were asked."""
        if self.verdict.observation is Observation.ENDED:
            return self.verdict.released
        killed = self.verdict.observation is Observation.KILLED and self.verdict.released
        return killed and self.left == ()


def facts_of(lines: Iterable[tuple[str, str]], key: str, boot_id: str) -> Facts:
    """What ``facts`` answered, judged as on any host. An answer that lacks its claim line knows nothing. Pure."""
    said = dict(lines)
    started = parse_started(said.get("started", ""))
    wrapper = _number(said.get("wrapper", ""))
    left = _numbers(said.get("left"))
    claim = said.get("claim", "unknown")
    alive = None
    if started is not None and not started.locks and started.boot_id == boot_id and left is not None:
        alive = bool(wrapper or left)
    look = Look(
        key,
        claimed=claim != "absent",
        lock=_LOCKS.get(said.get("lock", ""), Lock.UNKNOWN) if claim == "made" else Lock.UNKNOWN,
        started=started,
        exit_text=said.get("exit"),
        boot_id=boot_id,
        void="void" in said,
        alive=alive,
    )
    return Facts(decide(look), started, wrapper, left, "folder" in said)


def _number(text: str) -> int | None:
    return int(text) if _PID.fullmatch(text) else None


def _numbers(text: str | None) -> tuple[int, ...] | None:
    """None also where a word is no number: who lives is then not known."""
    found = tuple(_number(word) for word in text.split()) if text is not None else (None,)
    return None if None in found else tuple(number for number in found if number is not None)
