"""One run of the engine: input file, spots, dose, output, and the lines it prints on the way."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from actors.demo.engine.beam_model import BeamModel, model_of, protons_per_count, protons_per_mu
from actors.demo.engine.dose import JOULE_PER_MEV, BeamGrid, SpotLayer, add_layer
from actors.demo.engine.grids import Phantom, phantom_of
from actors.demo.engine.input_file import EngineAbortError, InputFile
from actors.demo.engine.log_files import read_beam_logs
from actors.demo.engine.misbehaviour import EngineFault, Misbehaviour, child_in_group, die
from actors.demo.engine.noise import half_runs
from actors.demo.engine.output import Frame, write_dose
from actors.demo.engine.plan import EngineCrashError, PlanBeam, beam_numbered, beam_spots, planned_fractions, read_plan

_NOTICE = "Reference engine of the demo: analytic dose in water. No clinical engine: not for any patient."
_LEAST_STRETCHED_BATCHES = 20
_SCORERS = frozenset({"energydeposition", "dose", "letd", "lett", "dij", "tracklength"})


@dataclass(frozen=True, slots=True)
class Order:
    """The input file's answers."""

    log_directory: Path | None
    """Set in the clinical dialect; None in the public one."""
    dicom_directory: Path
    output_directory: Path
    beams: tuple[int, ...]
    """None, or 0 alone: all of them."""
    gantry: int
    particles_per_history: float
    factor: float
    """RBE × fractions in the public dialect; 0 fractions: as many as planned."""
    fractions: int
    batch_histories: int
    scorer: str
    output_format: str
    phantom: Phantom | None
    seed: int = 0
    noise_histories: float = 0.0
    """No key of the real engine: histories of a run whose noise is added, in two half-runs; 0: none."""


@dataclass(frozen=True, slots=True)
class Source:
    """One beam's protons."""

    beam: PlanBeam
    model: BeamModel
    layers: tuple[SpotLayer, ...]
    histories: int
    dose_factor: float
    """The protons' dose times this is what the engine writes."""


def run_engine(input_path: Path) -> int:
    """Do what the input file says; the exit status. Ends by a signal where the real engine does."""
    began = time.monotonic()
    if os.environ.get("_STDBUF_O") in ("L", "0") and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)  # what stdbuf asks of a C program
    wrong = Misbehaviour.asked(os.environ, Path.cwd())
    try:
        _run(InputFile.read(input_path), wrong, began)
    except EngineAbortError as error:
        die(signal.SIGABRT, f"terminate called after throwing an instance of '{error.kind}'\n  what():  {error.text}")
    except EngineCrashError:
        die(signal.SIGSEGV)
    print(f"Time taken by MC engine: {1000.0 * (time.monotonic() - began):.3f} milli-seconds")
    return 3 if wrong.fault is EngineFault.BAD_EXIT else 0


def _run(given: InputFile, wrong: Misbehaviour, began: float) -> None:
    print(_NOTICE)
    order = _order(given)
    print(f"Reading seeds.. : Inserted seed --> {given.integer('RandomSeed', -1)}")
    wrong.at_start()
    child = child_in_group() if wrong.spawn_child else None
    if wrong.fault is EngineFault.LEAK_CHILD:
        child_in_group()
    try:
        plan = read_plan(order.dicom_directory)
        for number in _beams(order, plan):
            source = _source(order, plan, number)
            _report_source(source, len(plan.IonBeamSequence), number)
            dose, frame, scoring = _simulate(order, source, wrong, began)
            stem = f"{source.beam.name}_{scoring}_{order.scorer}"
            if order.noise_histories > 0:
                dose = _write_halves(order, stem, dose, frame)
            _write(order, stem, dose, frame, wrong)
    finally:
        if child is not None:
            child.kill()
            child.wait()


