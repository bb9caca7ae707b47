"""Which folders can hold a ledger: WAL needs shared memory, which network file systems do not have."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePath

import psutil

from actors.ledger.transitions import refused

NETWORK = frozenset(
    {
        "nfs", "nfs3", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "lustre", "gpfs",
        "glusterfs", "fuse.glusterfs", "fuse.ceph", "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.davfs", "davfs",
        "fuse.moosefs", "beegfs", "orangefs", "pvfs2", "ocfs2", "gfs2",
    }
)  # fmt: skip
"""File system types that several machines share (or that reach another machine)."""


def network_type(folder: PurePath, mounts: Iterable[tuple[str, str]]) -> str:
    """File system type of the mount that ``folder`` (absolute, resolved) lies on when it is a network one; else empty.

    mounts: (mount point, type) of every mount.
    """
    inside = [(point, kind) for point, kind in mounts if folder.is_relative_to(point)]
    if not inside:
        return ""
    # The longest mount point wins; of several on one point, the one mounted last.
    kind = max(enumerate(inside), key=lambda item: (len(PurePath(item[1][0]).parts), item[0]))[1][1]
    return kind if kind.lower() in NETWORK else ""


def refuse_network(folder: Path) -> None:
    """MqiError when ``folder`` lies on a network file system."""
    mounts = [(part.mountpoint, part.fstype) for part in psutil.disk_partitions(all=True)]
    kind = network_type(folder.resolve(), mounts)
    if kind:
        raise refused(
            f"The ledger cannot live on a network file system ({kind}).",
            kind="ledger-network",
            where=str(folder),
            remedy="Set daemon.state_dir to a folder on a local disk of this machine.",
        )
