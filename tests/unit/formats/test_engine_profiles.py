"""Engine profiles: the shipped ones are right, and a wrong one says which key."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from actors.demo.engine.__main__ import version
from actors.formats.profile import ProfileError, load_profile, parse_profile
from messages.faults import Blame

ENGINES = Path(__file__).resolve().parents[3] / "conf" / "engines"


def reference() -> dict[str, Any]:
    return tomllib.loads((ENGINES / "reference.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["moqui", "moqui-smc", "reference"])
def test_shipped_profiles_are_right(name: str) -> None:
    profile = load_profile(name, ENGINES)
    assert profile.name == name
    assert profile.dose_factor * profile.shorten > 0
    assert load_profile(ENGINES / f"{name}.toml", Path("/nowhere")) == profile


@pytest.mark.promise("P41")
def test_public_engine_is_told_not_to_apply_rbe_and_fractions() -> None:
    lines = {line.key: line.value for line in load_profile("moqui", ENGINES).input}
    assert (lines["RBE"], lines["NumberOfFraction"]) == ("1", "1")
    assert "logFilePath" not in lines


@pytest.mark.promise("P41")
@pytest.mark.parametrize("name", ["moqui-smc", "reference"])
def test_clinical_engine_runs_one_particle_per_history(name: str) -> None:
    lines = {line.key: line.value for line in load_profile(name, ENGINES).input}
    assert lines["ParticlesPerHistory"] == "1"
    assert lines["UseAbsolutePath"] == "false"


def test_the_reference_engine_that_is_shipped_is_the_commissioned_one() -> None:
    """Put the new SHA-256 into reference.toml only when every test of the engine's physics has passed."""
    assert tuple(load_profile("reference", ENGINES).commissioned) == (version().rpartition(":")[2],)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"geometri": "ct"}, "geometri: unknown key, perhaps geometry"),
        ({"dialect": "topas"}, "dialect"),
        ({"progress": {"stepp": "x"}}, "progress.stepp: unknown key, perhaps step"),
        ({"grid": {"size": [1, 2, 3], "spacing_mm": [1, 1, 1]}}, "grid.origin_mm"),
        ({"input": [{"kee": "GPUID", "value": "0"}]}, "perhaps key"),
        ({"grid": None}, "grid: it is needed"),
        ({"scale": "meterset"}, "scale"),
        ({"shorten": 0}, "shorten"),
        ({"dose_factor": 0.0}, "dose_factor"),
        ({"command": []}, "command"),
        ({"energies_mev": [230.0, 70.0]}, "energies_mev"),
        ({"dialect": "moqui", "scale": "meterset"}, "histories_per_mu"),
        ({"dialect": "moqui", "scale": "meterset", "histories_per_mu": 1e5, "shorten": 2}, "shorten"),
    ],
)
def test_a_wrong_key_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(reference() | change, "site.toml")
    fault = caught.value.fault
    assert says in fault.what
    assert fault.where == "site.toml"
    assert fault.blame is Blame.OURS


def with_line(name: str, key: str, value: str | None) -> dict[str, Any]:
    """A shipped profile's table with an input line changed, or without it."""
    table = tomllib.loads((ENGINES / f"{name}.toml").read_text(encoding="utf-8"))
    changed = [] if value is None else [{"key": key, "value": value}]
    return table | {"input": [line for line in table["input"] if line["key"] != key] + changed}


@pytest.mark.promise("P41")
@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("moqui", "RBE", "1.1"),
        ("moqui", "RBE", None),
        ("moqui", "NumberOfFraction", "33"),
        ("moqui", "NumberOfFraction", None),
        ("moqui", "ParticlesPerHistory", None),
        ("moqui", "ParticlesPerHistory", "-1"),
        ("moqui-smc", "ParticlesPerHistory", "10"),
        ("moqui-smc", "ParticlesPerHistory", None),
    ],
)
def test_input_that_makes_another_dose_is_refused(name: str, key: str, value: str | None) -> None:
    with pytest.raises(ProfileError, match=f"input: .*{key}"):
        parse_profile(with_line(name, key, value), "site.toml")


@pytest.mark.promise("P41")
def test_the_first_line_of_a_key_counts_as_it_does_in_the_engine() -> None:
    table = with_line("moqui", "RBE", "1")
    parse_profile(table | {"input": [*table["input"], {"key": "rbe", "value": "1.1"}]}, "site.toml")
    with pytest.raises(ProfileError, match="RBE"):
        parse_profile(table | {"input": [{"key": "rbe", "value": "1.1"}, *table["input"]]}, "site.toml")


def test_the_two_centimeter_plane_is_what_the_engine_writes() -> None:
    plane = {"size": [400, 400, 1], "spacing_mm": [1.0, 1.0, 2.0], "origin_mm": [-199.5, -199.5, 0.0]}
    two = reference() | {"geometry": "two-centimeter"}
    assert parse_profile(two | {"grid": plane}, "site.toml").grid is not None
    with pytest.raises(ProfileError, match="400 x 400 x 1"):
        parse_profile(two | {"grid": plane | {"size": [200, 200, 1]}}, "site.toml")


def test_all_wrong_keys_are_named_at_once() -> None:
    with pytest.raises(ProfileError) as caught:
        parse_profile(reference() | {"geometri": 1, "memory": 2}, "site.toml")
    assert "geometri" in caught.value.fault.what
    assert "memory_mb" in caught.value.fault.what


def test_a_missing_profile_names_those_there_are() -> None:
    with pytest.raises(ProfileError, match="moqui, moqui-smc, reference"):
        load_profile("mokui", ENGINES)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("name = = 1")
    with pytest.raises(ProfileError, match="cannot be read"):
        load_profile("site", tmp_path)


def test_the_name_comes_from_the_file(tmp_path: Path) -> None:
    text = (ENGINES / "reference.toml").read_text().replace('name = "reference"\n', "")
    (tmp_path / "ours.toml").write_text(text)
    assert load_profile("ours", tmp_path).name == "ours"


def test_interpretation_on_a_host_needs_a_python_there() -> None:
    table = reference() | {"interpret": "host"}
    with pytest.raises(ProfileError, match=r'host_python: interpret = "host" needs a Python on the hosts'):
        parse_profile(table, "here")
    assert parse_profile(table | {"host_python": "/opt/python"}, "here").interpret == "host"
    with pytest.raises(ProfileError, match="interpret: "):
        parse_profile(reference() | {"interpret": "there"}, "here")
