"""The reference engine keeps the clinical engine's contract, traps included: what it reads, writes, and how it ends."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from engine_runs import MU_PER_COUNT, DiedError, EngineRun, Spot

from actors.demo.engine.__main__ import main
from actors.demo.recipe import CaseRecipe

JOULE_PER_MEV = 1.602176634e-13
MakeRun = Callable[..., EngineRun]


def test_a_run_from_outside(make_run: MakeRun) -> None:
    run = make_run()
    ended = run.process()
    assert ended.returncode == 0, ended.stderr
    assert run.outputs() == ["1:LAO_1_Dose.raw"]
    lines = ended.stdout.splitlines()
    assert "No clinical engine" in lines[0]
    assert re.search(r"10000000 histories per batch, with 5 batches", ended.stdout)
    steps = re.findall(r"Generating particles for \((\d+) of (\d+) batches\)", ended.stdout)
    assert steps == [(str(step), "5") for step in range(1, 6)]
    assert lines[-2] == "Particle transportation complete!"
    assert re.fullmatch(r"Time taken by MC engine: [\d.]+ milli-seconds", lines[-1])
    dose = run.dose()
    assert dose.sum() * 8e-6 == pytest.approx(2.305e-2, rel=0.005)  # 1 MU of 150 MeV is 1e9 protons
    depth = 20.0 - (-259.0 + 2.0 * np.arange(140))
    curve = dose.sum(axis=(1, 2))
    peak = int(curve.argmax())
    r80 = np.interp(0.8 * curve.max(), curve[: peak + 1], depth[: peak + 1])
    assert r80 == pytest.approx(156.35, abs=0.2)


def test_z_points_to_the_source(make_run: MakeRun, within: Callable[[EngineRun], int]) -> None:
    run = make_run()
    run.logs(Spot(150.0, 20.0, -10.0, 1000))
    assert within(run) == 0
    dose = run.dose()
    assert dose[-1].any()
    assert not dose[0].any()
    x = -59.0 + 2.0 * np.arange(60)
    assert (dose.sum(axis=(0, 1)) * x).sum() / dose.sum() == pytest.approx(20.0, abs=0.1)
    assert (dose.sum(axis=(0, 2)) * x).sum() / dose.sum() == pytest.approx(-10.0, abs=0.1)


def test_dose_grows_with_counts_and_with_particles_squared(
    make_run: MakeRun, within: Callable[[EngineRun], int]
) -> None:
    doses = []
    for name, counts, particles in (("1", 1000, 1), ("2", 2000, 1), ("3", 1000, 2)):
        run = make_run(name)
        run.logs(Spot(150.0, 0.0, 0.0, counts))
        run.keys["ParticlesPerHistory"] = particles
        assert within(run) == 0
        doses.append(run.dose())
    np.testing.assert_allclose(doses[1], 2.0 * doses[0])
    np.testing.assert_allclose(doses[2], 4.0 * doses[0])


def test_layers_superpose(make_run: MakeRun, within: Callable[[EngineRun], int]) -> None:
    spots = [Spot(150.0, 5.0, 0.0, 4000), Spot(140.0, -5.0, 3.0, 3000), Spot(120.5, 0.0, 9.0, 2000)]
    doses = []
    for name, part in (("all", spots), *((str(n), [spot]) for n, spot in enumerate(spots))):
        run = make_run(name)
        for path in (run.directory / "in" / "log" / "beam").iterdir():
            path.unlink()
        run.logs(*part)
        assert within(run) == 0
        doses.append(run.dose())
    np.testing.assert_allclose(doses[0], sum(doses[1:]), rtol=1e-6, atol=1e-6 * doses[0].max())


@pytest.mark.promise("P7")
def test_a_missing_comma_gives_a_wrong_dose_and_no_complaint(
    make_run: MakeRun, within: Callable[[EngineRun], int]
) -> None:
    spots = [Spot(150.0, 10.0 + n, 20.0, 1000 + n) for n in range(6)]
    right, wrong = make_run("right"), make_run("wrong")
    right.logs(*spots)
    wrong.logs(*spots, end="")
    assert within(right) == within(wrong) == 0
    assert wrong.dose().sum() < 0.9 * right.dose().sum()


@pytest.mark.promise("P7")
def test_a_missing_log_folder_gives_no_dose_and_no_complaint(
    make_run: MakeRun, within: Callable[[EngineRun], int]
) -> None:
    run = make_run()
    run.keys["logFilePath"] = "nowhere"
    assert within(run) == 0
    assert not run.dose().any()


def test_a_missing_output_folder_gives_nothing_and_no_complaint(
    make_run: MakeRun, within: Callable[[EngineRun], int], capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run()
    run.keys["OutputDir"] = "nowhere/out"
    assert within(run) == 0
    assert "Time taken by MC engine" in capsys.readouterr().out
    assert run.outputs() == []
    assert not (run.directory / "nowhere").exists()


def test_a_slash_in_the_beam_s_name_loses_the_output(make_run: MakeRun, within: Callable[[EngineRun], int]) -> None:
    run = make_run(recipe=CaseRecipe(beams=1, layers=1, spots=4, beam_names=("a/b",)))
    assert within(run) == 0
    assert run.outputs() == []


def test_the_two_centimetre_plane(make_run: MakeRun, within: Callable[[EngineRun], int]) -> None:
    run = make_run()
    run.keys["TwoCentimeterMode"] = "true"
    assert within(run) == 0
    assert run.outputs() == ["1:LAO_2_Dose.raw"]
    plane = run.dose((1, 400, 400))[0]
    x = -199.5 + np.arange(400)
    assert (plane.sum(axis=0) * x).sum() / plane.sum() == pytest.approx(0.0, abs=0.05)


def test_all_beams_where_none_is_named(make_run: MakeRun, within: Callable[[EngineRun], int]) -> None:
    run = make_run()
    del run.keys["BeamNumbers"]
    assert within(run) == 0
    assert run.outputs() == ["1:LAO_1_Dose.raw"]


@pytest.mark.promise("P6")
def test_a_wrong_gantry_is_wrong_physics_without_an_error(
    make_run: MakeRun, within: Callable[[EngineRun], int]
) -> None:
    doses = {}
    for gantry in (1, 2, 3):
        run = make_run(str(gantry))
        run.keys["GantryNum"] = gantry
        assert within(run) == 0
        doses[gantry] = run.dose()
    assert (doses[3] == doses[2]).all()
    assert doses[1].max() < 0.9 * doses[2].max()


def test_energy_deposit_instead_of_dose(make_run: MakeRun, within: Callable[[EngineRun], int]) -> None:
    run = make_run()
    del run.keys["Scorer"]
    assert within(run) == 0
    assert run.outputs() == ["1:LAO_1_EnergyDeposition.raw"]
    assert run.dose().sum() * JOULE_PER_MEV == pytest.approx(2.305e-2, rel=0.005)


@pytest.mark.parametrize(("kind", "names"), [("mhd", ["raw", "mhd"]), ("mha", ["mha"]), ("other", ["raw"])])
def test_formats(make_run: MakeRun, within: Callable[[EngineRun], int], kind: str, names: list[str]) -> None:
    run = make_run()
    run.keys["OutputFormat"] = kind
    assert within(run) == 0
    assert sorted(run.outputs()) == sorted(f"1:LAO_1_Dose.{name}" for name in names)
    if kind == "mha":
        header, _, data = (run.directory / "out" / "1:LAO_1_Dose.mha").read_bytes().partition(b"LOCAL\n")
        assert b"DimSize = 60 60 140\n" in header
        assert b"Offset = -59 -59 -259\n" in header
        assert len(data) == 60 * 60 * 140 * 8


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"OverwriteResults": "false"}, "Output directory exists."),
        ({"OutputDir": ""}, "Output directory is not provided."),
        ({"ParentDir": ""}, "ParentDir is not provided"),
        ({"DicomDir": "nowhere"}, "There is no RTPLAN in the path. Exiting."),
        ({"Scorer": "Dosis"}, "Unrecognized scorer name"),
        ({"UsingPhantomGeo": "false"}, "There is no CT in the path."),
    ],
)
def test_what_aborts(make_run: MakeRun, within: Callable[[EngineRun], int], change: dict[str, str], text: str) -> None:
    run = make_run()
    run.keys.update(change)
    with pytest.raises(DiedError, match=re.escape(text)) as died:
        within(run)
    assert str(died.value).startswith("6 terminate called after throwing an instance of 'std::runtime_error'")
    assert run.outputs() == []


def test_an_abort_from_outside(make_run: MakeRun) -> None:
    run = make_run()
    run.keys["Blank"] = "line\n   "
    ended = run.process()
    assert ended.returncode == -6
    assert "std::out_of_range" in ended.stderr


def test_a_beam_number_that_the_list_has_not_is_a_segmentation_fault(
    make_run: MakeRun, within: Callable[[EngineRun], int]
) -> None:
    run = make_run()
    run.keys["BeamNumbers"] = 2
    with pytest.raises(DiedError, match=r"^11 "):
        within(run)


def test_a_beam_number_that_the_plan_has_not_aborts(make_run: MakeRun, within: Callable[[EngineRun], int]) -> None:
    run = make_run()
    run.plan(CaseRecipe(beams=1, layers=1, spots=4), number=5)
    with pytest.raises(DiedError, match="Invalid beam number"):
        within(run)


def public(run: EngineRun, tmp_path: Path, **keys: object) -> EngineRun:
    """Turn a run into one of the public dialect: spots from the plan."""
    model = tmp_path / "beam_model.txt"
    model.write_text("model\n")
    del run.keys["logFilePath"], run.keys["GantryNum"]
    run.keys |= {"Machine": f"PBS:{model}", "RBE": 1, "NumberOfFraction": 1, **keys}
    return run


STANDARD = CaseRecipe(beams=1, layers=3, spots=12, spot_tags="standard", scan_mode="spot")


def test_both_dialects_agree(make_run: MakeRun, within: Callable[[EngineRun], int], tmp_path: Path) -> None:
    from actors.demo.planned import planned_beams  # noqa: PLC0415 - for this test alone

    planned, logged = public(make_run("planned", STANDARD), tmp_path), make_run("logged", STANDARD)
    for path in (logged.directory / "in" / "log" / "beam").iterdir():
        path.unlink()
    logged.logs(
        *(
            Spot(layer.energy_mev, float(x), float(y), round(float(weight) / MU_PER_COUNT))
            for layer in planned_beams(STANDARD)[0].layers
            for (x, y), weight in zip(layer.xy_mm, layer.weights, strict=True)
        )
    )
    assert within(planned) == within(logged) == 0
    np.testing.assert_allclose(planned.dose().sum(), logged.dose().sum(), rtol=0.001)
    np.testing.assert_allclose(planned.dose(), logged.dose(), atol=0.001 * logged.dose().max())


def test_the_public_dialect_multiplies(make_run: MakeRun, within: Callable[[EngineRun], int], tmp_path: Path) -> None:
    plain = public(make_run("plain", STANDARD), tmp_path)
    multiplied = public(make_run("multiplied", STANDARD), tmp_path)
    del multiplied.keys["RBE"], multiplied.keys["NumberOfFraction"]
    thousand = public(make_run("thousand", STANDARD), tmp_path, ParticlesPerHistory=1000)
    for run in (plain, multiplied, thousand):
        assert within(run) == 0
    np.testing.assert_allclose(multiplied.dose(), plain.dose() * 1.1 * 25)
    assert thousand.dose().sum() == pytest.approx(plain.dose().sum(), rel=1e-3)
    assert thousand.dose().sum() < plain.dose().sum()


def test_forgotten_particles_give_a_negative_dose(
    make_run: MakeRun, within: Callable[[EngineRun], int], tmp_path: Path
) -> None:
    run = public(make_run(recipe=STANDARD), tmp_path)
    del run.keys["ParticlesPerHistory"]
    assert within(run) == 0
    assert run.dose().min() < 0.0 == run.dose().max()


@pytest.mark.parametrize(
    ("change", "match"),
    [({"BeamNumbers": ""}, "^11 "), ({"Machine": "PBS:/nowhere"}, "Valid machine"), ({"Machine": ""}, "Valid machine")],
)
def test_what_ends_the_public_dialect(
    make_run: MakeRun, within: Callable[[EngineRun], int], tmp_path: Path, change: dict[str, str], match: str
) -> None:
    run = public(make_run(recipe=STANDARD), tmp_path, **change)
    with pytest.raises(DiedError, match=match):
        within(run)


def test_a_plan_without_standard_spots_ends_the_public_dialect(
    make_run: MakeRun, within: Callable[[EngineRun], int], tmp_path: Path
) -> None:
    with pytest.raises(DiedError, match=r"^11 "):
        within(public(make_run(), tmp_path))


def test_the_input_file_s_usual_name(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run()
    run.write_input().rename(run.directory / "moqui_tps.in")
    monkeypatch.chdir(run.directory)
    assert main([]) == 0
    assert run.outputs() == ["1:LAO_1_Dose.raw"]


def test_what_is_no_dicom_is_no_plan(make_run: MakeRun, within: Callable[[EngineRun], int]) -> None:
    run = make_run()
    (run.directory / "in" / "plan" / "AAA.txt").write_text("not a plan")
    assert within(run) == 0
    assert run.outputs() == ["1:LAO_1_Dose.raw"]


def test_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert "no clinical engine" in capsys.readouterr().out
