"""The beam data library as it is read, and as the binary gets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.mcsquare.beam_data import read_beam_data
from actors.mcsquare.errors import DriverError
from tests.kit.mcsquare import pencil_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return pencil_model(tmp_path / "model.txt", sigma_mm=4.0, nozzle_mm=410.0)


def changed(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


def test_values_lie_between_those_of_the_table(model: Path) -> None:
    changed(model, "150.0 150.0 0.6 1000000000.0", "150.0 150.6 0.6 1600000000.0")
    data = read_beam_data(model)
    assert data.nozzle_mm == 410.0
    assert data.protons(70.0) == data.protons(230.0) == 1e9
    assert data.protons(110.0) == pytest.approx(1.3e9)
    assert data.protons(190.0) == pytest.approx(1.3e9)
    assert (data.mean(110.0), data.mean(150.0)) == pytest.approx((110.3, 150.6))


@pytest.mark.promise("P39")
@pytest.mark.parametrize("energy", [69.9, 230.1])
def test_an_energy_outside_of_the_table_is_refused(model: Path, energy: float) -> None:
    with pytest.raises(DriverError, match=r"outside of the beam model \(70 to 230 MeV\)"):
        read_beam_data(model).protons(energy)


@pytest.mark.promise("P7")
def test_the_binary_gets_line_ends_that_it_understands(model: Path) -> None:
    """With CR LF it would take the file for another format, compute from nonsense, and end well."""
    expected = model.read_text()
    model.write_bytes(model.read_bytes().replace(b"\n", b"\r\n"))
    assert read_beam_data(model).text == expected
    assert "\r" not in read_beam_data(model).text


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("--UPenn beam model", "--Another model", "first line"),
        ("Beam parameters", "Parameters", "is none that MCsquare reads"),
        ("3 energies", "three energies", "is none that MCsquare reads"),
        ("3 energies", "4 energies", "18 numbers"),
        ("150.0 150.0", "150.0", "18 numbers"),
        ("150.0 150.0", "150.0 nan", "18 numbers"),
        ("150.0 150.0", "250.0 150.0", "must rise"),
        ("150.0 150.0 0.6 1000000000.0", "150.0 150.0 0.6 0.0", "positive"),
        ("Nozzle exit", "Nozzle", "is none that MCsquare reads"),
    ],
)
def test_a_library_that_was_not_understood_is_refused(model: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(DriverError, match=why):
        read_beam_data(changed(model, old, new)).protons(100.0)
