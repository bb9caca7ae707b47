"""``top``: the overview in a terminal, live, with the daemon up or down."""

from actors.cli.top.terminal import run_top

__all__ = ["run_top"]
