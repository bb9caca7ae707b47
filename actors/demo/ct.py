"""A CT of a box of water with its RTSTRUCT, around the isocentre of the plan (HFS, axial slices)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import CTImageStorage, RTStructureSetStorage

from actors.demo.planned import Identity, made_uid, structures_uid
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.demo.rtplan import dicom_bytes, dicom_file, patient_and_study

PIXELS = 100
SLICES = 100
PITCH_MM = 3.0
"""Pixel spacing and slice distance."""
WATER_HALF_MM = 141.0
"""The box of water reaches this far from the isocentre, in every direction."""
_AIR_HU = -1000
_TILT_DEG = 10.0


def ct_files(recipe: CaseRecipe, identity: Identity) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every slice and of the structure set."""
    skipped = SLICES // 2 if recipe.fault is CaseFault.CT_GAP else -1
    for index in range(SLICES):
        if index != skipped:
            yield f"CT.{index + 1:03d}.dcm", dicom_bytes(_slice(recipe, identity, index))
    yield "RS.structures.dcm", dicom_bytes(_structures(recipe, identity))


def volume_origin(recipe: CaseRecipe) -> tuple[float, float, float]:
    """Centre of the first voxel: the isocentre lies in the middle of the volume."""
    half = (PIXELS - 1) / 2 * PITCH_MM
    x, y, z = recipe.isocentre_mm
    return x - half, y - half, z - (SLICES - 1) / 2 * PITCH_MM


def _slice_uid(identity: Identity, index: int) -> str:
    return made_uid("ct", identity.study_uid, index)


def _slice(recipe: CaseRecipe, identity: Identity, index: int) -> FileDataset:
    image = dicom_file(CTImageStorage, _slice_uid(identity, index))
    patient_and_study(image, identity, "CT", series="ct")
    x, y, z = volume_origin(recipe)
    z += index * PITCH_MM
    image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    image.AcquisitionNumber = "1"
    image.InstanceNumber = str(index + 1)
    image.PatientPosition = "HFS"
    image.KVP = "120"
    image.ImagePositionPatient = [f"{value:.3f}" for value in (x, y, z)]
    image.ImageOrientationPatient = _orientation(recipe)
    image.SliceThickness = f"{PITCH_MM}"
    image.SliceLocation = f"{z:.3f}"
    image.PixelSpacing = [f"{PITCH_MM}", f"{PITCH_MM}"]
    image.SamplesPerPixel = 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.Rows = PIXELS
    image.Columns = PIXELS
    image.BitsAllocated = 16
    image.BitsStored = 16
    image.HighBit = 15
    image.PixelRepresentation = 1
    image.RescaleIntercept = "0"
    image.RescaleSlope = "1"
    image.RescaleType = "HU"
    image.PixelData = _pixels(z - recipe.isocentre_mm[2]).tobytes()
    return image


def _orientation(recipe: CaseRecipe) -> list[str]:
    if recipe.fault is not CaseFault.CT_TILTED:
        return ["1", "0", "0", "0", "1", "0"]
    tilt = math.radians(_TILT_DEG)
    return ["1", "0", "0", "0", f"{math.cos(tilt):.6f}", f"{math.sin(tilt):.6f}"]


def _pixels(z_mm: float) -> np.ndarray:
    """(rows, columns) int16 HU of the slice at ``z_mm`` from the isocentre."""
    place = (np.arange(PIXELS) - (PIXELS - 1) / 2) * PITCH_MM
    inside = np.abs(place) <= WATER_HALF_MM
    pixels = np.full((PIXELS, PIXELS), _AIR_HU, dtype="<i2")
    if abs(z_mm) <= WATER_HALF_MM:
        pixels[np.ix_(inside, inside)] = 0
    return pixels


def _structures(recipe: CaseRecipe, identity: Identity) -> FileDataset:
    structures = dicom_file(RTStructureSetStorage, structures_uid(identity))
    patient_and_study(structures, identity, "RTSTRUCT", series="structures")
    structures.Manufacturer = "Synthetic"
    structures.StructureSetLabel = "DEMO"
    structures.StructureSetDate = "20260220"
    structures.StructureSetTime = "101500"
    frame = Dataset()
    frame.FrameOfReferenceUID = identity.frame_uid
    structures.ReferencedFrameOfReferenceSequence = DicomSequence([frame])
    names = ("External", *(("Metal",) if recipe.fault is CaseFault.DENSITY_OVERRIDE else ()), "Target")
    structures.StructureSetROISequence = DicomSequence([_roi(identity, n, name) for n, name in enumerate(names, 1)])
    structures.ROIContourSequence = DicomSequence(
        [_contours(recipe, identity, number) for number in range(1, len(names) + 1)]
    )
    structures.RTROIObservationsSequence = DicomSequence(
        [_observation(number, name) for number, name in enumerate(names, 1)]
    )
    structures.ApprovalStatus = "UNAPPROVED"
    return structures


def _roi(identity: Identity, number: int, name: str) -> Dataset:
    roi = Dataset()
    roi.ROINumber = str(number)
    roi.ReferencedFrameOfReferenceUID = identity.frame_uid
    roi.ROIName = name
    roi.ROIGenerationAlgorithm = "AUTOMATIC"
    return roi


def _observation(number: int, name: str) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = str(number)
    observation.ReferencedROINumber = str(number)
    observation.RTROIInterpretedType = {"External": "EXTERNAL", "Target": "PTV"}.get(name, "CONTROL")
    observation.ROIInterpreter = ""
    if name == "Metal":
        density = Dataset()
        density.ROIPhysicalProperty = "REL_MASS_DENSITY"
        density.ROIPhysicalPropertyValue = "4.5"
        observation.ROIPhysicalPropertiesSequence = DicomSequence([density])
    return observation


def _contours(recipe: CaseRecipe, identity: Identity, number: int) -> Dataset:
    """The box's outline on every slice that holds water (a tenth of it for any other region)."""
    half = WATER_HALF_MM if number == 1 else WATER_HALF_MM / 10
    x, y, z = recipe.isocentre_mm
    corners = ((x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half))
    items = []
    for index in range(SLICES):
        place = (index - (SLICES - 1) / 2) * PITCH_MM
        if abs(place) > half:
            continue
        contour = Dataset()
        image = Dataset()
        image.ReferencedSOPClassUID = CTImageStorage
        image.ReferencedSOPInstanceUID = _slice_uid(identity, index)
        contour.ContourImageSequence = DicomSequence([image])
        contour.ContourGeometricType = "CLOSED_PLANAR"
        contour.NumberOfContourPoints = str(len(corners))
        contour.ContourData = [f"{value:.3f}" for a, b in corners for value in (a, b, z + place)]
        items.append(contour)
    region = Dataset()
    region.ROIDisplayColor = ["0", "255", "0"]
    region.ContourSequence = DicomSequence(items)
    region.ReferencedROINumber = str(number)
    return region
