"""What the actor and the process that makes one report say to one another. Light: the daemon imports it."""

from __future__ import annotations

from dataclasses import dataclass

from actors.settings import ReportSettings
from messages.ledger import Figures


@dataclass(frozen=True, slots=True)
class MakeReport:
    """What is asked of the process."""

    result: str
    """Folder of the published result: ``<results.dir>/<case>``."""
    case_folder: str
    """Where the case lies, with its logs, CT, structure set and planning dose, if they are still there."""
    rules: ReportSettings
    result_sha256: str = ""
    """Of the result's manifest, as the ledger has it since publication; empty: it does not say."""
    calibrations: tuple[tuple[str, str], ...] = ()
    """(gantry, file) of all that are configured: the one that made the result reads the logs once more."""


@dataclass(frozen=True, slots=True)
class MadeReport:
    """What came of it."""

    path: str
    verdict: str
    """``pass`` | ``review`` | ``fail``."""
    sentence: str
    """What the verdict rests on, or its gravest reason."""
    manifest_sha256: str
    gantry: str = ""
    figures: tuple[Figures, ...] = ()
    """What is followed over time."""


@dataclass(frozen=True, slots=True)
class NoReport:
    """There is none, and why."""

    sentence: str
    kind: str
    """Stable, such as ``result-changed``, ``disk-full``, ``report-died``."""
