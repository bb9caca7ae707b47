"""One picture per case, from the published files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import RTDoseStorage

from actors.demo.pictures import draw_case, read_dose
from actors.demo.rtplan import dicom_bytes, dicom_file


def rt_dose(path: Path, dose: np.ndarray, *, phantom: bool) -> None:
    dataset = dicom_file(RTDoseStorage, "2.25.1")
    scaling = max(float(dose.max()), 1e-9) / 4e9
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = dose.shape
    dataset.PixelSpacing = ["2", "3"]
    dataset.ImagePositionPatient = ["-30", "-20", "-100"]
    dataset.GridFrameOffsetVector = [str(4 * index) for index in range(dose.shape[0])]
    dataset.DoseGridScaling = f"{scaling:.9e}"
    dataset.DoseUnits = "GY" if phantom else "RELATIVE"
    dataset.TissueHeterogeneityCorrection = "WATER" if phantom else "IMAGE"
    dataset.SamplesPerPixel, dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 1, 32, 32, 31
    dataset.PixelRepresentation = 0
    dataset.PixelData = np.rint(dose / float(dataset.DoseGridScaling)).astype("<u4").tobytes()
    dataset["PixelData"].VR = "OW"
    path.write_bytes(dicom_bytes(dataset))


@pytest.mark.parametrize("phantom", [True, False])
@pytest.mark.parametrize("shape", [(30, 20, 16), (1, 20, 16)])
def test_a_picture_of_a_case(tmp_path: Path, phantom: bool, shape: tuple[int, int, int]) -> None:
    results = tmp_path / "20260302-093015-00000000"
    results.mkdir()
    dose = np.random.default_rng(3).uniform(0.0, 2.0, shape)
    for name, factor in (("beam_3", 0.4), ("beam_11", 0.6), ("sum", 1.0)):
        rt_dose(results / f"{name}.dcm", factor * dose, phantom=phantom)
    target = draw_case(results, tmp_path / "pictures" / "case.png")
    assert target.read_bytes().startswith(b"\x89PNG")
    assert target.stat().st_size > 20_000


def test_a_dose_that_is_zero_everywhere(tmp_path: Path) -> None:
    rt_dose(tmp_path / "sum.dcm", np.zeros((4, 5, 6)), phantom=True)
    assert draw_case(tmp_path, tmp_path / "zero.png").is_file()


def test_numbers_are_read_back(tmp_path: Path) -> None:
    dose = np.random.default_rng(4).uniform(0.0, 2.0, (4, 5, 6))
    rt_dose(tmp_path / "sum.dcm", dose, phantom=True)
    read = read_dose(tmp_path / "sum.dcm", "sum")
    np.testing.assert_allclose(read.dose, dose, atol=1e-8)
    assert [axis[1] - axis[0] for axis in read.axes_mm] == [3.0, 2.0, 4.0]
    assert read.surface_mm == -100.0 + 4 * 3 + 2.0
    assert read.units == "Gy"
    with pytest.raises(OSError, match="nowhere"):
        draw_case(tmp_path / "nowhere", tmp_path / "x.png")
