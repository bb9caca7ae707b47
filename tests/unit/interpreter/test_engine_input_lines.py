"""The engine's input file: what is written is what the engine reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.errors import MqiError
from actors.formats.profile import load_profile
from actors.interpreter.engine_input import command_of, environment_of, input_text, variables
from messages.engine import EngineProfile, InputLine
from messages.faults import Blame

ENGINES = Path(__file__).resolve().parents[3] / "conf" / "engines"
REFERENCE = load_profile("reference", ENGINES)
assert REFERENCE.grid is not None
KNOWN = variables(REFERENCE, "G1", REFERENCE.grid, 7)


def with_lines(*lines: tuple[str, str]) -> EngineProfile:
    return REFERENCE.model_copy(update={"input": tuple(InputLine(key=key, value=value) for key, value in lines)})


def test_grid_is_written_in_whole_millimetres_from_its_corner() -> None:
    text = input_text(REFERENCE, KNOWN).decode()
    for line in ("PhantomDimZ 140", "PhantomUnitX 2", "PhantomPositionX -60", "PhantomPositionZ -260", "GantryNum 1"):
        assert f"\n{line}\n" in text
    assert text.endswith("\n")
    assert "\n\n" not in text
    assert "\t" not in text


@pytest.mark.promise("P7")
@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("Out Dir", "x", "one word"),
        ("", "x", "one word"),
        ("Out\tDir", "x", "one word"),
        ("OutputDir", "a#b", "comment"),
        ("Output#Dir", "a", "comment"),
        ("OutputDir", "", "empty"),
        ("OutputDir", "   ", "empty"),
        ("OutputDir", " a", "blank"),
        ("OutputDir", "a\tb", "TAB"),
        ("OutputDir", "a\nGPUID 3", "newline"),
        ("OutputDir", "{nowhere}", "cannot be filled"),
        ("OutputDir", "{seed.x.y}", "cannot be filled"),
        ("OutputDir", "{0}", "cannot be filled"),
        ("OutputDir", "{", "cannot be filled"),
    ],
)
def test_a_line_that_would_be_misread_is_refused(key: str, value: str, says: str) -> None:
    with pytest.raises(MqiError) as caught:
        input_text(with_lines((key, value)), KNOWN)
    fault = caught.value.fault
    assert fault.kind == "engine-input-invalid"
    assert says in fault.what
    assert fault.blame is Blame.OURS


@pytest.mark.promise("P7")
def test_a_key_twice_is_refused_whatever_its_case() -> None:
    with pytest.raises(MqiError, match="the engine takes the first"):
        input_text(with_lines(("GPUID", "0"), ("gpuid", "1")), KNOWN)


def test_command_and_environment_are_filled() -> None:
    known = KNOWN | {"python": "/usr/bin/python3", "input": "in/input.txt", "root": "/opt/mqi"}
    assert command_of(REFERENCE, known) == ("/usr/bin/python3", "-m", "actors.demo.engine", "in/input.txt")
    assert dict(environment_of(REFERENCE, known))["PYTHONPATH"] == "/opt/mqi"
    with pytest.raises(MqiError, match="line command cannot be written"):
        command_of(REFERENCE.model_copy(update={"command": ("{engine}",)}), known)


def test_a_ct_run_names_no_phantom() -> None:
    profile = load_profile("moqui", ENGINES)
    assert "nx" not in variables(profile, "G2", REFERENCE.grid, 7)