def _order(given: InputFile) -> Order:
    parent = given.text("ParentDir")
    if not parent:
        raise EngineAbortError("std::runtime_error", "ParentDir is not provided")
    scorer = given.text("Scorer", "EnergyDeposition")
    if scorer.lower() not in _SCORERS:
        raise EngineAbortError("std::runtime_error", "Unrecognized scorer name")
    if not given.has("OutputDir"):
        raise EngineAbortError("std::runtime_error", "Output directory is not provided.")
    output = Path(given.text("OutputDir"))
    if output.exists() and not given.flag("OverwriteResults"):
        raise EngineAbortError("std::runtime_error", "Output directory exists.")
    clinical = given.has("logFilePath")
    beams = given.integers("BeamNumbers")
    if not beams and not clinical:
        raise EngineCrashError("the public engine prints the first beam number before it looks whether there is one")
    if not clinical:
        _need_machine(given.text("Machine"))
    return Order(
        log_directory=Path(parent) / given.text("logFilePath") if clinical else None,
        dicom_directory=Path(parent) / given.text("DicomDir"),
        output_directory=output,
        beams=beams,
        gantry=given.integer("GantryNum", 2),
        particles_per_history=given.number("ParticlesPerHistory", -1.0),
        factor=given.number("RBE", 1.1),
        fractions=given.integer("NumberOfFraction", -1),
        batch_histories=given.integer("MaxHistoriesPerBatch", 0),
        scorer=scorer,
        output_format=given.text("OutputFormat", "raw"),
        phantom=phantom_of(given),
        seed=given.integer("RandomSeed", 0),
        noise_histories=given.number("NoiseHistories", 0.0),
    )


def _beams(order: Order, plan: Dataset) -> tuple[int, ...]:
    """The beams asked for; all but one named Setup where none is. The engine counts them from 1, by their place."""
    if order.beams and order.beams != (0,):
        return order.beams
    return tuple(n for n, beam in enumerate(plan.IonBeamSequence, 1) if beam.get("BeamName") != "Setup")


def _need_machine(machine: str) -> None:
    kind, _, model = machine.partition(":")
    if kind != "PBS" or not Path(model).is_file():
        raise EngineAbortError("std::runtime_error", f"Valid machine is not available: {machine}")


def _source(order: Order, plan: Dataset, number: int) -> Source:
    beam = beam_numbered(plan, number)
    if order.log_directory is not None:
        return _logged_source(order, beam, order.log_directory, number)
    return _planned_source(order, beam, plan, number)


def _logged_source(order: Order, beam: PlanBeam, directory: Path, number: int) -> Source:
    """The clinical dialect: counts of the log × ParticlesPerHistory are histories, each worth ParticlesPerHistory."""
    model = model_of(order.gantry)
    logs = read_beam_logs(directory, number - 1)
    each = max(order.particles_per_history, 0.0)
    layers = tuple(
        SpotLayer(
            log.energy_mev, log.x_mm, log.y_mm, _protons(log.counts, each * protons_per_count(model, log.energy_mev))
        )
        for log in logs
    )
    histories = int(sum(int(log.counts.sum()) for log in logs) * each)
    return Source(beam, model, layers, histories, order.particles_per_history)


def _protons(counts: NDArray[np.int64], each: float) -> NDArray[np.float64]:
    return counts.astype(np.float64) * each


def _planned_source(order: Order, beam: PlanBeam, plan: Dataset, number: int) -> Source:
    """The public dialect: raw weights are MU, cut to whole histories; RBE and fractions multiply."""
    model = model_of(1 if beam.machine.endswith("1") else 2)
    each = order.particles_per_history
    layers = []
    histories = 0
    for layer in beam_spots(plan, number):
        whole = np.trunc(layer.weights * protons_per_mu(layer.energy_mev) / abs(each or 1.0))
        histories += int(whole.sum())
        layers.append(SpotLayer(layer.energy_mev, layer.x_mm, layer.y_mm, whole))
    fractions = order.fractions if order.fractions > 0 else planned_fractions(plan)
    return Source(beam, model, tuple(layers), histories, each * order.factor * fractions)


def _report_source(source: Source, beams: int, number: int) -> None:
    print(f"Creating beam source object.. : Detected beam count --> {beams}")
    print(f"Creating beam source object.. : Currently selected beam --> {number} ({source.beam.name})")
    print(f"Total beamlets (Spots) : {sum(len(layer.protons) for layer in source.layers)}")
    print(f"Total histories (Particles) : {source.histories}")


