"""Which case folder an operator means."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.scanner.submission import NAMED, find_case_folder
from messages.cases import SubmitFolder
from tests.kit import Probe


def sentence(path: Path) -> str:
    return find_case_folder(SubmitFolder("r", Probe(), str(path)), "").sentence


@pytest.mark.parametrize("level", [1, 2])
def test_a_folder_above_names_the_case_folder_below(tmp_path: Path, level: int) -> None:
    case = write_demo_case(tmp_path / "patient", beams=1, layers=2, spots=4, seed=1).path
    above = case if level == 0 else case.parents[level - 1]
    assert find_case_folder(SubmitFolder("r", Probe(), str(case)), "").look is not None
    assert f"Below it: {case}; submit that one." in sentence(above)


def test_of_many_some_are_named_and_of_none_nothing_is_said(tmp_path: Path) -> None:
    for seed in range(NAMED + 2):
        (tmp_path / str(seed)).mkdir()
        (tmp_path / str(seed) / "RP.dcm").touch()
    assert "and more; submit one of these." in sentence(tmp_path)
    (tmp_path / "empty").mkdir()
    assert "Below" not in sentence(tmp_path / "empty")
