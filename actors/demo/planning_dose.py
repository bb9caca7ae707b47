"""The planning system's RT Dose of a synthetic case: the reference engine's dose of what was *planned*, whole course.

It shares the engine's physics, so that a case delivered as planned differs from it only by noise of the delivery, and a
named fault by what the fault says.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import RTDoseStorage, RTIonPlanStorage

from actors.demo.ct import PITCH_MM, PIXELS, SLICES, WATER_HALF_MM, volume_origin
from actors.demo.engine.beam_model import model_of, protons_per_mu
from actors.demo.engine.dose import SpotLayer, beam_dose
from actors.demo.engine.patient import BeamInVolume, Volume, place_beam
from actors.demo.engine.plan import PlanBeam
from actors.demo.machine import machine_named
from actors.demo.planned import Identity, PlannedBeam, PlannedLayer, made_uid
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.demo.rtplan import dicom_bytes, dicom_file, patient_and_study

_STEP_MM = 1.0
"""A segment of line scanning is planned as points no farther apart than this."""
_SHORTER_MM = 2.0
_LEVELS = 2**32 - 1


def planning_dose_file(recipe: CaseRecipe, identity: Identity, beams: Sequence[PlannedBeam]) -> bytes:
    """The RT Dose of the whole plan over all fractions, in the CT's frame of reference."""
    dose = planned_dose(recipe, beams)
    if recipe.fault is CaseFault.MIRRORED_DOSE:
        dose = dose[:, :, ::-1]
    return dicom_bytes(_dataset(recipe, identity, dose * recipe.planned_fractions))


def planned_dose(recipe: CaseRecipe, beams: Sequence[PlannedBeam]) -> NDArray[np.float64]:
    """Gray of one fraction as planned, in the CT's voxels (z, y, x)."""
    volume = _water(recipe)
    total = np.zeros(volume.density.shape)
    model = model_of(1 if machine_named(recipe.machine).gantry == "G1" else 2)
    for beam in beams:
        layers = [_spots(recipe, beam, layer) for layer in beam.layers]
        spots = np.vstack([np.column_stack([layer.x_mm, layer.y_mm]) for layer in layers])
        plan = PlanBeam(beam.name, recipe.machine, beam.gantry_deg, beam.couch_deg, recipe.isocentre_mm)
        placed = place_beam(volume, plan, spots)
        total += _deeper(placed, recipe).into_voxels(beam_dose(layers, placed.grid, model))
    return total


def _deeper(placed: BeamInVolume, recipe: CaseRecipe) -> BeamInVolume:
    """Every voxel looked up 2 mm deeper than it lies is a dose that ends 2 mm before it should."""
    if recipe.fault is not CaseFault.RANGE_2_MM:
        return placed
    lookup = placed.lookup.copy()
    depths = placed.grid.depth_edges_mm
    lookup[0] += _SHORTER_MM / float(depths[1] - depths[0])
    return BeamInVolume(placed.grid, lookup, placed.inside)


def _water(recipe: CaseRecipe) -> Volume:
    """The CT of the case, as the engine would read it."""
    shape = (SLICES, PIXELS, PIXELS)
    inside = np.ones(shape, dtype=bool)
    for axis, count in enumerate(shape):
        places = np.abs((np.arange(count) - (count - 1) / 2) * PITCH_MM) <= WATER_HALF_MM
        inside &= places.reshape([-1 if n == axis else 1 for n in range(3)])
    return Volume(inside.astype(np.float32), volume_origin(recipe), (PITCH_MM, PITCH_MM, PITCH_MM))


def _spots(recipe: CaseRecipe, beam: PlannedBeam, layer: PlannedLayer) -> SpotLayer:
    """Protons of a layer; a segment of line scanning is spread evenly over its way."""
    mu = layer.weights.astype(np.float64) * (beam.meterset_mu / beam.final_weight)
    xy = layer.xy_mm.astype(np.float64)
    if recipe.scan_mode == "line":
        xy, mu = _along(xy, mu)
    protons = mu * protons_per_mu(layer.energy_mev)
    return SpotLayer(layer.energy_mev, xy[:, 0], xy[:, 1], protons)


def _along(xy: NDArray[np.float64], mu: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weight i belongs to the way from position i−1 to i."""
    points, weights = [], []
    for (begin, end), amount in zip(pairwise(xy), mu[1:], strict=True):
        count = max(int(np.ceil(np.linalg.norm(end - begin) / _STEP_MM)), 1)
        share = ((np.arange(count) + 0.5) / count)[:, None]
        points.append(begin * (1.0 - share) + end * share)
        weights.append(np.full(count, amount / count))
    return np.vstack(points), np.concatenate(weights)


def _dataset(recipe: CaseRecipe, identity: Identity, dose: NDArray[np.float64]) -> FileDataset:
    file = dicom_file(RTDoseStorage, made_uid("planning dose", identity.plan_uid))
    patient_and_study(file, identity, "RTDOSE", series="planning dose")
    file.Manufacturer = "Synthetic"
    file.InstanceNumber = "1"
    frames, rows, columns = dose.shape
    file.SamplesPerPixel = 1
    file.PhotometricInterpretation = "MONOCHROME2"
    file.NumberOfFrames = str(frames)
    file.FrameIncrementPointer = 0x3004000C
    file.Rows, file.Columns = rows, columns
    file.ImagePositionPatient = [f"{value:.3f}" for value in volume_origin(recipe)]
    file.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    file.PixelSpacing = [f"{PITCH_MM}", f"{PITCH_MM}"]
    file.SliceThickness = f"{PITCH_MM}"
    file.GridFrameOffsetVector = [f"{index * PITCH_MM:.1f}" for index in range(frames)]
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 32, 32, 31, 0
    file.DoseUnits, file.DoseType, file.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    scaling = f"{dose.max() / _LEVELS:.9e}"
    file.DoseGridScaling = scaling
    plan = Dataset()
    plan.ReferencedSOPClassUID = RTIonPlanStorage
    plan.ReferencedSOPInstanceUID = identity.plan_uid
    file.ReferencedRTPlanSequence = DicomSequence([plan])
    levels = np.minimum(np.rint(dose / float(scaling)), _LEVELS)
    file.PixelData = levels.astype("<u4").tobytes()
    return file
