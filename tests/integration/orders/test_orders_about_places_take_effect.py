"""Pause, drain and resume, by real actors: obeyed, durable over restarts, and lifted again (P34)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from actors.ledger import Reader
from messages.states import BeamState, CaseState
from tests.integration.case.case_house import WELL, House, Physics, house
from tests.kit import wait_until as wait_for

PATIENCE_S = 30.0
"""On a machine that does much else meanwhile."""


def settled(condition: Callable[[], object], what: str = "") -> object:
    """Wait until it is so."""
    return wait_for(condition, PATIENCE_S, what)


def gpu(built: House, index: int = 0) -> tuple[str, str]:
    row = Reader(built.ledger_path).gpus()[index]
    return row.state, row.reason


@pytest.mark.promise("P34")
def test_a_pause_begins_nothing_further_over_a_restart_and_ends_with_unpause(tmp_path: Path) -> None:
    with house(tmp_path) as built:
        assert built.order("pause").startswith("done")
        built.admit("case-a", 1)
        built.heard(0)
        settled(lambda: built.heard(3), what="some time has passed")
        assert built.row("case-a").state is CaseState.QUEUED
    with house(tmp_path, boot=2) as built:
        settled(lambda: built.heard(3), what="some time has passed")
        assert built.row("case-a").state is CaseState.QUEUED
        assert not built.physics.calls("interpret_case")
        assert built.order("unpause").startswith("done")
        built.until("case-a", CaseState.DONE)


@pytest.mark.promise("P34")
def test_a_drained_gpu_ends_what_runs_takes_nothing_new_and_stays_so_over_a_restart(tmp_path: Path) -> None:
    waits = f"echo step 1 of 2; while [ ! -e '{tmp_path}/gate' ]; do sleep 0.02; done; {WELL}"
    with house(tmp_path, slots=1, physics=Physics(lambda _beam: waits)) as built:
        built.admit("case-a", 1, 2)
        settled(lambda: BeamState.STAGED in {beam.state for beam in built.row("case-a").beams}, what="one is staged")
        assert built.order("drain", "here/0").startswith("done")
        settled(lambda: gpu(built)[0] == "draining")
        assert "drained by kim since" in gpu(built)[1]
        settled(
            lambda: (
                sorted(beam.state for beam in built.row("case-a").beams) == [BeamState.INTERPRETED, BeamState.RUNNING]
            ),
            what="what was staged is given back",
        )
        (tmp_path / "gate").touch()
        settled(lambda: BeamState.DONE in {beam.state for beam in built.row("case-a").beams}, what="it ran to its end")
    with house(tmp_path, slots=1, boot=2, physics=Physics(lambda _beam: waits)) as built:
        settled(lambda: gpu(built)[0] == "draining" and built.heard(3))
        assert BeamState.INTERPRETED in {beam.state for beam in built.row("case-a").beams}
        assert built.order("resume", "here").startswith("done: here/0 may take work again")
        built.until("case-a", CaseState.DONE)
