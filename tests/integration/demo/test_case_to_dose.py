"""From a synthetic case to dose: factory, interpreter and reference engine together."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC
from pathlib import Path

import numpy as np
import pytest
from engine_runs import ROOT
from numpy.typing import NDArray

import actors.demo.engine.run as engine
from actors.demo.engine.beam_model import protons_per_mu
from actors.demo.engine.bragg import absorbed_share
from actors.demo.engine.patient import beam_axes
from actors.demo.factory import WrittenCase, write_case
from actors.demo.recipe import CaseRecipe, LayerShift
from actors.formats import load_profile
from actors.interpreter import interpret_case
from messages.cases import CaseSource, DeliverySource
from messages.engine import EngineProfile, InputLine
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
