"""Why a move of files over a link does not come about: one sentence each, with its remedy."""

from __future__ import annotations

import errno
from pathlib import Path

from actors.errors import MqiError
from actors.jobs.places import OTHER_WORKSPACE
from actors.mounts import WORKSPACE_AWAY
from actors.ssh_connection import scripts
from messages.faults import Blame, Fault

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_WORDS = (b"No space left on device", b"Disk quota exceeded")


def refusal(kind: str, what: str, where: str, blame: Blame, remedy: str = "") -> MqiError:
    return MqiError(Fault(what=what, where=where, remedy=remedy, blame=blame, kind=kind))


def outside(workspace: str, path: str) -> MqiError:
    what = f"{path} does not lie below the workspace {workspace}: it was not touched."
    return refusal("outside-workspace", what, path, Blame.OURS, OTHER_WORKSPACE)


def no_workspace(host: str, workspace: str) -> MqiError:
    return refusal(
        "workspace-missing",
        f"Host {host} has no folder {workspace}.",
        workspace,
        Blame.HOST,
        f"Make it there, owned by the daemon's user (mkdir -p {workspace}), or correct the settings.",
    )


def source(path: str, why: str, where: str, kind: str, blame: Blame) -> MqiError:
    return refusal(kind, f"{path} {why}.", where, blame)


def full(host: str, files: int, where: str, why: str, blame: Blame = Blame.HOST) -> MqiError:
    return refusal(
        "no-space",
        f"No room for {files} files on {host}: {why}.",
        where,
        blame,
        "Make room on that disk; the move goes on where it stopped.",
    )


def unwritable(host: str, where: str, why: str, blame: Blame = Blame.HOST) -> MqiError:
    return refusal(
        "target-unwritable",
        f"Files cannot be written on {host}: {why}.",
        where,
        blame,
        "Check that the folder exists, belongs to the daemon's user, and that its disk is sound.",
    )


def differs(where: str, blame: Blame) -> MqiError:
    return refusal(
        "target-differs",
        f"{where} holds other files already: nothing was replaced.",
        where,
        blame,
        "Find out who wrote there; a new attempt uses a new folder.",
    )


def damaged(path: str, where: str, found: str, expected: str, blame: Blame) -> MqiError:
    return refusal(
        "hash-mismatch",
        f"{path} arrived damaged: SHA-256 {found[:12]}… instead of {expected[:12]}….",
        where,
        blame,
        "It is sent again; if this repeats, check the disks and the memory of both machines.",
    )


def away(host: str, workspace: str) -> MqiError:
    why = f"Nothing is written on {host}: the disk of the workspace {workspace} is not mounted there."
    return refusal(WORKSPACE_AWAY, why, workspace, Blame.HOST, "Mount it; it is sent again.")


def no_room(need: int, free: int) -> str:
    return f"{need / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free"


def of_script(host: str, workspace: str, where: str, code: int | None, said: bytes) -> MqiError:
    """The fault for a script that failed."""
    said = said.strip()
    if any(words in said for words in _FULL_WORDS):
        return full(host, 1, where, _last_line(said))
    if code == scripts.OUTSIDE:
        return outside(workspace, where)
    if code in (scripts.NO_WORKSPACE, scripts.AWAY):
        return no_workspace(host, workspace) if code == scripts.NO_WORKSPACE else away(host, workspace)
    if code == scripts.UNREADABLE:
        why = f"The folder to fetch cannot be read on {host}: {_last_line(said) or 'it is a link'}."
        return refusal("source-unreadable", why, where, Blame.HOST)
    if code in (scripts.NO_FOLDER, scripts.TAKEN):
        return unwritable(host, where, "something that is no folder stands in the way")
    return unwritable(host, where, _last_line(said) or f"the shell ended with {code}")


def of_disk(target: Path, error: OSError) -> MqiError:
    """The fault for this machine's own disk."""
    if error.errno in _FULL:
        return full("this machine", 1, str(target), str(error), Blame.OURS)
    return unwritable("this machine", str(target), str(error), Blame.OURS)


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").splitlines()
    return lines[-1][:300] if lines else ""
