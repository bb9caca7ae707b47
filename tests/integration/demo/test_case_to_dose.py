"""From a synthetic case to dose: factory, interpreter and reference engine together."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC
from pathlib import Path

import numpy as np
import pytest
from engine_runs import ROOT
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

import actors.demo.engine.run as engine
from actors.demo.engine.beam_model import protons_per_mu
from actors.demo.engine.bragg import absorbed_share
from actors.demo.engine.patient import beam_axes
from actors.demo.factory import WrittenCase, write_case
from actors.demo.recipe import CaseRecipe, LayerShift
from actors.formats import load_profile
from actors.interpreter import interpret_case
from messages.cases import CaseSource, DeliverySource
from messages.engine import EngineProfile, Grid, InputLine
from messages.interpretation import Interpretation, InterpretCase

JOULE_PER_MEV = 1.602176634e-13
CALIBRATIONS = tuple((gantry.upper(), str(ROOT / "conf" / "calibrations" / f"{gantry}.txt")) for gantry in ("g1", "g2"))
Doses = dict[int, NDArray[np.float64]]


def source(case: WrittenCase) -> CaseSource:
    deliveries = tuple(
        DeliverySource(
            path=str(one.path),
            key=one.path.name,
            beam_number=one.beam_number,
            irradiated=one.irradiated,
            start_layer=one.start_layer,
            stop_layer=one.stop_layer,
        )
        for one in case.deliveries
    )
    return CaseSource(
        case="20260302-093015-00000000",
        identity="test",
        path=str(case.path),
        plan_path=str(case.plan_path),
        plan_uid=case.plan_uid,
        study_uid=case.study_uid,
        machine=case.recipe.machine,
        deliveries=deliveries,
    )


def clinical() -> EngineProfile:
    return load_profile("reference", ROOT / "conf" / "engines")


def public(tmp_path: Path, **change: object) -> EngineProfile:
    """The reference engine asked in the public dialect: spots from the plan, in MU."""
    model = tmp_path / "beam_model.txt"
    model.write_text("model\n")
    profile = clinical()
    kept = [line for line in profile.input if line.key not in ("logFilePath", "GantryNum", "ParticlesPerHistory")]
    more = {"Machine": f"PBS:{model}", "ParticlesPerHistory": "1000", "RBE": "1", "NumberOfFraction": "1"}
    lines = (*kept, *(InputLine(key=key, value=value) for key, value in more.items()))
    return profile.model_copy(
        update={"dialect": "moqui", "scale": "meterset", "histories_per_mu": 1e5, "input": lines, **change}
    )


@pytest.fixture
def doses_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[WrittenCase, Interpretation, Doses]]:
    """``doses_of(name, recipe, profile)``: the case, what the interpreter made of it, each beam's dose (z, y, x)."""
    for name in ("MQI_ENGINE_FAULT", "MQI_ENGINE_SECONDS", "MQI_ENGINE_SPAWN_CHILD"):
        monkeypatch.delenv(name, raising=False)

    def run(name: str, recipe: CaseRecipe, profile: EngineProfile) -> tuple[WrittenCase, Interpretation, Doses]:
        case = write_case(recipe, tmp_path / name / "share")
        target = tmp_path / name / "input"
        made = interpret_case(
            InterpretCase(
                source=source(case), profile=profile, calibrations=CALIBRATIONS, target=str(target), zone=str(UTC)
            )
        )
        doses: Doses = {}
        for beam in made.beams:
            directory = tmp_path / name / "run" / str(beam.number)
            shutil.copytree(beam.directory, directory / "in")
            (directory / "out").mkdir()
            monkeypatch.chdir(directory)
            assert engine.run_engine(Path(beam.command[-1])) == 0
            (output,) = (directory / "out").iterdir()
            nx, ny, nz = beam.grid.size
            doses[beam.number] = beam.dose_scale * np.fromfile(output, dtype="<f8").reshape(nz, ny, nx)
        return case, made, doses

    return run


