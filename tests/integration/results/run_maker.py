"""Collected runs as a lane leaves them, with a dose that has no symmetry."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from messages.engine import EngineProfile, Grid, InputLine
from messages.files import FileProof
from messages.interpretation import AxisFit, BeamInput, Interpretation, LayerDeviation
from messages.results import BeamResult, PublishCase, VerifiedDose, VerifyRun

CASE = "20240229-101530-0a1b2c3d"
EPOCH = 2**32 + 7
GRID = Grid(size=(6, 5, 4), spacing_mm=(2.0, 3.0, 1.5), origin_mm=(-5.0, -6.0, -4.5))
STARTED = "2024-02-29T10:20:00+09:00"
ENDED = "2024-02-29T10:21:00+09:00"
ENGINE_SHA = "ab" * 32

PROFILE = EngineProfile(
    name="reference",
    version="3",
    dialect="moqui-smc",
    command=("engine", "{input}"),
    geometry="phantom",
    grid=GRID,
    input=(InputLine(key="GPUID", value="0"),),
    scale="counts",
    shorten=2,
    dose_factor=0.25,
    calibrated=True,
    commissioned=(ENGINE_SHA,),
)


def a_dose(grid: Grid = GRID, seed: int = 1) -> np.ndarray:
    """Positive everywhere, [nz, ny, nx], its maximum inside."""
    nx, ny, nz = grid.size
    dose = np.random.default_rng(seed).uniform(0.1, 1.0, (nz, ny, nx))
    dose[nz // 2, ny // 2, nx // 2] = 2.0
    return dose


def beam_input(number: int = 3, grid: Grid = GRID, name: str = "G000: field/1", **changes: object) -> BeamInput:
    beam = BeamInput(
        number=number,
        name=name,
        directory=f"/site/{number}",
        files=(FileProof("input.txt", 3, "cd" * 32),),
        command=("engine", "in/input.txt"),
        environment=(("OMP_NUM_THREADS", "1"),),
        expected=("*_Dose.raw",),
        grid=grid,
        dose_scale=0.5,
        memory_mb=1,
        wall_limit_s=60,
        seed=11,
        gantry_deg=90.0 * number,
        couch_deg=0.0,
        isocentre_mm=(10.0, 20.0, 30.0),
        planned_mu=100.0,
        delivered_mu=99.5,
        counts=123456,
        layers=(LayerDeviation(1, 150.0, 100.0, 99.5, 0.0005, 0.1, 0.2, 0.3, 0),),
        fit=AxisFit("identity", 1.0, 0.01, 0.02, 0.05, "mirror x", 3.0),
    )
    return replace(beam, **changes)  # type: ignore[arg-type]


def proof(directory: Path, name: str) -> FileProof:
    content = (directory / name).read_bytes()
    return FileProof(name, len(content), hashlib.sha256(content).hexdigest())


def exit_json(for_key: str, **changes: object) -> str:
    content = {
        "key": for_key,
        "epoch": EPOCH,
        "exit_code": 0,
        "signal": None,
        "timed_out": False,
        "cancelled": False,
        "started": STARTED,
        "ended": ENDED,
        "duration_s": 60.0,
        "boot_id": "b",
    }
    return json.dumps(content | changes)


def collected_run(
    folder: Path,
    beam: BeamInput | None = None,
    *,
    dose: np.ndarray | None = None,
    attempt: int = 1,
    exit_changes: dict[str, object] | None = None,
    output: str = "1_0_Dose.raw",
) -> VerifyRun:
    """A run directory as collected, good unless told otherwise, and the order to verify it."""
    beam = beam or beam_input()
    key = f"{CASE}/{beam.number}/{attempt}"
    directory = folder / f"beam{beam.number}-{attempt}"
    (directory / "out").mkdir(parents=True)
    values = a_dose(beam.grid, beam.number) if dose is None else dose
    (directory / "out" / output).write_bytes(values.astype("<f8").tobytes())
    (directory / "engine.log").write_text(
        "1 histories per batch, with 1 batches\nTime taken by MC engine: 5 milli-seconds\n"
    )
    (directory / "exit.json").write_text(exit_json(key, **(exit_changes or {})))
    names = [f"out/{output}", "engine.log", "exit.json"]
    return VerifyRun(key, EPOCH, beam, str(directory), tuple(proof(directory, name) for name in names))


def again(run: VerifyRun) -> VerifyRun:
    """The same order after the collected files were changed on purpose: with proofs of what lies there now."""
    directory = Path(run.directory)
    names = sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
    return replace(run, collected=tuple(proof(directory, name) for name in names))


def make_old(path: Path, seconds: float = 3600) -> None:
    """Set the modification time to well before the run of ``exit_json``."""
    then = datetime.fromisoformat(STARTED).timestamp() - seconds
    os.utime(path, (then, then))


def interpretation(*beams: BeamInput, **changes: object) -> Interpretation:
    value = Interpretation(
        case=CASE,
        plan_uid="1.2.826.0.1.3680043.8.498.77",
        plan_label="plan",
        study_uid="1.2.826.0.1.3680043.8.498.1",
        frame_of_reference="1.2.826.0.1.3680043.8.498.2",
        machine="G1",
        gantry="G1",
        scan_mode="line",
        profile="reference/3",
        calibration_sha256="ef" * 32,
        fraction_group=1,
        planned_fractions=33,
        fraction_groups=2,
        partial=False,
        beams=beams,
        inputs=(FileProof("RP.dcm", 7, "01" * 32),),
        review=(),
        suspect=(),
    )
    return replace(value, **changes)  # type: ignore[arg-type]


def a_result(run: VerifyRun, dose: VerifiedDose) -> BeamResult:
    attempt = int(run.key.rpartition("/")[2])
    return BeamResult(run.beam.number, attempt, "gpu1", "GPU-1234", dose, run.directory)


def publication(
    results: Path, value: Interpretation, beams: tuple[BeamResult, ...], profile: EngineProfile = PROFILE
) -> PublishCase:
    return PublishCase(
        interpretation=value,
        plan_path="/share/patient/RP.dcm",
        beams=beams,
        results_dir=str(results),
        engine_version=f"sha256 {ENGINE_SHA}",
        daemon_version="0.1.0",
        profile_json=profile.model_dump_json(),
        missing=(),
        supersedes="",
    )
