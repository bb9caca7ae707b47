"""Removing runs from the workspace; what lies elsewhere is never touched, and no symbolic link is followed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from actors.crash_points import effect
from actors.errors import MqiError
from actors.jobs import Lock, check_path
from actors.local_host import looking
from actors.local_host.places import below
from messages.faults import Blame, Fault


def remove_runs(workspace: Path, paths: Iterable[str]) -> None:
    """Delete these folders below the workspace; absent ones are no error. Raises MqiError, after trying all."""
    faults = [fault for path in paths if (fault := _remove(workspace, path))]
    if faults:
        raise MqiError(faults[0])


def _remove(workspace: Path, path: str) -> Fault | None:
    try:
        check_path(path)
        folder = below(workspace, workspace / path)
        if (living := _living(folder)) is not None:
            return _alive(living)
        with effect("clean.runs"):
            shutil.rmtree(folder)
    except MqiError as error:
        return error.fault
    except FileNotFoundError:
        return None
    except OSError as error:
        return Fault(
            what=f"The run directory {path} cannot be removed: {error}.",
            where=str(workspace / path),
            remedy="Remove it by hand when nothing uses it.",
            blame=Blame.HOST,
            kind="remove-failed",
        )
    return None


def _living(folder: Path) -> Path | None:
    """A run at or below ``folder`` (case, beam or attempt) whose lock is held; None when there is none."""
    claims = (claim for depth in ("claim", "*/claim", "*/*/claim") for claim in folder.glob(depth))
    return next((claim.parent for claim in claims if looking.probe(claim / "lock") is Lock.HELD), None)


def _alive(run_dir: Path) -> Fault:
    return Fault(
        what=f"The run in {run_dir} still has processes: it was not removed.",
        where=str(run_dir),
        remedy="Wait for its end, or cancel it.",
        blame=Blame.HOST,
        kind="run-alive",
    )
