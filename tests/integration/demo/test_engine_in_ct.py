"""Dose in a CT: axes of beam and patient, depth, and energy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from engine_runs import EngineRun

import actors.demo.engine.run as engine
from actors.demo.engine.beam_model import model_of
from actors.demo.engine.dose import JOULE_PER_MEV, SpotLayer, beam_dose
from actors.demo.engine.patient import Volume, beam_axes, place_beam, read_volume
from actors.demo.engine.plan import PlanBeam
from actors.demo.factory import write_case
from actors.demo.recipe import CaseRecipe

ISOCENTRE = (12.0, -30.0, 44.0)
A, B = 14.0, -9.0
OFFSETS = {
    (0.0, 0.0): (A, 0.0, B),
    (90.0, 0.0): (0.0, A, B),
    (180.0, 0.0): (-A, 0.0, B),
    (270.0, 0.0): (0.0, -A, B),
    (0.0, 90.0): (B, 0.0, -A),
}
"""Where a spot at (a, b) lies from the isocentre, in DICOM, by gantry and couch angle; head first supine."""


def water_box() -> Volume:
    """240 mm of water around the isocentre, with air about it, 4 mm voxels."""
    density = np.zeros((64, 64, 64), dtype=np.float32)
    density[2:62, 2:62, 2:62] = 1.0
    x, y, z = (centre - 63 / 2 * 4.0 for centre in ISOCENTRE)
    return Volume(density, (x, y, z), (4.0, 4.0, 4.0))


def centroid(volume: Volume, dose: np.ndarray) -> np.ndarray:
    axes = (
        start + step * np.arange(count)
        for start, step, count in zip(volume.origin_mm, volume.spacing_mm, volume.size, strict=True)
    )
    sums = (dose.sum(axis=(0, 1)), dose.sum(axis=(0, 2)), dose.sum(axis=(1, 2)))
    return np.array([(line * total).sum() / total.sum() for line, total in zip(axes, sums, strict=True)])


def dose_at(gantry: float, couch: float, x_mm: np.ndarray, y_mm: np.ndarray) -> tuple[Volume, np.ndarray]:
    volume = water_box()
    beam = PlanBeam("b", "G2", gantry, couch, ISOCENTRE)
    placed = place_beam(volume, beam, np.column_stack([x_mm, y_mm]))
    layer = SpotLayer(120.0, x_mm, y_mm, np.full(len(x_mm), 1e9 / len(x_mm)))
    return volume, placed.into_voxels(beam_dose([layer], placed.grid, model_of(2)))


@pytest.mark.promise("P40")
@pytest.mark.parametrize(("gantry", "couch"), OFFSETS)
def test_a_spot_lies_where_the_angles_put_it(gantry: float, couch: float) -> None:
    volume, dose = dose_at(gantry, couch, np.array([A]), np.array([B]))
    found = centroid(volume, dose) - np.array(ISOCENTRE)
    expected = np.array(OFFSETS[gantry, couch])
    source = beam_axes(gantry, couch)[2]
    across = found - (found @ source) * source
    assert across == pytest.approx(expected, abs=0.2)
    assert found @ source > 5.0  # 120 MeV stop short of the middle: more dose on the source's side
    assert dose.sum() * 64e-6 == pytest.approx(1e9 * 120.0 * JOULE_PER_MEV * 0.97, rel=0.03)


@pytest.mark.promise("P40")
@pytest.mark.parametrize(("gantry", "couch"), [*OFFSETS, (35.0, 20.0)])
def test_an_l_is_no_mirror_image(gantry: float, couch: float) -> None:
    x = np.array([-20.0, -20.0, -20.0, -20.0, -10.0, 0.0])
    y = np.array([25.0, 10.0, -5.0, -20.0, -20.0, -20.0])
    volume, dose = dose_at(gantry, couch, x, y)
    axes = beam_axes(gantry, couch)
    found = axes @ (centroid(volume, dose) - np.array(ISOCENTRE))
    assert found[:2] == pytest.approx([x.mean(), y.mean()], abs=0.2)
    assert np.linalg.det(axes) == pytest.approx(1.0)


def test_the_whole_way_through_the_process_s_files(
    make_run: Callable[..., EngineRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = CaseRecipe(
        beams=1,
        layers=1,
        spots=4,
        scan_mode="spot",
        spot_tags="standard",
        pattern="point",
        centre_mm=(A, B),
        ct=True,
        gantry_deg=(270.0,),
        top_energy_mev=130.0,
    )
    case = write_case(recipe, tmp_path / "share")
    model = tmp_path / "model.txt"
    model.write_text("model\n")
    run = make_run(recipe=recipe)
    run.plan(recipe)
    for path in case.path.glob("CT*.dcm"):
        (run.directory / "in" / "plan" / path.name).symlink_to(path)
    for key in ("logFilePath", "UsingPhantomGeo"):
        del run.keys[key]
    run.keys |= {"Machine": f"PBS:{model}", "RBE": 1, "NumberOfFraction": 1}
    monkeypatch.chdir(run.directory)
    assert engine.run_engine(run.write_input()) == 0
    assert run.outputs() == ["1:LAO_0_Dose.raw"]
    volume = read_volume(run.directory / "in" / "plan")
    dose = run.dose((100, 100, 100))
    found = centroid(volume, dose) - np.array(recipe.isocentre_mm)
    assert found[1:] == pytest.approx([-A, B], abs=0.2)
    assert found[0] < -20.0  # gantry 270: the source is on the patient's right
