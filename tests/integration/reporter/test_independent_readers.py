"""Programs that are not ours read from our RT Dose what the engine wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pymedphys
import pytest
from published_cases import PublishedCase, in_ct, publish

from actors.demo.recipe import CaseRecipe
from actors.reporter.dose_grid import read_dose
from actors.reporter.dvh import _dvhcalc

pytestmark = pytest.mark.xdist_group("independent readers")  # one fixture for all of them


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> PublishedCase:
    folder = tmp_path_factory.mktemp("case")
    return publish(CaseRecipe(beams=2, layers=2, spots=12, ct=True), folder, in_ct(folder))


def raw(case: PublishedCase, number: int) -> np.ndarray:
    (path,) = (case.folder.parent.parent / "run" / str(number) / "out").glob("*_Dose.raw")
    return np.fromfile(path, dtype="<f8").reshape(100, 100, 100)


@pytest.mark.promise("P41")
def test_pymedphys_reads_every_beam_and_the_sum_without_loss(case: PublishedCase) -> None:
    beams = [raw(case, beam.number) for beam in case.written.beams]
    files = [case.folder / f"beam_{beam.number}.dcm" for beam in case.written.beams]
    for path, wanted in ((files[0], beams[0]), (files[1], beams[1]), (case.folder / "sum.dcm", beams[0] + beams[1])):
        (z, y, x), dose = pymedphys.dicom.zyx_and_dose_from_dataset(pydicom.dcmread(path))
        assert np.abs(dose - wanted).max() <= 1e-5 * wanted.max()
        ours = read_dose(path)
        assert np.allclose(ours.dose, wanted, atol=1e-6 * wanted.max())
        for own, other in zip(ours.axes, (z, y, x), strict=True):
            assert np.allclose(own, other)


def test_every_object_that_a_dose_refers_to_lies_in_the_case(case: PublishedCase) -> None:
    """Plan, all images and the structure set, by their class, series and study."""
    there = {}
    for path in case.written.path.glob("*.dcm"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        there[header.SOPInstanceUID] = (header.SOPClassUID, header.SeriesInstanceUID, header.StudyInstanceUID)
    for path in sorted(case.folder.glob("*.dcm")):
        dose = pydicom.dcmread(path, stop_before_pixels=True)
        named = {
            one.ReferencedSOPInstanceUID: (one.ReferencedSOPClassUID, series.SeriesInstanceUID, dose.StudyInstanceUID)
            for series in dose.ReferencedSeriesSequence
            for one in series.ReferencedInstanceSequence
        }
        assert named == there, path.name
        assert len(dose.ReferencedImageSequence) == 100


def test_dicompyler_reads_the_same_planes_at_the_same_heights(case: PublishedCase) -> None:
    _dvhcalc()
    from dicompylercore import dicomparser  # noqa: PLC0415 - after it was made loadable

    path = case.folder / "sum.dcm"
    parser, ours = dicomparser.DicomParser(str(path)), read_dose(Path(path))
    scaling = float(parser.GetDoseData()["dosegridscaling"])
    for index in (20, 50, 80):
        plane = parser.GetDoseGrid(float(ours.z_mm[index])) * scaling
        assert np.allclose(plane, ours.dose[index], atol=1e-6 * ours.maximum)
