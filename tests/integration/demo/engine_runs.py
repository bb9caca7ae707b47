"""Run directories for the reference engine, as the interpreter lays them out: one beam, its plan, its logs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.demo.planned import identity_of, planned_beams
from actors.demo.recipe import CaseRecipe
from actors.demo.rtplan import dicom_bytes, plan_dataset

ROOT = Path(__file__).resolve().parents[3]
MU_PER_COUNT = 2.12e-8
GRID = {"PhantomDimX": 60, "PhantomDimY": 60, "PhantomDimZ": 140} | {f"PhantomUnit{axis}": 2 for axis in "XYZ"}
CORNER = {"PhantomPositionX": -60, "PhantomPositionY": -60, "PhantomPositionZ": -260}


class DiedError(Exception):
    """Stands for the signal that would have ended this process."""


@dataclass(frozen=True, slots=True)
class Spot:
    energy_mev: float
    x_mm: float
    y_mm: float
    counts: int


@dataclass(slots=True)
class EngineRun:
    """One run directory; ``keys`` become the input file when it is run."""

    directory: Path
    keys: dict[str, object] = field(default_factory=dict)

    def write_input(self) -> Path:
        path = self.directory / "input.txt"
        path.write_text("".join(f"{key} {value}\n" for key, value in self.keys.items()))
        return path

    def logs(self, *spots: Spot, end: str = ",", folder: str = "beam") -> None:
        """One file per energy, in the order given."""
        place = self.directory / "in" / "log" / folder
        place.mkdir(parents=True, exist_ok=True)
        for number, energy in enumerate(dict.fromkeys(spot.energy_mev for spot in spots), start=1):
            rows = [spot for spot in spots if spot.energy_mev == energy]
            text = "".join(f"{0.06 * n:.4f},{s.x_mm},{s.y_mm},{s.counts}{end}\n" for n, s in enumerate(rows))
            (place / f"{number:02d}_{energy:.2f}MeV.csv").write_text(text)

    def plan(self, recipe: CaseRecipe, *, number: int = 1) -> None:
        """A plan that holds the recipe's first treatment beam alone."""
        plan = plan_dataset(recipe, identity_of(recipe), planned_beams(recipe))
        plan.IonBeamSequence = [plan.IonBeamSequence[1]]
        plan.IonBeamSequence[0].BeamNumber = number
        place = self.directory / "in" / "plan"
        place.mkdir(parents=True, exist_ok=True)
        (place / "RP.dcm").write_bytes(dicom_bytes(plan))

    def start(self, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        self.write_input()
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("MQI_", "PYTHON", "_STDBUF"))
        }
        return subprocess.Popen(
            [sys.executable, "-m", "actors.demo.engine", "input.txt"],
            cwd=self.directory,
            env={**inherited, "PYTHONPATH": str(ROOT), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def process(self, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run to the end in a process of its own."""
        with self.start(environment) as running:
            out, err = running.communicate(timeout=60)
        return subprocess.CompletedProcess(running.args, running.returncode, out, err)

    def outputs(self) -> list[str]:
        return sorted(path.name for path in (self.directory / "out").iterdir())

    def dose(self, shape: tuple[int, int, int] = (140, 60, 60)) -> NDArray[np.float64]:
        """The only output, (z, y, x)."""
        (name,) = self.outputs()
        return np.fromfile(self.directory / "out" / name, dtype="<f8").reshape(shape)


def ready_run(folder: Path, name: str = "1", recipe: CaseRecipe | None = None) -> EngineRun:
    """A run directory that is ready to run: one spot of 1 MU, 150 MeV, in the demo's phantom."""
    run = EngineRun(folder / "case" / "3" / name)
    (run.directory / "out").mkdir(parents=True)
    run.plan(recipe or CaseRecipe(beams=1, layers=1, spots=4))
    run.logs(Spot(150.0, 0.0, 0.0, round(1.0 / MU_PER_COUNT)))
    run.keys = {
        "GPUID": 0,
        "RandomSeed": 7,
        "MaxHistoriesPerBatch": 10_000_000,
        "ParentDir": "in",
        "DicomDir": "plan",
        "logFilePath": "log",
        "GantryNum": 2,
        "BeamNumbers": 1,
        "ParticlesPerHistory": 1,
        "UsingPhantomGeo": "true",
        **GRID,
        **CORNER,
        "Scorer": "Dose",
        "OutputDir": "out",
        "OutputFormat": "raw",
        "OverwriteResults": "true",
    }
    return run
