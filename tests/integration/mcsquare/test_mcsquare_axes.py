"""MCsquare's axes, signs and image files against the patient's: an L of spots at several angles, a block of lung."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import FileDataset

from actors.demo.ct import ct_files
from actors.demo.engine.patient import beam_axes
from actors.demo.planned import identity_of
from actors.demo.recipe import CaseRecipe
from actors.demo.rtplan import dicom_bytes
from tests.kit.mcsquare import SpotLayer, box_keys, driver_run, needs_mcsquare, pencil_model

pytestmark = needs_mcsquare

L_SPOTS = ((-20.0, 25.0), (-20.0, 10.0), (-20.0, -5.0), (-20.0, -20.0), (-10.0, -20.0), (0.0, -20.0))
ANGLES = ((0.0, 0.0), (90.0, 0.0), (180.0, 0.0), (270.0, 0.0), (0.0, 90.0), (35.0, 20.0))
ISOCENTRE = np.array(CaseRecipe().isocentre_mm)
SPACING = (3.0, 3.0, 6.0)
CORNER = ISOCENTRE - np.array([115.0, 95.0, 104.0])
SIZE = (76, 70, 36)
"""Columns, rows and slices of a CT whose middle is not the isocentre, and whose sides differ."""


def write_ct(folder: Path, hu: NDArray[np.int16]) -> None:
    """Slices with these Hounsfield numbers [z, y, x] and the geometry above."""
    recipe = CaseRecipe(beams=1, ct=True)
    _, template = next(iter(ct_files(recipe, identity_of(recipe))))
    (folder / "template.dcm").write_bytes(template)
    image = dcmread(folder / "template.dcm")
    assert isinstance(image, FileDataset)
    (folder / "template.dcm").unlink()
    image.Rows, image.Columns, image.SliceThickness = SIZE[1], SIZE[0], f"{SPACING[2]}"
    image.PixelSpacing = [f"{SPACING[1]}", f"{SPACING[0]}"]
    for number in range(SIZE[2]):
        centre = CORNER + np.array(SPACING) / 2 + (0.0, 0.0, number * SPACING[2])
        image.ImagePositionPatient = [f"{value:.3f}" for value in centre]
        image.PixelData = hu[number].astype("<i2").tobytes()
        # files arrive in any order
        (folder / f"CT.{(7 * number) % SIZE[2]:04d}.dcm").write_bytes(dicom_bytes(image))


def centroid(dose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre of the dose from the isocentre, DICOM patient axes."""
    lines = [CORNER[axis] + SPACING[axis] * (np.arange(SIZE[axis]) + 0.5) for axis in range(3)]
    sums = (dose.sum(axis=(0, 1)), dose.sum(axis=(0, 2)), dose.sum(axis=(1, 2)))
    return np.array([(line * total).sum() for line, total in zip(lines, sums, strict=True)]) / dose.sum() - ISOCENTRE


def spots(mu: float = 1.0) -> SpotLayer:
    return SpotLayer(100.0, tuple((x, y, mu) for x, y in L_SPOTS))


@pytest.mark.promise("P40")
@pytest.mark.parametrize(("gantry", "couch"), ANGLES)
def test_an_l_lies_in_the_patient_where_the_angles_put_it(tmp_path: Path, gantry: float, couch: float) -> None:
    run = driver_run(
        tmp_path / "run",
        [spots()],
        gantry=gantry,
        couch=couch,
        BeamModel=pencil_model(tmp_path / "model.txt", sigma_mm=4.0),
        Num_Primaries=6000,
    )
    write_ct(run.directory / "in" / "dicom", np.zeros(SIZE[::-1], dtype=np.int16))
    code, said = run.process()
    assert code == 0, said
    found = beam_axes(gantry, couch) @ centroid(run.dose(SIZE))
    # each arm lies elsewhere than in any mirror image or swap of the pattern; the source's side has the more dose
    assert found[:2] == pytest.approx(np.mean(L_SPOTS, axis=0), abs=1.0)
    assert found[2] > 5.0


@pytest.mark.promise("P40")
def test_the_image_lies_as_the_spots_do(tmp_path: Path) -> None:
    """Lung on the patient's right and above: the beam that meets it goes deeper, the other one does not."""
    hu = np.zeros(SIZE[::-1], dtype=np.int16)
    x = CORNER[0] + SPACING[0] * (np.arange(SIZE[0]) + 0.5) - ISOCENTRE[0]
    z = CORNER[2] + SPACING[2] * (np.arange(SIZE[2]) + 0.5) - ISOCENTRE[2]
    hu[np.ix_(z > 0.0, range(SIZE[1]), x < 0.0)] = -700
    model = pencil_model(tmp_path / "model.txt", sigma_mm=3.0)
    depths = {}
    for a, b in ((-20.0, 20.0), (20.0, 20.0), (-20.0, -20.0)):
        layer = SpotLayer(80.0, ((a, b, 1.0),))
        run = driver_run(tmp_path / f"{a}{b}", [layer], BeamModel=model, Num_Primaries=3000)
        write_ct(run.directory / "in" / "dicom", hu)
        code, said = run.process()
        assert code == 0, said
        found = centroid(run.dose(SIZE))
        assert (found[0], found[2]) == pytest.approx((a, b), abs=2.0)
        depths[a, b] = found[1] - (CORNER[1] - ISOCENTRE[1])
    lung, other, below = depths.values()
    assert lung > 2.0 * other
    assert below == pytest.approx(other, abs=1.0)


@pytest.mark.promise("P40")
def test_an_l_lies_in_the_phantom_in_the_axes_of_the_beam(tmp_path: Path) -> None:
    """Whatever the plan's angles and isocentre: x and y as the spots', z towards the source."""
    size, spacing, corner = (50, 40, 45), (3.0, 4.0, 2.0), (-70.0, -85.0, -72.0)
    run = driver_run(
        tmp_path / "run",
        [spots()],
        gantry=215.0,
        couch=30.0,
        BeamModel=pencil_model(tmp_path / "model.txt", sigma_mm=4.0),
        Num_Primaries=6000,
        **box_keys(size, spacing, corner),
    )
    code, said = run.process()
    assert code == 0, said
    dose = run.dose(size)
    lines = [corner[axis] + spacing[axis] * (np.arange(size[axis]) + 0.5) for axis in range(3)]
    across = [(lines[0] * dose.sum(axis=(0, 1))).sum(), (lines[1] * dose.sum(axis=(0, 2))).sum()] / dose.sum()
    assert across == pytest.approx(np.mean(L_SPOTS, axis=0), abs=1.0)
    depths = dose.sum(axis=(1, 2))
    assert lines[2][int(depths.argmax())] == pytest.approx(18.0 - 76.0, abs=4.0)  # the peak of 100 MeV
