"""Removing runs from a host's workspace; what lies elsewhere is never touched, and no symbolic link is followed."""

from __future__ import annotations

from collections.abc import Iterable

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import check_path
from actors.jobs.places import below
from actors.jobs.removal import not_removed
from actors.ssh_connection.remote import Remote
from messages.faults import Fault

_REMOVED_WITHIN_S = 120.0


def remove_runs(remote: Remote, paths: Iterable[str]) -> None:
    """Delete these folders below the workspace; absent ones are no error. MqiError after trying all; LinkError."""
    faults = [fault for path in paths if (fault := _remove(remote, path))]
    if faults:
        raise MqiError(faults[0])


def _remove(remote: Remote, path: str) -> Fault | None:
    try:
        check_path(path)
        folder = below(remote.workspace, f"{remote.workspace}/{path}")
    except MqiError as error:
        return error.fault
    with effect("clean.runs"):
        said = dict(remote.call("remove", folder, timeout_s=_REMOVED_WITHIN_S))
    return not_removed(path, folder, said)
