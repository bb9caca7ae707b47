"""Functions for a POSIX shell on any host: what every kind of control sends before its own scripts."""

from __future__ import annotations

from functools import cache
from importlib import resources


@cache
def host_functions() -> str:
    """The text of host.sh. It wants ``mqi_ws``, ``mqi_boot`` and ``mqi_mount`` set before."""
    return resources.files(__package__).joinpath("host.sh").read_text("utf-8")