def _simulate(
    order: Order, source: Source, wrong: Misbehaviour, began: float
) -> tuple[NDArray[np.float64], Frame, int]:
    """Dose (z, y, x) in the engine's unit, its grid, and the number of the scoring child."""
    if order.phantom is not None:
        phantom = order.phantom
        dose = _transport(order, source, phantom.beam_grid(), wrong, began)
        origin = tuple(float(phantom.centres(axis)[0]) for axis in range(3))
        return dose[::-1], Frame(phantom.size, phantom.spacing_mm, (origin[0], origin[1], origin[2])), phantom.child
    from actors.demo.engine.patient import place_beam, read_volume  # noqa: PLC0415 - scipy.ndimage is slow to import

    volume = read_volume(order.dicom_directory)
    spots = [np.column_stack([layer.x_mm, layer.y_mm]) for layer in source.layers]
    placed = place_beam(volume, source.beam, np.vstack([np.empty((0, 2)), *spots]))
    dose = placed.into_voxels(_transport(order, source, placed.grid, wrong, began))
    return dose, Frame(volume.size, volume.spacing_mm, volume.origin_mm), 0


def _transport(order: Order, source: Source, grid: BeamGrid, wrong: Misbehaviour, began: float) -> NDArray[np.float64]:
    """Layer by layer, spread over the batches that a Monte Carlo run would make of its histories."""
    size = order.batch_histories if order.batch_histories > 0 else max(source.histories, 1)
    batches = max(math.ceil(source.histories / size), 1)
    if wrong.seconds:
        batches = max(batches, _LEAST_STRETCHED_BATCHES)
    print(f"Uploading particles.. : {size} histories per batch, with {batches} batches")
    dose = np.zeros(grid.shape)
    waiting = list(source.layers)
    for batch in _paced(batches, wrong.seconds, began):
        print(f"Generating particles for ({batch} of {batches} batches) in CPU ..")
        due = len(source.layers) * (batches - batch) // batches
        while len(waiting) > due:
            add_layer(dose, waiting.pop(0), grid, source.model)
        if batch == (batches + 1) // 2:
            wrong.half_way()
        print("Particle transportation complete!")
    return dose * source.dose_factor


def _paced(batches: int, seconds: float, began: float) -> Iterator[int]:
    """Batch numbers from 1, each not before its time."""
    for batch in range(1, batches + 1):
        yield batch
        if seconds:
            time.sleep(max(began + seconds * batch / batches - time.monotonic(), 0.0))


def _write_halves(order: Order, stem: str, dose: NDArray[np.float64], frame: Frame) -> NDArray[np.float64]:
    """Writes both half-runs beside the dose, which is their mean."""
    halves = half_runs(dose, order.noise_histories, order.seed)
    for number, half in enumerate(halves, start=1):
        write_dose(order.output_directory, f"{stem}_half{number}", order.output_format, half, frame)
    return 0.5 * (halves[0] + halves[1])


def _write(order: Order, stem: str, dose: NDArray[np.float64], frame: Frame, wrong: Misbehaviour) -> None:
    scored = dose
    if order.scorer.lower() == "energydeposition":
        scored = dose * (math.prod(frame.spacing_mm) * 1e-6 / JOULE_PER_MEV)  # MeV: 1 mm³ of water is 1e-6 kg
    if wrong.fault is not EngineFault.NO_OUTPUT:
        scored, frame = _wrong_values(scored, frame, wrong.fault)
        path = write_dose(order.output_directory, stem, order.output_format, scored, frame)
        if path is not None:
            _spoil_file(path, wrong.fault)


def _wrong_values(
    dose: NDArray[np.float64], frame: Frame, fault: EngineFault | None
) -> tuple[NDArray[np.float64], Frame]:
    if fault is EngineFault.ZERO:
        return np.zeros_like(dose), frame
    if fault is EngineFault.NEGATIVE:
        return -dose, frame
    if fault is EngineFault.NAN:
        spoilt = dose.copy()
        spoilt[tuple(size // 2 for size in dose.shape)] = np.nan
        return spoilt, frame
    if fault is EngineFault.WRONG_GRID:
        nx, ny, nz = frame.size
        return np.concatenate([dose, dose[-1:]]), replace(frame, size=(nx, ny, nz + 1))
    return dose, frame


def _spoil_file(path: Path, fault: EngineFault | None) -> None:
    size = path.stat().st_size
    if fault is EngineFault.EMPTY:
        os.truncate(path, 0)
    elif fault in (EngineFault.SHORT, EngineFault.SEGFAULT):
        os.truncate(path, size // 2)
        if fault is EngineFault.SEGFAULT:
            die(signal.SIGSEGV)
    elif fault is EngineFault.STALE:
        os.utime(path, (978307200, 978307200))
    elif fault is EngineFault.TWO_OUTPUTS:
        path.with_name(f"again_{path.name}").write_bytes(path.read_bytes())
