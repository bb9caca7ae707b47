"""The engine's dose of the planned spots, where it can be set beside that of the delivered ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actors.errors import MqiError
from actors.reporter.dose_grid import DoseGrid, read_dose
from actors.reporter.order import PlannedRun
from actors.reporter.published import Manifest, Published, read_published


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """What the engine made of the planned spots."""

    published: Published
    total: DoseGrid

    @property
    def manifest(self) -> Manifest:
        return self.published.manifest

    @property
    def sum_file(self) -> Path:
        """The RT Dose file of ``total``."""
        return _sum_file(self.published)

    def beam(self, number: int) -> DoseGrid | None:
        """The dose of one beam; None: it has no such beam. OSError and MqiError where its file cannot be read."""
        record = next((one for one in self.manifest.beams if one.number == number), None)
        if record is None:
            return None
        return self.total if len(self.manifest.beams) == 1 else read_dose(self.published.folder / record.file)


def simulated(run: PlannedRun, delivered: Manifest, total: DoseGrid) -> tuple[Simulated | None, str]:
    """The result of the planned run, or why it is not compared. total: the delivered dose."""
    if not run.result:
        return None, run.reason
    try:
        published = read_published(Path(run.result), run.result_sha256)
        dose = read_dose(_sum_file(published))
    except (OSError, MqiError, KeyError, ValueError) as error:
        return None, f"the result of its planned run cannot be read: {error}"
    wrong = next(_unlike(published.manifest, delivered), "") or _elsewhere(dose, total, delivered)
    return (None, wrong) if wrong else (Simulated(published, dose), "")


def _sum_file(published: Published) -> Path:
    return published.folder / str(published.manifest.sum["file"])


def _unlike(run: Manifest, delivered: Manifest) -> Iterator[str]:
    """Why two results are not of the same plan by the same engine: their difference would not be the delivery's."""
    if not run.planned:
        yield "what its planned run published is no dose of planned spots"
    pairs = (
        ("plan", run.plan.sop_instance_uid, delivered.plan.sop_instance_uid),
        ("plan's file", _own_files(run), _own_files(delivered)),
        ("profile", run.profile["sha256"], delivered.profile["sha256"]),
        ("engine", run.engine["version"], delivered.engine["version"]),
        ("calibration", run.calibration["sha256"], delivered.calibration["sha256"]),
        ("unit of dose", run.dose["units"], delivered.dose["units"]),
    )
    yield from (f"its planned run was made with another {what}" for what, one, other in pairs if one != other)


def _own_files(manifest: Manifest) -> list[str]:
    """Hashes of plan, images and structure sets: what lies in the case folder itself."""
    return sorted(proof.sha256 for proof in manifest.inputs if "/" not in proof.path)


def _elsewhere(run: DoseGrid, total: DoseGrid, delivered: Manifest) -> str:
    """Every phantom has a frame of reference of its own; its axes are the beam's all the same."""
    same = delivered.phantom or run.frame_of_reference == total.frame_of_reference
    grids = zip(run.axes, total.axes, strict=True)
    if same and all(len(a) == len(b) and np.allclose(a, b, atol=1e-3) for a, b in grids):
        return ""
    return "its planned run was scored on another grid"
