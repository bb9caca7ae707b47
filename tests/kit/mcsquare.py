"""Runs of the MCsquare driver in folders of their own, with plans and beam models made for one question."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from actors.demo.planned import identity_of, planned_beams
from actors.demo.recipe import CaseRecipe
from actors.demo.rtplan import dicom_bytes, plan_dataset
from actors.mcsquare.errors import DriverError
from actors.mcsquare.installation import installed

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_MODEL = "BDL/BDL_default_DN_RangeShifter.txt"


def missing() -> str:
    """Why there is no engine to test with; empty: there is one."""
    try:
        installed()
    except DriverError as error:
        return str(error)
    return ""


needs_mcsquare = pytest.mark.skipif(bool(missing()), reason=missing() or "there")


@dataclass(frozen=True, slots=True)
class SpotLayer:
    """Spots of one energy: (x, y, MU) each."""

    energy_mev: float
    spots: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class DriverRun:
    """One run directory."""

    directory: Path

    def start(self, **environment: str) -> subprocess.Popen[str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        return subprocess.Popen(
            [sys.executable, "-m", "actors.mcsquare", "in/input.txt"],
            cwd=self.directory,
            env={**inherited, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def process(self, **environment: str) -> tuple[int, str]:
        """Run to the end: exit status and what was said."""
        with self.start(**environment) as running:
            said, _ = running.communicate(timeout=100)
        return running.returncode, said

    def dose(self, size: tuple[int, int, int], name: str = "beam_Dose.raw") -> NDArray[np.float64]:
        """[z, y, x] in Gy."""
        nx, ny, nz = size
        return np.fromfile(self.directory / "out" / name, dtype="<f8").reshape(nz, ny, nx)


def box_keys(
    size: tuple[int, int, int], spacing_mm: tuple[float, float, float], corner_mm: tuple[float, float, float]
) -> dict[str, object]:
    """Input keys of a water phantom."""
    keys: dict[str, object] = {"UsingPhantomGeo": "true"}
    for axis, count, pitch, corner in zip("XYZ", size, spacing_mm, corner_mm, strict=True):
        keys |= {f"PhantomDim{axis}": count, f"PhantomUnit{axis}": pitch, f"PhantomPosition{axis}": corner}
    return keys


def driver_run(
    folder: Path, layers: Sequence[SpotLayer], *, gantry: float = 0.0, couch: float = 0.0, **keys: object
) -> DriverRun:
    """A run directory that is ready to run; without keys of a phantom it scores in the CT that the caller adds."""
    (folder / "in" / "dicom").mkdir(parents=True)
    (folder / "out").mkdir()
    (folder / "in" / "dicom" / "RP.1.dcm").write_bytes(run_plan(layers, gantry, couch))
    given: dict[str, object] = {
        "Num_Primaries": 20000,
        "Num_Threads": 1,
        "BeamModel": DEFAULT_MODEL,
        "Scanner": "Scanners/UCL_Toshiba",
        "RandomSeed": 5,
        "ParentDir": "in",
        "DicomDir": "dicom",
        "BeamNumbers": 1,
        "ParticlesPerHistory": 1,
        "RBE": 1,
        "NumberOfFraction": 1,
        "OutputDir": "out",
        "UsingPhantomGeo": "false",
    }
    text = "".join(f"{key} {value}\n" for key, value in (given | keys).items())
    (folder / "in" / "input.txt").write_text(text, encoding="utf-8")
    return DriverRun(folder)


def engine_standin(folder: Path, script: str) -> Path:
    """An engine's folder whose binary is this shell script: for what no engine does at will."""
    (folder / "Materials").mkdir(parents=True)
    (folder / "Materials" / "list.dat").write_text("1 hydrogen # H\n17 Water\n", encoding="utf-8")
    program = folder / "MCsquare_linux"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    pencil_model(folder / "model.txt", sigma_mm=4.0)
    return folder


def run_plan(layers: Sequence[SpotLayer], gantry: float = 0.0, couch: float = 0.0) -> bytes:
    """A plan as the interpreter stages it: one beam, weights in MU, each layer followed by its twin without weight."""
    recipe = CaseRecipe(
        beams=1, layers=len(layers), spots=4, spot_tags="standard", gantry_deg=(gantry,), couch_deg=(couch,)
    )
    plan = plan_dataset(recipe, identity_of(recipe), planned_beams(recipe))
    beam = plan.IonBeamSequence[1]
    plan.IonBeamSequence = [beam]
    beam.BeamNumber = 1
    total = sum(mu for layer in layers for _, _, mu in layer.spots)
    reference = plan.FractionGroupSequence[0].ReferencedBeamSequence[0]
    reference.BeamMeterset = f"{total:.10g}"
    plan.FractionGroupSequence[0].ReferencedBeamSequence = [reference]
    for index, point in enumerate(beam.IonControlPointSequence):
        layer = layers[index // 2]
        point.NominalBeamEnergy = f"{layer.energy_mev:g}"
        point.NumberOfScanSpotPositions = len(layer.spots)
        point.ScanSpotPositionMap = [value for x, y, _ in layer.spots for value in (x, y)]
        point.ScanSpotMetersetWeights = [0.0 if index % 2 else mu for _, _, mu in layer.spots]
    return dicom_bytes(plan)


def pencil_model(path: Path, *, sigma_mm: float, protons_per_mu: float = 1e9, nozzle_mm: float = 400.0) -> Path:
    """A beam model without secrets: one narrow Gaussian, mean energies as named, the same protons per MU throughout."""
    rows = "\n".join(
        f"{energy} {energy} 0.6 {protons_per_mu} 1.0 {sigma_mm} 0.00001 0.0 {sigma_mm} 0.00001 0.0"
        " 0.0 20.0 0.00001 0.0 20.0 0.00001 0.0"
        for energy in (70.0, 150.0, 230.0)
    )
    path.write_text(
        "--UPenn beam model (double gaussian)--\n# for tests\n\n"
        f"Nozzle exit to Isocenter distance\n{nozzle_mm}\n\n"
        "SMX to Isocenter distance\n2000.0\n\nSMY to Isocenter distance\n2000.0\n\n"
        f"Beam parameters\n3 energies\n\nNominalEnergy\tMeanEnergy\n{rows}\n",
        encoding="utf-8",
    )
    return path