def centroid(dose: NDArray[np.float64], origin: tuple[float, ...], spacing: tuple[float, ...]) -> NDArray[np.float64]:
    """Dose-weighted mean place (x, y, z)."""
    sums = (dose.sum(axis=(0, 1)), dose.sum(axis=(0, 2)), dose.sum(axis=(1, 2)))
    lines = (start + step * np.arange(len(total)) for start, step, total in zip(origin, spacing, sums, strict=True))
    return np.array([(line * total).sum() / total.sum() for line, total in zip(lines, sums, strict=True)])


@pytest.mark.promise("P41")
def test_the_dose_holds_the_delivered_energy(
    doses_of: Callable[..., tuple[WrittenCase, Interpretation, Doses]],
) -> None:
    case, _, doses = doses_of("one", CaseRecipe(layers=3, spots=25, delivered_scale=1.004), clinical())
    for beam in case.beams:
        expected = sum(
            layer.delivered_mu
            * protons_per_mu(layer.energy_mev)
            * layer.energy_mev
            * absorbed_share(layer.energy_mev)
            * JOULE_PER_MEV
            for layer in beam.layers
        )
        assert doses[beam.number].sum() * 8e-6 == pytest.approx(expected, rel=0.002)


RANGE_CM = {100.0: 7.628, 150.0: 15.635, 200.0: 26.016}
"""R0 = 0.0022·E^1.77 (Bortfeld, Med. Phys. 24 (1997) 2024): the distal R80 of his curve, not its peak."""
SCATTER_MM = {100.0: 1.82, 150.0: 3.45, 200.0: 5.45}
"""σ of multiple scattering at R0: 0.0294·R0^0.896 (Hong et al., Phys. Med. Biol. 41 (1996) 1305)."""
SHARE = {100.0: 0.978, 150.0: 0.959, 200.0: 0.939}
"""Part of the protons' energy that stays in the water."""
FINE = Grid(size=(60, 60, 300), spacing_mm=(2.0, 2.0, 1.0), origin_mm=(-59.0, -59.0, -279.5))
SURFACE_MM = 20.0


def distal_mm(depth_mm: NDArray[np.float64], dose: NDArray[np.float64], level: float) -> float:
    """Depth behind the peak where the dose has fallen to ``level`` of its maximum."""
    fine = np.linspace(depth_mm[0], depth_mm[-1], 100 * len(depth_mm))
    curve = CubicSpline(depth_mm, dose)(fine)
    peak = int(curve.argmax())
    return float(np.interp(-level * curve.max(), -curve[peak:], fine[peak:]))


@pytest.mark.promise("P7")
@pytest.mark.parametrize("energy", [100.0, 150.0, 200.0])
@pytest.mark.parametrize("dialect", ["log", "plan"])
def test_a_delivered_spot_meets_the_analytic_truths(
    doses_of: Callable[..., tuple[WrittenCase, Interpretation, Doses]], tmp_path: Path, energy: float, dialect: str
) -> None:
    """Range, distal fall-off, lateral spread and energy, from the machine's words to the engine's file."""
    profile = clinical() if dialect == "log" else public(tmp_path)
    place = (13.0, -7.0)
    recipe = CaseRecipe(
        beams=1, layers=1, spots=2, pattern="point", centre_mm=place, top_energy_mev=energy, spot_tags="standard"
    )
    case, _, doses = doses_of("one", recipe, profile.model_copy(update={"grid": FINE}))
    dose = doses[3]
    depth = SURFACE_MM - (FINE.origin_mm[2] + np.arange(FINE.size[2]))[::-1]
    by_depth = dose[::-1].sum(axis=(1, 2))
    assert distal_mm(depth, by_depth, 0.8) == pytest.approx(10 * RANGE_CM[energy], abs=0.2)
    if energy == 150.0:
        falloff = distal_mm(depth, by_depth, 0.2) - distal_mm(depth, by_depth, 0.8)
        assert falloff == pytest.approx(3.0, abs=0.2)
    plane = dose[::-1][int(10 * RANGE_CM[energy])]
    for axis, centre in ((0, place[0]), (1, place[1])):
        line = FINE.origin_mm[axis] + FINE.spacing_mm[axis] * np.arange(FINE.size[axis])
        profile_mm = plane.sum(axis=axis)
        mean = (line * profile_mm).sum() / profile_mm.sum()
        sigma = np.sqrt(((line - mean) ** 2 * profile_mm).sum() / profile_mm.sum())
        assert mean == pytest.approx(centre, abs=0.1)
        assert sigma == pytest.approx(np.hypot(4.0, SCATTER_MM[energy]), rel=0.02)
    (layer,) = case.beams[0].layers
    protons = layer.on_counts * 2.12e-8 * protons_per_mu(energy)
    assert dose.sum() * 4e-6 == pytest.approx(protons * energy * JOULE_PER_MEV * SHARE[energy], rel=0.005)


