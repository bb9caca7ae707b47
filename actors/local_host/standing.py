"""How this machine is: the free space of its workspace, its load, its boot."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from actors.local_host import processes
from actors.mounts import Ground, mount_of
from messages.hosts import HostObserved, HostState

KIND = "local"


def observe(host: str, workspace: Path, ground: Ground) -> HostObserved:
    """One look; a workspace that cannot be made or asked, or whose disk is not mounted, suspends the host."""
    at, boot, load = datetime.now(UTC), processes.boot_id(), os.getloadavg()[0]
    if why := ground.away():
        return HostObserved(host, KIND, at, HostState.SUSPENDED, why, boot_id=boot, load=load)
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        disk = os.statvfs(workspace)
    except OSError as error:
        reason = f"the workspace cannot be used: {error}"
        return HostObserved(host, KIND, at, HostState.SUSPENDED, reason, boot_id=boot, load=load)
    ground.saw(mount_of(workspace))
    free_gb = disk.f_bavail * disk.f_frsize / 1e9
    return HostObserved(host, KIND, at, HostState.UP, free_gb=free_gb, boot_id=boot, load=load)
