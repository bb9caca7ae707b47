"""The way to a host: settings first, then ``~/.ssh/config``, then OpenSSH's defaults.

Honoured: Host and Match blocks, Include, HostName, Port, User, IdentityFile, IdentitiesOnly, ProxyJump, HostKeyAlias,
UserKnownHostsFile. ProxyCommand is refused by name: it would run a program of this machine.
"""

from __future__ import annotations

import getpass
import glob
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paramiko import ConfigParseError, SSHConfig, SSHException

from actors.errors import MqiError
from actors.ssh_connection.target import DEFAULT_PORT, Target
from actors.ssh_connection.troubles import config_unusable

_MOST_JUMPS = 8
_INCLUDE = re.compile(r"^\s*include(?:\s*=\s*|\s+)(?P<files>.+?)\s*$", re.IGNORECASE)
_BLOCK = re.compile(r"^\s*(?:host|match)(?:\s*=\s*|\s+)", re.IGNORECASE)
_HOP = re.compile(r"(?:(?P<user>[^@]+)@)?(?:\[(?P<six>[^\]]+)\]|(?P<name>[^:]+|[0-9a-fA-F:]{3,}))(?::(?P<port>\d+))?\Z")
DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, slots=True)
class Hop:
    """One server on the way; the last one is the host itself."""

    address: str
    port: int
    user: str
    key_files: tuple[Path, ...]
    """To be offered. Those that OpenSSH would try by default need not exist."""
    keys_only: bool
    """Keys of the agent are offered only if they belong to one of the files."""
    keys_required: bool
    """The files were named by somebody: one that is missing is an error."""
    known_hosts: tuple[Path, ...]
    key_alias: str = ""
    """Name under which the host's key is known, if not by address and port."""

    @property
    def known_as(self) -> str:
        """As known_hosts names it."""
        name = self.key_alias or self.address
        return name if self.key_alias or self.port == DEFAULT_PORT else f"[{name}]:{self.port}"


def route(target: Target, home: Path | None = None) -> tuple[Hop, ...]:
    """The hops to the host, itself last. Reads the configuration file. Raises MqiError (``ssh-config-unusable``)."""
    home = home or Path.home()
    path = target.config or home / ".ssh" / "config"
    try:
        return _Lookup(target, home, SSHConfig.from_text(_text(path, home))).hops()
    except (ConfigParseError, SSHException, UnicodeDecodeError, OSError, ValueError) as error:
        raise config_unusable(target.host, str(path), f"cannot be understood ({error})", "Correct the file.") from error


class _Lookup:
    def __init__(self, target: Target, home: Path, config: SSHConfig) -> None:
        self._target, self._home, self._config = target, home, config

    def hops(self) -> tuple[Hop, ...]:
        target = self._target
        options = self._config.lookup(target.address)
        last = self._hop(options, target.user, target.port, target.key_file)
        return (*self._jumps(options, depth=0), last)

    def _jumps(self, options: Mapping[str, object], depth: int) -> tuple[Hop, ...]:
        """The hops before one; the first of them may have hops of its own."""
        jump = str(options.get("proxyjump", "none"))
        if jump.lower() == "none":
            self._refuse_command(options)
            return ()
        if depth >= _MOST_JUMPS:
            raise self._unusable(f"ProxyJump {jump!r} goes round in circles", "Name a first server that needs no jump.")
        found: list[Hop] = []
        for text in jump.split(","):
            parts = _HOP.match(text.strip().removeprefix("ssh://"))
            if parts is None:
                raise self._unusable(f"ProxyJump {jump!r} is not understood", "Write it as [user@]host[:port].")
            name = parts["six"] or parts["name"]
            hop_options = self._config.lookup(name)
            if not found and hop_options.get("proxyjump") != name:  # "Host *" names it for itself, too
                found += self._jumps(hop_options, depth + 1)
            port = int(parts["port"]) if parts["port"] else None
            found.append(self._hop(hop_options, parts["user"] or "", port, None))
        return tuple(found)

    def _hop(self, options: Mapping[str, object], user: str, port: int | None, key_file: Path | None) -> Hop:
        named = (key_file,) if key_file else tuple(map(Path, _words(options.get("identityfile", ()))))
        if not named and self._target.key_file:
            named = (self._target.key_file,)  # a server on the way, of which nothing is said, is entered like the host
        return Hop(
            address=str(options["hostname"]),
            port=port or int(str(options.get("port", DEFAULT_PORT))),
            user=user or str(options.get("user", "")) or getpass.getuser(),
            key_files=named or tuple(self._home / ".ssh" / name for name in DEFAULT_KEYS),
            keys_only=key_file is not None or str(options.get("identitiesonly", "no")).lower() == "yes",
            keys_required=bool(named),
            known_hosts=self._known_hosts(options),
            key_alias=str(options.get("hostkeyalias", "")),
        )

    def _known_hosts(self, options: Mapping[str, object]) -> tuple[Path, ...]:
        if self._target.known_hosts:
            return (self._target.known_hosts,)
        text = str(options.get("userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2"))
        values = {"%d": str(self._home), "%h": str(options["hostname"]), "%%": "%"}
        words = (re.sub(r"%[dh%]", lambda found: values[found[0]], word.strip('"')) for word in text.split())
        return tuple(_below_home(word, self._home) for word in words)

    def _refuse_command(self, options: Mapping[str, object]) -> None:
        command = str(options.get("proxycommand") or "none")
        if command.lower() != "none":
            remedy = "Use ProxyJump, or a name that can be reached directly."
            raise self._unusable(f"ProxyCommand {command!r} is not supported", remedy)

    def _unusable(self, why: str, remedy: str) -> MqiError:
        path = self._target.config or self._home / ".ssh" / "config"
        return config_unusable(self._target.host, str(path), why, remedy)


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple):
        return tuple(map(str, value))
    return (str(value),)


def _below_home(word: str, home: Path) -> Path:
    return home / word[2:] if word.startswith("~/") else home / ".ssh" / word


def _text(path: Path, home: Path, depth: int = 0) -> str:
    """The file with its Include lines replaced by the files they name; a missing file is empty."""
    if depth > _MOST_JUMPS or not path.is_file():
        return ""
    lines: list[str] = []
    block = "Host *"
    for line in path.read_text("utf-8").splitlines():
        if found := _INCLUDE.match(line):
            for word in found["files"].split():
                pattern = str(_below_home(word.strip('"'), home))
                lines += [_text(Path(name), home, depth + 1) for name in sorted(glob.glob(pattern))]  # noqa: PTH207
            lines.append(block)  # what was included may have begun a block of its own
            continue
        block = line if _BLOCK.match(line) else block
        lines.append(line)
    return "\n".join(lines)
