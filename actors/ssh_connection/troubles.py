"""Every way in which a connection fails, as one sentence with its remedy."""

from __future__ import annotations

from shlex import quote

from actors.errors import MqiError
from messages.faults import Blame, Fault


class LinkError(MqiError):
    """The link failed: nothing is known of what was asked over it."""


NEEDS_HANDS = frozenset(
    {
        "host-key-unknown",
        "host-key-changed",
        "host-key-revoked",
        "login-refused",
        "key-unusable",
        "ssh-config-unusable",
    }
)
"""Kinds that no waiting mends: somebody must change something."""


def trouble(kind: str, host: str, what: str, remedy: str, where: str = "") -> LinkError:
    """The error for a host's link; ``what`` is a clause without a full stop."""
    return LinkError(
        Fault(what=f"Host {host}: {what}.", where=where or host, remedy=remedy, blame=Blame.HOST, kind=kind)
    )


def place(address: str, port: int) -> str:
    """As people and ssh write it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def unresolved(host: str, address: str, why: str) -> LinkError:
    return trouble(
        "name-unresolved",
        host,
        f"the name {address!r} cannot be resolved ({why})",
        f"Check the address in the settings or ~/.ssh/config, and the name service: getent hosts {quote(address)}",
        address,
    )


def port_refused(host: str, address: str, port: int) -> LinkError:
    return trouble(
        "port-refused",
        host,
        f"{place(address, port)} refuses connections",
        f"Start sshd there, or correct the port: nc -vz {quote(address)} {port}",
        place(address, port),
    )


def unreachable(host: str, address: str, port: int, why: str) -> LinkError:
    return trouble(
        "host-unreachable",
        host,
        f"{place(address, port)} cannot be reached ({why})",
        f"Check that the host is on, the network, and the firewall: ping {quote(address)}",
        place(address, port),
    )


def connect_timeout(host: str, address: str, port: int, seconds: float) -> LinkError:
    return trouble(
        "connect-timeout",
        host,
        f"{place(address, port)} did not answer within {seconds:g} s",
        f"Check that the host is on, the network, and the firewall: ping {quote(address)}",
        place(address, port),
    )


def no_banner(host: str, address: str, port: int, why: str) -> LinkError:
    return trouble(
        "no-ssh",
        host,
        f"{place(address, port)} is open, but no SSH connection came about ({why})",
        "Check that sshd listens on that port and is not overloaded (MaxStartups): "
        f"ssh -v -p {port} {quote(address)} true",
        place(address, port),
    )


def no_common_algorithms(host: str, address: str, port: int, why: str) -> LinkError:
    return trouble(
        "no-common-algorithms",
        host,
        f"{place(address, port)} offers no algorithms that are still safe ({why})",
        "Update sshd on the host, or allow modern Ciphers, MACs and KexAlgorithms in its sshd_config.",
        place(address, port),
    )


def login_refused(host: str, address: str, port: int, user: str, tried: str) -> LinkError:
    return trouble(
        "login-refused",
        host,
        f"{place(address, port)} refused the login of user {user} with {tried}",
        f"Add the public key to ~{user}/.ssh/authorized_keys on the host "
        f"(ssh-copy-id -p {port} {quote(f'{user}@{address}')}), or correct user and key_file in the settings.",
        place(address, port),
    )


def login_timeout(host: str, address: str, port: int, user: str) -> LinkError:
    return trouble(
        "login-timeout",
        host,
        f"{place(address, port)} neither accepted nor refused the login of user {user} in time",
        "Check the host's load and its authentication log.",
        place(address, port),
    )


def key_unusable(host: str, path: str, why: str, remedy: str) -> LinkError:
    return trouble("key-unusable", host, f"the key {path} cannot be used: {why}", remedy, path)


def config_unusable(host: str, path: str, why: str, remedy: str) -> LinkError:
    return trouble("ssh-config-unusable", host, f"{path}: {why}", remedy, path)


def lost(host: str, why: str) -> LinkError:
    return trouble("link-lost", host, f"the connection was lost ({why})", "It is tried again by itself.")


def slow_command(host: str, seconds: float) -> LinkError:
    return trouble(
        "command-timeout",
        host,
        f"a command gave no answer within {seconds:g} s",
        "Check the host's load, its disks, and the start-up files of the login shell.",
    )


def session_refused(host: str, why: str) -> LinkError:
    return trouble(
        "session-refused",
        host,
        f"the server grants no session ({why})",
        "Raise MaxSessions in the host's sshd_config to 4 or more.",
    )


def shell_unfit(host: str, said: str) -> MqiError:
    heard = f": it said {said!r}" if said else " and said nothing"
    return trouble(
        "shell-unfit",
        host,
        f"the login shell does not run /bin/sh{heard}",
        "Give the user a login shell (chsh -s /bin/bash), and look for ForceCommand or command= on the host.",
    )
