"""The keys that are offered at a login: files, and the agent's. Passphrases are the agent's business alone."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm

from actors.ssh_connection.config import Hop
from actors.ssh_connection.troubles import key_unusable

_MOST_OFFERED = 5
"""A server hangs up after six (MaxAuthTries)."""
_OPENSSH = b"openssh-key-v1\0"


@dataclass(frozen=True, slots=True)
class Identity:
    """One key, and how people call it."""

    key: paramiko.PKey
    name: str


@contextlib.contextmanager
def offered(host: str, hop: Hop) -> Iterator[tuple[Identity, ...]]:
    """Keys in the order in which they are tried. Raises MqiError (``key-unusable``) if a named one cannot be used."""
    agent = _Agent()
    try:
        found = [identity for path in hop.key_files if (identity := _from_file(host, hop, path, agent))]
        if not hop.keys_only:
            used = {identity.key.asbytes() for identity in found}
            found += [identity for identity in agent.identities if identity.key.asbytes() not in used]
        yield tuple(found[:_MOST_OFFERED])
    finally:
        agent.close()


class _Agent:
    """The user's agent, asked once; none, or one that does not answer well, has no keys."""

    def __init__(self) -> None:
        self._agent: paramiko.Agent | None = None
        self.identities: tuple[Identity, ...] = ()
        with contextlib.suppress(paramiko.SSHException, OSError, struct.error):
            self._agent = agent = paramiko.Agent()
            self.identities = tuple(Identity(key, f"agent key {key.comment or key.name}") for key in agent.get_keys())

    def holding(self, public: bytes | None) -> paramiko.PKey | None:
        """The agent's key with this public half."""
        return next((known.key for known in self.identities if known.key.asbytes() == public), None)

    def close(self) -> None:
        if self._agent is not None:
            self._agent.close()


def _from_file(host: str, hop: Hop, path: Path, agent: _Agent) -> Identity | None:
    """The file's key, or the agent's where the file has a passphrase; None for a default file that is not there."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if hop.keys_required:
            raise key_unusable(host, str(path), "there is no such file", "Correct key_file or IdentityFile.") from None
        return None
    except OSError as error:
        raise key_unusable(host, str(path), str(error), "Make it readable for the daemon's user.") from error
    held = agent.holding(public_half(text) or _public_beside(path))
    if held is not None:
        return Identity(held, f"key {path} (agent)")
    if _open_to_others(path):
        raise key_unusable(host, str(path), "other users can read it", f"chmod 600 {path}")
    return Identity(_load(host, path), f"key {path}")


def _load(host: str, path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except (paramiko.PasswordRequiredException, TypeError):
        remedy = f"Start an agent for the daemon and add the key once: ssh-add {path}"
        raise key_unusable(host, str(path), "it has a passphrase and the agent does not hold it", remedy) from None
    except (paramiko.SSHException, UnsupportedAlgorithm, ValueError, OSError) as error:
        what = str(error) or type(error).__name__
        if "password" in what.lower() or "encrypted" in what.lower():
            remedy = f"Start an agent for the daemon and add the key once: ssh-add {path}"
            raise key_unusable(host, str(path), "it has a passphrase and the agent does not hold it", remedy) from None
        raise key_unusable(host, str(path), f"it is no private key ({what})", "Name a private key.") from error


def public_half(text: bytes) -> bytes | None:
    """The public key that an OpenSSH private key file holds in clear, encrypted or not; None for others. Pure."""
    lines = text.split(b"\n")
    body = b"".join(line.strip() for line in lines if line and not line.startswith(b"-----"))
    try:
        data = base64.b64decode(body, validate=True)
        if not data.startswith(_OPENSSH):
            return None
        rest = data[len(_OPENSSH) :]
        for _ in ("cipher", "kdf", "kdf options"):
            rest = rest[4 + struct.unpack_from(">I", rest)[0] :]
        (size,) = struct.unpack_from(">I", rest, 4)
        return rest[8 : 8 + size]
    except (binascii.Error, ValueError, struct.error):
        return None


def _public_beside(path: Path) -> bytes | None:
    with contextlib.suppress(OSError, IndexError, binascii.Error, ValueError):
        return base64.b64decode(path.with_name(f"{path.name}.pub").read_bytes().split()[1])
    return None


def _open_to_others(path: Path) -> bool:
    mode = path.stat()
    return mode.st_uid == os.getuid() and bool(stat.S_IMODE(mode.st_mode) & 0o077)
