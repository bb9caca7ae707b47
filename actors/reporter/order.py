"""What the actor and the process that makes one report say to one another. Light: the daemon imports it."""

from __future__ import annotations

from dataclasses import dataclass, field

from actors.reporter.standing import Standing
from actors.settings import ReportSettings
from messages.ledger import Figures

NOT_CONFIGURED = "no engine run of the planned spots is configured"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """The engine's run of the planned spots, with which the delivery is compared."""

    result: str = ""
    """Folder of its published result; empty: there is none, and ``reason`` says why."""
    result_sha256: str = ""
    """Of that result's manifest, as the ledger has it."""
    reason: str = NOT_CONFIGURED

    @property
    def wanted(self) -> bool:
        """The site has the engine compute the planned spots."""
        return bool(self.result) or self.reason != NOT_CONFIGURED


NO_RUN = PlannedRun()
"""None is configured."""


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
    planned: PlannedRun = NO_RUN
    standing: Standing = field(default_factory=Standing)
    """How the result stands: shown around the findings."""


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
