"""A structure that the report leaves out is named: nobody takes those shown for all there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from actors.reporter import evidence
from actors.reporter.document import _structures
from actors.reporter.dvh import Dvh, Structure, histograms
from actors.reporter.evidence import Histograms
from actors.reporter.sections import dvh_section
from actors.reporter.sources import CaseFiles

NAMES = tuple(Structure(number, f"organ {number}", "ORGAN") for number in range(1, 12))
GRAY: Any = SimpleNamespace(gray=True, sum={"file": "sum.dcm"})


def histogram(structure: Structure, notes: str = "") -> Dvh:
    return Dvh(structure, 10.0, np.linspace(0.0, 2.0, 20), np.linspace(100.0, 0.0, 20), 1.0, 0.0, 2.0, notes)


def test_what_is_out_of_the_grid_or_too_much_is_kept_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "_MAX_STRUCTURES", 10)
    monkeypatch.setattr(evidence, "dcmread", lambda _: None)
    monkeypatch.setattr(evidence, "structures_of", lambda _: NAMES)
    monkeypatch.setattr(evidence, "histograms", lambda _, __, chosen: [histogram(one) for one in chosen[1:]])
    published: Any = SimpleNamespace(folder=Path(), manifest=GRAY)
    found = evidence._histograms(published, CaseFiles((), (Path("RS.dcm"),), ()), None)
    assert found.without == ("organ 1", "organ 11")
    assert (len(found.delivered), found.reason) == (9, "")


def test_the_report_says_which_it_does_not_show() -> None:
    some: Any = SimpleNamespace(dvh=Histograms(tuple(map(histogram, NAMES[:9])), (), ("organ 10", "organ 11")))
    section = dvh_section(some, GRAY)
    assert "Without a histogram: organ 10, organ 11." in section.tables[0].note
    assert "The first 8 structures." in section.pictures[0].caption
    every: Any = SimpleNamespace(dvh=Histograms(tuple(map(histogram, NAMES[:2]))))
    section = dvh_section(every, GRAY)
    assert "Without" not in section.tables[0].note
    assert "first" not in section.pictures[0].caption


def test_a_structure_that_the_dose_grid_cuts_is_told_with_its_figures() -> None:
    cut = "Dose grid does not encompass every contour."
    found = Histograms(tuple(histogram(one, cut if one.number < 3 else "") for one in NAMES[:4]), ())
    planned = replace(found, planned=(histogram(NAMES[3], cut),))
    some: Any = SimpleNamespace(dvh=planned)
    note = dvh_section(some, GRAY).tables[0].note
    assert f"organ 1, organ 2 (delivered): {cut}" in note
    assert f"organ 4 (planned): {cut}" in note
    assert "organ 3" not in note
    assert [one["notes"] for one in _structures(some)] == [cut, cut, "", "", cut]


def test_the_library_says_that_the_dose_grid_cuts_a_structure() -> None:
    """Its words pass through: a dose of three planes, a structure of nine."""
    square = [point for corner in ((5, 5), (25, 5), (25, 25), (5, 25)) for point in corner]
    (found,) = histograms(structure_set(square, range(-8, 10, 2)), dose_of_planes(30, (-2, 0, 2)), NAMES[:1])
    assert "does not encompass every contour" in found.notes
    (whole,) = histograms(structure_set(square, range(-2, 4, 2)), dose_of_planes(30, (-2, 0, 2)), NAMES[:1])
    assert whole.notes == ""


def structure_set(square: list[int], heights: range) -> Dataset:
    """One region, number 1: the same square at every height (mm)."""
    contours = []
    for z in heights:
        contour = Dataset()
        contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(square) // 2
        contour.ContourData = [value for x, y in zip(square[::2], square[1::2], strict=True) for value in (x, y, z)]
        contours.append(contour)
    region, drawn, dataset = Dataset(), Dataset(), Dataset()
    region.ROINumber, region.ROIName = 1, "organ 1"
    drawn.ReferencedROINumber, drawn.ContourSequence = 1, Sequence(contours)
    dataset.Modality, dataset.SOPClassUID = "RTSTRUCT", "1.2.840.10008.5.1.4.1.1.481.3"
    dataset.file_meta = meta_of(dataset.SOPClassUID)
    dataset.StructureSetROISequence, dataset.ROIContourSequence = Sequence([region]), Sequence([drawn])
    dataset.RTROIObservationsSequence = Sequence([])
    return dataset


def dose_of_planes(size: int, heights: tuple[int, ...]) -> Dataset:
    """1 Gy everywhere, voxels of 1 mm in a plane."""
    dataset = Dataset()
    dataset.Modality, dataset.SOPClassUID = "RTDOSE", "1.2.840.10008.5.1.4.1.1.481.2"
    dataset.file_meta = meta_of(dataset.SOPClassUID)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = size, size, len(heights)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 32, 32, 31, 0
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, heights[0]], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.GridFrameOffsetVector = [1, 1], [z - heights[0] for z in heights]
    dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    dataset.DoseGridScaling = "0.001"
    dataset.PixelData = np.full((len(heights), size, size), 1000, dtype="<u4").tobytes()
    return dataset


def meta_of(kind: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta
