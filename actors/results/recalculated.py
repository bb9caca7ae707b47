"""Was a recalculation made from the very files that the result before it was computed from?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from actors.results.manifest import NAME
from messages.engine import EngineProfile
from messages.results import PublishCase

_NAMED = 3
"""Files that a sentence names; it says how many more there are."""


def other_inputs(case: PublishCase, profile: EngineProfile) -> tuple[str, ...]:
    """Sentences that say which files are others: they were compared as it was ordered, and may have waited since.

    A profile of another geometry reads other files of the case; then those that both read are compared. Nothing is
    said where the result before is not there any more.
    """
    if not case.recalculated_because:
        return ()
    before = _manifest(Path(case.results_dir) / case.supersedes / NAME)
    if before is None:
        return ()
    was, geometry = before
    now = {proof.path: proof.sha256 for proof in case.interpretation.inputs}
    others = sorted(_others(was, now, whole=geometry == profile.geometry))
    if not others:
        return ()
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    named = ", ".join(others[:_NAMED])
    return (f"It was not computed from the files of {case.supersedes}: {named}{more} changed, came or went.",)


def _others(was: Mapping[str, str], now: Mapping[str, str], *, whole: bool) -> Iterator[str]:
    yield from (name for name in was.keys() & now.keys() if was[name] != now[name])
    if whole:
        yield from was.keys() ^ now.keys()


def _manifest(path: Path) -> tuple[Mapping[str, str], str] | None:
    """Input → SHA-256, and the geometry that it was scored in; None: there is none, or it cannot be read."""
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
        inputs = {str(one["path"]): str(one["sha256"]) for one in told["inputs"]}
        return inputs, str(told["profile"]["content"]["geometry"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
