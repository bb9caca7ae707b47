"""Crash points without a crash: which are there, when they are passed, and that they cost nothing unarmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import crash_points
from actors.crash_points import EFFECTS, POINTS, Trap, arm, catalogue, effect, point


@pytest.fixture
def notes(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "notes"
    arm(Trap(notes=str(file)))
    yield file
    arm(None)


def passed(notes: Path) -> list[str]:
    return notes.read_text().split()[::2]


def test_an_effect_has_a_point_before_and_one_after_it(notes: Path) -> None:
    with effect("publish.rename"):
        assert passed(notes) == ["publish.rename:before"]
    assert passed(notes) == ["publish.rename:before", "publish.rename:after"]


def test_an_effect_that_raised_was_not_done(notes: Path) -> None:
    with pytest.raises(OSError, match="full"), effect("publish.rename"):
        raise OSError("full")
    assert passed(notes) == ["publish.rename:before"]


def test_effects_may_be_nested_and_entered_again(notes: Path) -> None:
    with effect("stage"), effect("move.copy"):
        pass
    with effect("stage"):
        point("watch.told")
    assert passed(notes) == [
        *("stage:before", "move.copy:before", "move.copy:after", "stage:after"),
        *("stage:before", "watch.told", "stage:after"),
    ]


def test_only_names_of_the_catalogue_exist() -> None:
    with pytest.raises(KeyError):
        effect("publish.renam")
    with pytest.raises(ValueError, match=r"no crash point publish\.rename"):
        Trap(at="publish.rename")
    names = catalogue()
    assert len(set(names)) == len(names) == 2 * len(EFFECTS) + len(POINTS)
    assert all(text and not text.endswith(".") for text in (*EFFECTS.values(), *POINTS.values()))


def test_nothing_is_armed_unless_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MQI_CRASH_AT", "MQI_CRASH_NOTES", "MQI_CRASH_DAEMON"):
        monkeypatch.delenv(name, raising=False)
    assert crash_points._armed() is None
    monkeypatch.setenv("MQI_CRASH_AT", "verify:before#2")
    monkeypatch.setenv("MQI_CRASH_DAEMON", "7")
    assert crash_points._armed() is not None