@pytest.mark.promise("P41")
@pytest.mark.parametrize("dialect", ["log", "plan"])
def test_twice_the_mu_twice_the_dose_and_layers_superpose(
    doses_of: Callable[..., tuple[WrittenCase, Interpretation, Doses]], tmp_path: Path, dialect: str
) -> None:
    profile = clinical() if dialect == "log" else public(tmp_path, histories_per_mu=1e6)
    once = CaseRecipe(beams=1, layers=2, spots=9, mu_noise=0.0, position_noise_mm=0.0)
    _, _, single = doses_of("once", once, profile)
    _, _, double = doses_of("twice", replace(once, layer_mu=2 * once.layer_mu), profile)
    np.testing.assert_allclose(double[3], 2 * single[3], atol=2e-3 * double[3].max())
    assert double[3].sum() == pytest.approx(2 * single[3].sum(), rel=1e-3)


@pytest.mark.promise("P1")
@pytest.mark.promise("P41")
def test_layers_of_one_energy_stay_layers_of_their_own(
    doses_of: Callable[..., tuple[WrittenCase, Interpretation, Doses]], tmp_path: Path
) -> None:
    """Same energy, same positions, other MU; the second is delivered 5 mm off and must not pull the others along."""
    twins = CaseRecipe(beams=1, layers=3, spots=16, energy_step_mev=0.0, layer_shift=LayerShift(0, 2, 5.0))
    case, made, logged = doses_of("log", twins, clinical())
    _, _, planned = doses_of("plan", twins, public(tmp_path))
    layers, found = case.beams[0].layers, made.beams[0].layers
    assert len({layer.energy_mev for layer in layers}) == 1
    assert [layer.delivered_mu for layer in found] == pytest.approx([layer.on_counts * 2.12e-8 for layer in layers])
    assert [layer.max_mm > 4.0 for layer in found] == [False, True, False]
    expected = np.average(
        [layer.centroid_mm for layer in layers], axis=0, weights=[layer.on_counts for layer in layers]
    )
    grid = made.beams[0].grid
    for dose in (logged[3], planned[3]):
        assert centroid(dose, grid.origin_mm, grid.spacing_mm)[:2] == pytest.approx(expected, abs=0.1)
    np.testing.assert_allclose(planned[3], logged[3], atol=0.005 * logged[3].max())


@pytest.mark.promise("P41")
@pytest.mark.parametrize(
    "recipe",
    [
        CaseRecipe(layers=3, spots=25),
        CaseRecipe(
            layers=3, spots=25, scan_mode="spot", spot_tags="standard", final_weight="one", planned_fractions=33
        ),
        CaseRecipe(layers=3, spots=25, machine="GTR1", final_weight="hundred", planned_fractions=1),
    ],
    ids=["line", "spot", "first-gantry"],
)
def test_both_writers_give_one_dose(
    doses_of: Callable[..., tuple[WrittenCase, Interpretation, Doses]], recipe: CaseRecipe, tmp_path: Path
) -> None:
    _, _, logged = doses_of("log", recipe, clinical())
    _, _, planned = doses_of("plan", recipe, public(tmp_path))
    assert len(logged) == 2
    for number, dose in logged.items():
        assert planned[number].sum() == pytest.approx(dose.sum(), rel=0.001)
        np.testing.assert_allclose(planned[number], dose, atol=0.005 * dose.max())


