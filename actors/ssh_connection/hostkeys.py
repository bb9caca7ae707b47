"""Is this the server that it says it is? Known hosts, in the format that sshd(8) describes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from actors.errors import MqiError
from actors.ssh_connection.config import Hop
from actors.ssh_connection.target import DEFAULT_PORT
from actors.ssh_connection.troubles import place, trouble

_HASHED = re.compile(r"\|1\|(?P<salt>[A-Za-z0-9+/=]+)\|(?P<hash>[A-Za-z0-9+/=]+)\Z")
_ALGORITHMS = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}
"""Signature algorithms of a key type, where they have other names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a known_hosts file."""

    path: Path
    line: int
    marker: str
    """Empty, ``@revoked`` or ``@cert-authority``."""
    names: str
    key_type: str
    key: bytes

    def names_host(self, name: str) -> bool:
        """Whether the line is about the host, ``name`` or ``[name]:port``."""
        hashed = _HASHED.match(self.names)
        if hashed:
            return _hash_fits(hashed["salt"], hashed["hash"], name)
        patterns = self.names.lower().split(",")
        if any(pattern.startswith("!") and _fits(pattern[1:], name) for pattern in patterns):
            return False
        return any(_fits(pattern, name) for pattern in patterns if not pattern.startswith("!"))


def read(paths: Iterable[Path]) -> tuple[Entry, ...]:
    """Every entry of these files; missing ones have none, and lines that cannot be read are passed over."""
    return tuple(entry for path in paths if path.is_file() for entry in parse(path.read_bytes(), path))


def parse(content: bytes, path: Path) -> Iterator[Entry]:
    """Entries of one file's content."""
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1):
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#"):
            continue
        try:
            key = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        yield Entry(path, number, marker, words[0], words[1], key)


def known_types(entries: Iterable[Entry], name: str) -> tuple[str, ...]:
    """Signature algorithms under which the host can prove itself by a key that we know; in the file's order."""
    types = (entry.key_type for entry in entries if not entry.marker and entry.names_host(name.lower()))
    return tuple(dict.fromkeys(algorithm for kind in types for algorithm in _ALGORITHMS.get(kind, (kind,))))


def check(host: str, hop: Hop, key_type: str, key: bytes, entries: Iterable[Entry]) -> None:
    """Return if this very key is known for the hop. MqiError else: ``host-key-unknown``, ``-changed``, ``-revoked``."""
    name = hop.known_as.lower()
    about = [entry for entry in entries if entry.names_host(name)]
    if any(entry.marker == "@revoked" and entry.key == key for entry in about):
        raise _revoked(host, hop, key_type, key)
    keys = [entry for entry in about if not entry.marker]
    if any(entry.key_type == key_type and hmac.compare_digest(entry.key, key) for entry in keys):
        return
    if keys:
        raise _changed(host, hop, key_type, key, keys)
    raise _unknown(host, hop, key_type, key)


def fingerprint(key: bytes) -> str:
    """As ``ssh-keygen -l`` prints it."""
    digest = base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    return f"SHA256:{digest}"


def _fits(pattern: str, name: str) -> bool:
    """``*`` and ``?`` are wildcards, brackets are part of the name."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _hash_fits(salt: str, expected: str, name: str) -> bool:
    try:
        digest = hmac.new(base64.b64decode(salt), name.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(digest, base64.b64decode(expected))
    except (binascii.Error, ValueError):
        return False


def _shown(key_type: str, key: bytes) -> str:
    return f"{key_type} {fingerprint(key)}"


def _scan(hop: Hop) -> str:
    """The command that fetches the key; under an alias it is written with the name that the alias gives."""
    port = f"-p {hop.port} " if hop.port != DEFAULT_PORT else ""
    renamed = f" | sed 's/^[^ ]*/{hop.key_alias}/'" if hop.key_alias else ""
    return f"ssh-keyscan {port}{hop.address}{renamed} >> {hop.known_hosts[0]}"


def _unknown(host: str, hop: Hop, key_type: str, key: bytes) -> MqiError:
    return trouble(
        "host-key-unknown",
        host,
        f"the host key of {place(hop.address, hop.port)} ({_shown(key_type, key)}) is not in {hop.known_hosts[0]}",
        "Ask the host's administrator whether that is its fingerprint (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub on "
        f"the host), then: {_scan(hop)}",
        hop.known_as,
    )


def _changed(host: str, hop: Hop, key_type: str, key: bytes, known: list[Entry]) -> MqiError:
    first = next((entry for entry in known if entry.key_type == key_type), known[0])
    return trouble(
        "host-key-changed",
        host,
        f"the host key of {place(hop.address, hop.port)} has CHANGED: it shows {_shown(key_type, key)}, but line "
        f"{first.line} of {first.path} has {_shown(first.key_type, first.key)}; somebody may be listening in",
        "Ask the host's administrator whether the key was changed. Only if it was: "
        f"ssh-keygen -R '{hop.known_as}' -f {first.path} && {_scan(hop)}",
        hop.known_as,
    )


def _revoked(host: str, hop: Hop, key_type: str, key: bytes) -> MqiError:
    return trouble(
        "host-key-revoked",
        host,
        f"the host key of {place(hop.address, hop.port)} ({_shown(key_type, key)}) is marked @revoked",
        "Have the host's administrator make a new host key.",
        hop.known_as,
    )
