"""One run: two half-runs with seeds of their own, and the dose that is their mean, in gray of one fraction."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from actors.mcsquare.beam_data import BeamData, read_beam_data
from actors.mcsquare.engine_files import write_config, write_files, write_plan
from actors.mcsquare.errors import DriverError
from actors.mcsquare.installation import binary, installed
from actors.mcsquare.order import Order, read_order
from actors.mcsquare.plan import Beam, read_beam
from actors.mcsquare.scene import Scene, ct_scene, phantom_scene
from actors.mcsquare.simulation import simulate

GRAY = 1.602176634e-19 * 1e3
"""One eV/g in Gy (J/kg)."""
_STEPS = 10
"""Steps of progress of one half-run: MCsquare tells every tenth."""
_WORK = "mcsquare"
"""Folder of MCsquare's own files, beside ``in`` and ``out``; gone when the run ends well."""


@dataclass(frozen=True, slots=True)
class _Work:
    order: Order
    engine: Path
    folder: Path
    scene: Scene
    protons: float


def run(input_path: Path) -> None:
    """What the input file asks for; paths are relative to the run directory. DriverError says why not."""
    order = _order(input_path)
    engine = installed()
    beam = read_beam(order.dicom)
    data = read_beam_data(_at(engine, order.beam_model))
    scene = ct_scene(order.dicom, beam) if order.phantom is None else phantom_scene(order.phantom)
    work = _Work(order, engine, Path(_WORK), scene, protons_of(beam, data))
    shutil.rmtree(work.folder, ignore_errors=True)
    scanner = _at(engine, order.scanner) if order.phantom is None else None
    write_files(work.folder, engine, scanner, scene, data)
    write_plan(work.folder, scene, beam.layers)
    halves = [_half(work, number) for number in (0, 1)]
    order.out.mkdir(exist_ok=True)
    for number, dose in enumerate(halves, 1):
        _write(order.out / f"beam_half{number}.raw", dose)
    _write(order.out / "beam_Dose.raw", 0.5 * (halves[0] + halves[1]))
    shutil.rmtree(work.folder)
    print("MCsquare run complete", flush=True)


def protons_of(beam: Beam, data: BeamData) -> float:
    """Protons of the whole beam; DriverError for an energy outside of the beam model."""
    return sum(float(layer.mu.sum()) * data.protons(layer.energy_mev) for layer in beam.layers)


def _order(path: Path) -> Order:
    try:
        return read_order(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DriverError(f"The input file {path} cannot be read: {error}.") from None


def _half(work: _Work, number: int) -> NDArray[np.float64]:
    """The whole beam's dose (Gy) in the profile's axes, from half of the protons to simulate."""
    order = work.order
    primaries = (order.primaries + 1) // 2
    seed = write_config(
        work.folder,
        seed=order.seed,
        half=number,
        primaries=primaries,
        threads=order.threads,
        passed_on=order.passed_on,
    )
    program = binary(work.engine, order.build)
    what = f"{program.name}, {primaries} of {work.protons:.4g} protons, seed {seed}"
    print(f"Half-run {number + 1} of 2: {what}", flush=True)
    dose = simulate(
        program,
        work.folder,
        size=work.scene.size,
        primaries=primaries,
        threads=order.threads,
        tell=partial(_tell, number * _STEPS),
    )
    return work.scene.back(dose).astype(np.float64) * (work.protons * GRAY)


def _tell(before: int, percent: int) -> None:
    print(f"Simulated {before + percent * _STEPS // 100} of {2 * _STEPS} parts", flush=True)


def _write(path: Path, dose: NDArray[np.float64]) -> None:
    """Headerless float64, z slowest, x fastest: under its name only when whole."""
    part = path.with_name(f".{path.name}")
    np.ascontiguousarray(dose, dtype="<f8").tofile(part)
    part.replace(path)


def _at(engine: Path, name: str) -> Path:
    """A path as the profile gives it: relative ones lie in the engine's folder."""
    return engine / name
