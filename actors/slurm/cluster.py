"""Calls of the functions in cluster.sh through the shell, and what their answers say."""

from __future__ import annotations

import base64
import binascii
import itertools
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from actors.errors import MqiError
from actors.jobs.host_shell import host_functions
from actors.slurm.shell import Shell, ShellError

SLURM_WITHIN_S = 20
"""One Slurm command may take so long; its own message timeout (10 s by default) comes first."""
ANSWER_WITHIN_S = 60.0

Lines = tuple[tuple[str, str], ...]


@cache
def _cluster_functions() -> str:
    return resources.files(__package__).joinpath("cluster.sh").read_text("utf-8")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster as it is seen through one shell: calls block, and raise ShellError when the shell fails."""

    shell: Shell
    workspace: str
    cancelled: Callable[[], bool] = field(default=lambda: False)
    mount: str = ""
    """Where the disk of the workspace ought to be mounted; empty: not known."""

    def call(self, function: str, *words: str, timeout_s: float = ANSWER_WITHIN_S) -> Lines:
        """(first word, the rest) of every line of the answer. No word is ever evaluated."""
        return self.script(f"{function} {' '.join(map(shlex.quote, words))}", timeout_s)

    def script(self, text: str, timeout_s: float = ANSWER_WITHIN_S) -> Lines:
        """The same for several calls, quoted already."""
        where = f"mqi_ws={shlex.quote(self.workspace)} mqi_mount={shlex.quote(self.mount)}"
        known = f"{where} mqi_boot= mqi_patience={SLURM_WITHIN_S}"
        prelude = f"{known}\n{host_functions()}\n{_cluster_functions()}"
        try:
            answer = self.shell.run(text, timeout_s=timeout_s, cancel=self.cancelled, prelude=prelude)
        except MqiError as error:
            raise ShellError(error.fault) from error
        return lines_of(answer.text)


def lines_of(text: str) -> Lines:
    """Split an answer. Pure."""
    pairs = (line.partition(" ") for line in text.split("\n") if line)
    return tuple((word, rest) for word, _, rest in pairs)


def runs_of(lines: Lines) -> Iterator[tuple[int, Lines]]:
    """The part of every run in an answer: its number, and its lines. Pure."""
    number, part = -1, list[tuple[str, str]]()
    for word, rest in lines:
        if word == "run" and rest.isdecimal():
            if number >= 0:
                yield number, tuple(part)
            number, part = int(rest), []
        elif number >= 0:
            part.append((word, rest))
    if number >= 0:
        yield number, tuple(part)


def facts_of(lines: Lines) -> dict[str, str]:
    """What its files say of a run: the lines before its log, of which a line may read as any word does. Pure."""
    return dict(itertools.takewhile(lambda line: line[0] != "log", lines))


def log_of(lines: Lines) -> tuple[int, bytes] | None:
    """The new text of a run's log among its lines: where it begins, and what it says. None: nothing new. Pure."""
    words = [at for at, (word, _) in enumerate(lines) if word == "log"]
    if not words:
        return None
    at = words[0]
    start = lines[at][1].split()[-1]
    text = "".join(word for word, _ in lines[at + 1 :] if word != ".")
    try:
        return int(start), base64.b64decode(text)
    except (binascii.Error, ValueError):
        return None