@pytest.mark.promise("P41")
def test_weights_and_fractions_change_no_dose(
    doses_of: Callable[..., tuple[WrittenCase, Interpretation, Doses]], tmp_path: Path
) -> None:
    found = []
    choices: tuple[Mapping[str, object], ...] = (
        {"final_weight": "meterset", "planned_fractions": 1},
        {"final_weight": "one", "planned_fractions": 33},
        {"final_weight": "hundred", "planned_fractions": 25},
    )
    for number, choice in enumerate(choices):
        recipe = CaseRecipe(beams=1, layers=2, spots=12, **choice)  # type: ignore[arg-type]
        _, _, doses = doses_of(str(number), recipe, public(tmp_path))
        found.append(doses[3])
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], atol=1e-3 * found[0].max())


def test_the_dose_follows_the_delivered_positions(
    doses_of: Callable[..., tuple[WrittenCase, Interpretation, Doses]],
) -> None:
    plain = CaseRecipe(beams=1, layers=6, spots=25)
    shifted = CaseRecipe(beams=1, layers=6, spots=25, layer_shift=LayerShift(0, 1, 5.0))
    _, made, before = doses_of("plain", plain, clinical())
    _, warned, after = doses_of("shifted", shifted, clinical())
    grid = made.beams[0].grid
    deepest = slice(0, 55)  # behind the other layers' range only the first layer is left
    place = [centroid(dose[3][deepest], grid.origin_mm, grid.spacing_mm)[:2] for dose in (before, after)]
    assert np.subtract(place[1], place[0]) == pytest.approx([5.0, 0.0], abs=0.2)
    assert not made.suspect
    assert any("layer 1" in sentence for sentence in warned.suspect)


@pytest.mark.promise("P40")
def test_an_l_at_five_angles_in_a_ct(
    doses_of: Callable[..., tuple[WrittenCase, Interpretation, Doses]], tmp_path: Path
) -> None:
    angles = ((0.0, 0.0), (90.0, 0.0), (180.0, 0.0), (270.0, 0.0), (0.0, 90.0))
    recipe = CaseRecipe(
        beams=5,
        layers=1,
        spots=20,
        pattern="L",
        centre_mm=(6.0, -4.0),
        gantry_deg=tuple(gantry for gantry, _ in angles),
        couch_deg=tuple(couch for _, couch in angles),
        ct=True,
    )
    lines = tuple(line for line in public(tmp_path).input if not re.match("Phantom|UsingPhantom|TwoCenti", line.key))
    profile = public(tmp_path, geometry="ct", grid=None, input=lines)
    case, made, doses = doses_of("angles", recipe, profile)
    for written, beam in zip(case.beams, made.beams, strict=True):
        a, b = np.average(
            [layer.centroid_mm for layer in written.layers], axis=0, weights=[x.delivered_mu for x in written.layers]
        )
        expected = {
            (0.0, 0.0): (a, None, b),
            (90.0, 0.0): (None, a, b),
            (180.0, 0.0): (-a, None, b),
            (270.0, 0.0): (None, -a, b),
            (0.0, 90.0): (b, None, -a),
        }[written.gantry_deg, written.couch_deg]
        found = centroid(doses[beam.number], beam.grid.origin_mm, beam.grid.spacing_mm)
        for place, wanted in zip(found, expected, strict=True):
            assert wanted is None or place == pytest.approx(wanted, abs=0.2)
        assert (
            beam_axes(written.gantry_deg, written.couch_deg)[2] @ found > 10.0
        )  # shallow of the isocentre, on the source's side
