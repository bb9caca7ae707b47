"""Cases go through real actors, a real ledger, real files and real processes; only the physics is played."""

from __future__ import annotations

import json
from pathlib import Path

from messages.states import AttemptState, BeamState, CaseState
from tests.integration.case.case_house import house


def test_a_case_goes_in_and_its_result_comes_out(tmp_path: Path) -> None:
    with house(tmp_path) as built:
        built.admit("case-a", 1, 2)
        row = built.until("case-a", CaseState.DONE)
        built.until_cleaned("case-a")
        assert [beam.state for beam in row.beams] == [BeamState.DONE, BeamState.DONE]
        assert [one.state for one in built.attempts("case-a")] == [AttemptState.VERIFIED] * 2
        assert json.loads(row.verdict)["verdict"] == "accepted"
        assert sorted(path.name for path in (tmp_path / "results" / "case-a").iterdir()) == ["beam_1", "beam_2"]
        assert not (built.workspace / "case-a").exists()
        assert not (tmp_path / "state" / "work" / "case-a").exists()
