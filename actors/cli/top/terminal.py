"""The loop of ``top``: draw, wait for a key or for time to pass, and leave the terminal as it was."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.live import Live

from actors.cli.commands import say
from actors.cli.site import Site
from actors.cli.top.screen import screen
from actors.cli.top.source import Source

PERIOD_S = 1.0
_QUIT = frozenset({"q", "Q", "\x03", "\x04", "\x1b"})
_ESCAPE_BYTES = 32
_PIPE_COLUMNS, _PIPE_LINES = 140, 500


def run_top(conf: Path | None, *, as_json: bool) -> None:
    """Until q, Ctrl-C or the end of the input; where there is no terminal, once."""
    source = Source(Site(conf, os.environ))
    if as_json:
        say(dict(source.overview()), "", as_json=True)
        return
    console = Console()
    if not (console.is_terminal and sys.stdin.isatty()):
        console = Console(width=max(console.width, _PIPE_COLUMNS))
        console.print(screen(source.overview(), console.width, _PIPE_LINES))
        return
    with _keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(screen(source.overview(), console.width, console.height), refresh=True)
            if keys.quits(PERIOD_S):
                return


class _Keys:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def quits(self, within_s: float) -> bool:
        """Wait so long for a key; True if it asks for the end, or none will ever come."""
        try:
            ready, _, _ = select.select([self._descriptor], [], [], within_s)
        except KeyboardInterrupt:
            return True
        if not ready:
            return False
        typed = os.read(self._descriptor, _ESCAPE_BYTES).decode("utf-8", "replace")
        return not typed or typed in _QUIT  # an arrow key begins like Escape, and is longer


@contextmanager
def _keys() -> Iterator[_Keys]:
    """Keys as they are pressed, unseen; the terminal is put back as it was, whatever happens."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield _Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
