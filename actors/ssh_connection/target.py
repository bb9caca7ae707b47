"""Where an SSH host is and how it is to be entered, as the settings say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 22


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step of a connection may take, in s."""

    connect_s: float = 10.0
    banner_s: float = 15.0
    """From the open port to the server's first line and the agreed keys."""
    login_s: float = 30.0
    session_s: float = 15.0
    """Until an open connection grants a session."""
    keepalive_s: float = 15.0
    silence_s: float = 20.0
    """A connection on which a heartbeat is due and nothing came for so long is lost."""


@dataclass(frozen=True, slots=True)
class Target:
    """One host. What is left empty here is looked up in ``~/.ssh/config``, then has OpenSSH's default."""

    host: str
    """Name in the settings; every sentence about the host uses it."""
    address: str
    """Name, address, or an alias of ~/.ssh/config."""
    port: int | None = None
    user: str = ""
    key_file: Path | None = None
    """The only key that is offered, if it is named here."""
    known_hosts: Path | None = None
    """The only file of host keys that is trusted, if it is named here."""
    config: Path | None = None
    """None: ``~/.ssh/config``."""
    patience: Patience = Patience()

    @classmethod
    def of(
        cls,
        *,
        name: str,
        address: str,
        port: int = DEFAULT_PORT,
        user: str = "",
        key_file: Path | None = None,
        known_hosts: Path | None = None,
    ) -> Target:
        """From the fields of a host's settings. The default port leaves the word to ``~/.ssh/config``."""
        return cls(name, address, None if port == DEFAULT_PORT else port, user, key_file, known_hosts)
