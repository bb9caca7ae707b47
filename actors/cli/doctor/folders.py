"""Folders, disks and the ledger's file."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from actors.cli.daemon.lock import holder
from actors.cli.daemon.preflight import own_folders
from actors.cli.doctor.finding import Finding
from actors.console import control_socket
from actors.errors import MqiError
from actors.ledger import Reader
from actors.ledger.disk import refuse_network
from actors.settings import Settings


def check_folders(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """Our own folders can be written, and files in them renamed; the state folder is on a local disk."""
    for key, folder in own_folders(settings):
        problem = _unwritable(folder)
        remedy = f"make it writable for the daemon's user, or change {key}" if problem else ""
        yield Finding(f"folder {key}", not problem, problem or str(folder), remedy)
    refuse_network(_existing(settings.daemon.state_dir))
    yield Finding("state folder", ok=True, text="is on a local disk")
    socket = control_socket(settings.daemon.state_dir)
    if socket.parent != settings.daemon.state_dir:
        yield Finding("control socket", ok=True, text=f"state_dir is too long for a socket; it lies at {socket}")


def _unwritable(folder: Path) -> str:
    """Why nothing can be put there whole (written aside, synced, renamed); empty: it can."""
    there = _existing(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".mqi-check-", dir=there) as name:
            aside = Path(name) / "aside"
            with aside.open("wb") as file:
                file.write(b"x" * 4096)
                file.flush()
                os.fsync(file.fileno())
            aside.rename(Path(name) / "whole")
            inside = Path(name) / "folder"
            inside.mkdir()
            inside.rename(Path(name) / "renamed")
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror or error}"
    return ""


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there: a missing one is made at the start."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


def check_roots(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """Watch roots can be read."""
    for root in settings.scan.roots:
        if not root.exists():
            text, remedy = f"{root} is not there", "mount or make it; until then no case is found there"
            yield Finding("watch root", ok=False, text=text, remedy=remedy)
        elif not root.is_dir() or not os.access(root, os.R_OK | os.X_OK):
            remedy = "let the daemon's user read it"
            yield Finding("watch root", ok=False, text=f"{root} cannot be read as a folder", remedy=remedy)
        else:
            yield Finding("watch root", ok=True, text=str(root))


def check_disks(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """There is as much room as new work asks for."""
    for label, folder, least_gb in settings.disks:
        free_gb = shutil.disk_usage(_existing(folder)).free / 1e9
        text = f"{free_gb:.1f} GB free at {folder}, {least_gb:g} GB wanted"
        ok = free_gb >= least_gb
        yield Finding(f"disk {label}", ok, text, "" if ok else "make room; until then no new work starts")


def _ledger(path: Path) -> Finding:
    try:
        counts = Reader(path).counts()
    except MqiError as error:
        if error.fault.kind != "ledger-older":
            raise
        text = f"{error.fault.what} It is brought forward at the first start; a copy of it is put among the backups."
        return Finding("ledger", ok=True, text=text)
    there = "readable" if path.exists() else "not there yet; it is made at the first start"
    return Finding("ledger", ok=True, text=f"{there}, {sum(counts.values())} cases")


def check_ledger(settings: Settings, _conf: Path) -> Iterator[Finding]:
    """The ledger can be read; whether a daemon runs on it."""
    yield _ledger(settings.ledger_path)
    running = holder(settings.daemon.state_dir)
    text = f"running: pid {running.pid}, since {running.since}" if running else "not running"
    yield Finding("daemon", ok=True, text=text)
