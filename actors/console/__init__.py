"""The console: how commands reach the running daemon, over a unix socket that only its own user can open."""

from actors.console.actor import Console
from actors.console.sockets import control_socket

__all__ = ["Console", "control_socket"]
