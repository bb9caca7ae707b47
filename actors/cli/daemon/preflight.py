"""What must be right before anything starts: hosts that this release runs, folders, a profile that loads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from actors.cli.failures import CommandError, ExitCode
from actors.errors import MqiError
from actors.formats import load_profile
from actors.settings import SHIPPED, Settings
from messages.engine import EngineProfile


def own_folders(settings: Settings) -> Iterator[tuple[str, Path]]:
    """(key, folder) of those that are made when they are missing."""
    yield "daemon.state_dir", settings.daemon.state_dir
    yield "daemon.log_dir", settings.daemon.log_dir
    yield "results.dir", settings.results.dir
    for host in settings.hosts:
        if host.kind == "local":
            yield f"hosts.{host.name}.workspace", Path(host.workspace)


def make_folders(settings: Settings) -> None:
    """Make our own folders; never a watch root: a share that is not mounted must not become an empty folder instead.

    The scanner tells of roots that are not there, and goes on when they are. Raises CommandError that names the key.
    """
    for key, folder in own_folders(settings):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unusable(key, folder, f"cannot be made: {error.strerror or error}") from error
    for key, folder in own_folders(settings):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise _unusable(key, folder, "is not writable")


def _unusable(key: str, folder: Path, why: str) -> CommandError:
    remedy = f"Make it for the daemon's user, or change {key}."
    return CommandError(ExitCode.USAGE, f"The folder of {key} {why}.", str(folder), remedy, kind="folder")


def read_profile(settings: Settings) -> EngineProfile:
    """The engine profile. Raises CommandError with every wrong key of it."""
    try:
        return load_profile(settings.engine.profile, SHIPPED / "engines")
    except MqiError as error:
        fault = error.fault
        raise CommandError(ExitCode.USAGE, fault.what, fault.where, fault.remedy, fault.kind) from error
