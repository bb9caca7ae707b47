"""The lane of an SSH host alone: a private sshd, and, if asked for, a proxy on the way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.ssh_connection import SshLane, Target
from actors.ssh_connection.target import Patience
from tests.kit.hosts import Host, end_all
from tests.kit.proxy import Proxy
from tests.kit.running import running
from tests.kit.sshd import Sshd

IMPATIENT = Patience(connect_s=2.0, banner_s=5.0, login_s=5.0, session_s=5.0, keepalive_s=1.0, silence_s=1.5)


@dataclass
class FarHost(Host):
    """A host behind a link; transfers only, its control is not there."""

    server: Sshd = None  # type: ignore[assignment]  # always given
    proxy: Proxy | None = None

    @property
    def link(self) -> Proxy:
        assert self.proxy is not None
        return self.proxy


@contextmanager
def ssh_lane(workspace: Path, **options: Any) -> Iterator[FarHost]:
    """A lane to a server of its own. ``options`` are those of Sshd."""
    workspace.mkdir(parents=True, exist_ok=True)
    with Sshd(_beside(workspace), **options) as server, _lane(server.target(), workspace) as lane:
        try:
            yield FarHost(lane, lane, workspace, server=server)
        finally:
            end_all(workspace)


@contextmanager
def proxied_lane(workspace: Path, patience: Patience = IMPATIENT, **options: Any) -> Iterator[FarHost]:
    """The same with a proxy between."""
    workspace.mkdir(parents=True, exist_ok=True)
    with Sshd(_beside(workspace), **options) as server, Proxy(server.port) as proxy:
        server.trust(name=f"[127.0.0.1]:{proxy.port}")
        target = server.target(port=proxy.port, patience=patience)
        with _lane(target, workspace) as lane:
            try:
                yield FarHost(lane, lane, workspace, server=server, proxy=proxy)
            finally:
                proxy.go_on()
                end_all(workspace)


@contextmanager
def another_lane(host: FarHost) -> Iterator[FarHost]:
    """A second lane to the same server and workspace."""
    port = host.proxy.port if host.proxy else host.server.port
    with _lane(host.server.target(port=port), host.workspace) as lane:
        yield FarHost(lane, lane, host.workspace, server=host.server, proxy=host.proxy)


def _beside(workspace: Path) -> Path:
    return workspace.parent.parent / f"{workspace.parent.name}-{workspace.name}-sshd"


def _lane(target: Target, workspace: Path) -> Any:
    return running(SshLane, name="lane", host=target.host, target=target, workspace=str(workspace))
