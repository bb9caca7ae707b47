"""Cases go through real actors, a real ledger, real files and real processes; only the physics is played."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from actors.supervision import Exited
from messages.faults import Blame, Fault
from messages.jobs import LaunchJob
from messages.ledger import GetCase
from messages.operators import AlarmRaised, DiskState
from messages.scheduling import BeamRefused, GetAttempt, WaitReason
from messages.states import AttemptState, BeamState, CaseState
from tests.integration.case.case_house import WELL, House, Physics, house
from tests.kit import wait_until

BROKEN: Any = []
"""Where a name is expected: a fault of ours in the middle of a handler."""
FATAL: dict[str, object] = {
    "cases/case-a": WaitReason("case-a", BROKEN, ""),
    "cases/admission": Exited(BROKEN, 1, None),
    "scheduler": BeamRefused(BROKEN, "", ""),
    "hosts/here/gpu-0": GetAttempt(BROKEN, BROKEN),
    "hosts/here/control": LaunchJob("", BROKEN, BROKEN),
    "ledger": GetCase("", BROKEN, "case-a"),
}
"""A message that crashes the actor."""

INPUT = Fault("beam 2, layer 7: its file is truncated", "/cases/a", blame=Blame.INPUT, kind="layer-truncated")
OURS = Fault("a worker process died", blame=Blame.OURS, kind="process-died")


def gated(folder: Path) -> str:
    """An engine that says it runs, and ends well once the test lets it; its runs are counted."""
    started, gate = folder / "started", folder / "gate"
    return f"echo $$ >>'{started}'; echo step 1 of 2; while [ ! -e '{gate}' ]; do sleep 0.02; done; {WELL}"


def started(folder: Path) -> list[int]:
    """Process ids of the engines that began, one for each start."""
    file = folder / "started"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def open_gate(folder: Path) -> None:
    (folder / "gate").touch()


def outcomes(built: House, case: str, beam: int) -> list[AttemptState]:
    return [one.state for one in built.attempts(case) if one.beam == beam]


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


def test_a_case_that_is_wrong_fails_at_once_with_its_sentence_and_an_alarm(tmp_path: Path) -> None:
    with house(tmp_path, physics=Physics(fail={"interpret_case": [INPUT]})) as built:
        built.admit("case-a")
        row = built.until("case-a", CaseState.FAILED)
        assert row.reason == str(INPUT)
        assert built.monitor.expect(AlarmRaised).text == f"case case-a failed: {INPUT}"
        assert len(built.physics.calls("interpret_case")) == 1
        built.admit("case-b")
        built.until("case-b", CaseState.DONE)


def test_a_fault_of_ours_is_tried_again(tmp_path: Path) -> None:
    faults = {"interpret_case": [OURS], "verify_run": [OURS], "publish_case": [OURS]}
    with house(tmp_path, physics=Physics(fail=faults)) as built:
        built.admit("case-a")
        built.until("case-a", CaseState.DONE)
        assert len(built.attempts("case-a")) == 2, "no attempt was spent on it"


@pytest.mark.promise("P18")
def test_a_failed_beam_is_tried_again_on_the_other_gpu_and_the_good_one_is_not_redone(tmp_path: Path) -> None:
    bad = f"if [ -e '{tmp_path}/once' ]; then {WELL}; else touch '{tmp_path}/once'; kill -SEGV $$; fi"
    with house(tmp_path, physics=Physics(lambda beam: bad if beam == 2 else WELL)) as built:
        built.admit("case-a", 1, 2)
        built.until("case-a", CaseState.DONE)
        attempts = built.attempts("case-a")
        assert Counter(one.beam for one in attempts) == {1: 1, 2: 2}
        assert outcomes(built, "case-a", 2) == [AttemptState.FAILED, AttemptState.VERIFIED]
        first, second = (one for one in attempts if one.beam == 2)
        assert first.gpu != second.gpu
        assert json.loads(first.evidence)["kind"] == "segmentation-fault"


@pytest.mark.promise("P18")
def test_only_a_spent_budget_fails_the_case_and_it_keeps_its_good_beams(tmp_path: Path) -> None:
    with house(tmp_path, physics=Physics(lambda beam: "exit 3" if beam == 2 else WELL), attempts=2) as built:
        built.admit("case-a", 1, 2)
        row = built.until("case-a", CaseState.FAILED)
        assert "beam 2 failed 2 times" in row.reason
        assert "exit code 3" in row.reason
        assert [beam.state for beam in row.beams] == [BeamState.DONE, BeamState.FAILED]
        assert outcomes(built, "case-a", 2) == [AttemptState.FAILED] * 2
        good = next(one for one in built.attempts("case-a") if one.beam == 1)
        assert Path(json.loads(good.evidence)["path"]).read_bytes() == b"12345678"
        assert "beam 2 failed 2 times" in built.monitor.expect(AlarmRaised).text
        wait_until(lambda: not (built.workspace / "case-a").exists(), what="its runs are removed from the host")


@pytest.mark.promise("P24")
def test_exit_0_without_a_dose_is_a_failed_attempt(tmp_path: Path) -> None:
    with house(tmp_path, physics=Physics(lambda _beam: "echo complete", beams=(1,)), attempts=2) as built:
        built.admit("case-a")
        row = built.until("case-a", CaseState.FAILED)
        assert "no dose of 8 bytes" in row.reason
        assert outcomes(built, "case-a", 1) == [AttemptState.FAILED] * 2


@pytest.mark.promise("P17")
def test_engines_survive_a_stop_and_are_picked_up_with_their_progress(tmp_path: Path) -> None:
    physics = Physics(lambda _beam: gated(tmp_path))
    with house(tmp_path, physics=physics) as built:
        built.admit("case-a", 1, 2)
        wait_until(lambda: [beam.progress for beam in built.row("case-a").beams] == [0.5, 0.5], 10)
        before = started(tmp_path)
    assert all(psutil.pid_exists(pid) for pid in before), "the engines go on without us"
    with house(tmp_path, boot=2, physics=physics) as built:
        assert [beam.progress for beam in built.row("case-a").beams] == [0.5, 0.5]
        open_gate(tmp_path)
        built.until("case-a", CaseState.DONE)
        assert started(tmp_path) == before, "each engine ran once"
        assert len(built.attempts("case-a")) == 2
    assert len(physics.calls("interpret_case")) == 1, "interpreted once"


def test_engines_that_ended_while_nobody_was_there_are_collected(tmp_path: Path) -> None:
    physics = Physics(lambda _beam: gated(tmp_path))
    with house(tmp_path, physics=physics) as built:
        built.admit("case-a", 1, 2)
        wait_until(lambda: all(beam.state is BeamState.RUNNING for beam in built.row("case-a").beams), 10)
    open_gate(tmp_path)
    runs = built.workspace / "case-a"
    wait_until(lambda: len(list(runs.glob("*/*/exit.json"))) == 2, 10)
    with house(tmp_path, boot=2, physics=physics) as built:
        built.until("case-a", CaseState.DONE)
        assert len(started(tmp_path)) == 2


def gone(pid: int) -> bool:
    """No such process, or one that nobody has reaped yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


@pytest.mark.promise("P28")
def test_a_killed_engine_is_a_failed_attempt_and_the_next_one_starts_when_it_is_gone(tmp_path: Path) -> None:
    physics = Physics(lambda _beam: gated(tmp_path), beams=(1,))
    with house(tmp_path, slots=1, physics=physics) as built:
        built.admit("case-a")
        (first,) = wait_until(lambda: started(tmp_path), 10)
        psutil.Process(first).kill()
        wait_until(lambda: started(tmp_path)[1:], 10)
        assert gone(first)
        open_gate(tmp_path)
        built.until("case-a", CaseState.DONE)
        assert outcomes(built, "case-a", 1) == [AttemptState.FAILED, AttemptState.VERIFIED]


@pytest.mark.promise("P28")
def test_a_killed_wrapper_frees_no_gpu_while_its_engine_lives(tmp_path: Path) -> None:
    physics = Physics(lambda _beam: gated(tmp_path), beams=(1,))
    with house(tmp_path, slots=1, physics=physics) as built:
        built.admit("case-a")
        (first,) = wait_until(lambda: started(tmp_path), 10)
        wait_until(lambda: built.row("case-a").beams[0].state is BeamState.RUNNING, 10)
        wrapper = psutil.Process(first).parents()[0]
        wrapper.kill()
        wait_until(lambda: gone(wrapper.pid))
        wait_until(lambda: built.heard(2), what="the worker has told twice how its GPU stands since")
        assert started(tmp_path) == [first]
        open_gate(tmp_path)
        built.until("case-a", CaseState.DONE)
        assert gone(first)
        assert outcomes(built, "case-a", 1) == [AttemptState.FAILED, AttemptState.VERIFIED]
        assert json.loads(built.attempts("case-a")[0].evidence)["kind"] == "killed"


@pytest.mark.promise("P28")
def test_a_child_that_an_engine_leaves_behind_keeps_the_gpu_until_it_is_gone(tmp_path: Path) -> None:
    leaking = f"sleep 60 & echo $! >'{tmp_path}/child'; {WELL}"
    physics = Physics(lambda beam: leaking if beam == 1 else WELL)
    with house(tmp_path, slots=1, physics=physics) as built:
        built.admit("case-a", 1, 2)
        built.until("case-a", CaseState.DONE)
        child = int((tmp_path / "child").read_text())
        assert gone(child)


@pytest.mark.promise("P28")
def test_one_gpu_runs_one_beam_at_a_time(tmp_path: Path) -> None:
    lock = tmp_path / "gpu"
    alone = f"mkdir '{lock}' || exit 9; sleep 0.05; rmdir '{lock}'; {WELL}"
    with house(tmp_path, slots=1, physics=Physics(lambda _beam: alone, beams=(1, 2, 3, 4, 5))) as built:
        for name in ("case-a", "case-b"):
            built.admit(name)
        for name in ("case-a", "case-b"):
            built.until(name, CaseState.DONE)
            assert {one.state for one in built.attempts(name)} == {AttemptState.VERIFIED}


@pytest.mark.promise("P35")
@pytest.mark.parametrize("part", sorted(FATAL))
def test_a_crash_in_any_actor_changes_nothing_in_the_end(tmp_path: Path, part: str) -> None:
    physics = Physics(lambda _beam: gated(tmp_path))
    with house(tmp_path, physics=physics) as built:
        built.admit("case-a", 1, 2)
        built.admit("case-b", 1)
        wait_until(lambda: len(started(tmp_path)) == 2, 10)
        built.at(part).tell(FATAL[part])
        wait_until(lambda: any(row.restarts for row in built.system.snapshot()), 10, f"{part} is restarted")
        open_gate(tmp_path)
        for name in ("case-a", "case-b"):
            built.until(name, CaseState.DONE)
        assert len(started(tmp_path)) == 3, "each engine ran once"
        assert all(one.state is AttemptState.VERIFIED for name in ("case-a", "case-b") for one in built.attempts(name))


@pytest.mark.promise("P20")
def test_with_a_full_disk_nothing_new_is_interpreted_what_runs_is_kept_and_all_goes_on_with_room(
    tmp_path: Path,
) -> None:
    physics = Physics(lambda _beam: gated(tmp_path))
    with house(tmp_path, physics=physics) as built:
        built.admit("case-a", 1, 2)
        wait_until(lambda: len(started(tmp_path)) == 2, 10)
        full = DiskState(roomy=False, reason="the results disk has 1 GB free, 20 GB are wanted")
        for part in ("cases/admission", "scheduler"):
            built.at(part).tell(full)
        built.admit("case-b", 1)
        open_gate(tmp_path)
        built.until("case-a", CaseState.DONE)
        wait_until(lambda: built.alive("cases/case-b"))
        assert built.row("case-b").state is CaseState.QUEUED
        assert len(physics.calls("interpret_case")) == 1
        for part in ("cases/admission", "scheduler"):
            built.at(part).tell(DiskState(roomy=True, reason=""))
        built.until("case-b", CaseState.DONE)


def test_files_left_by_a_killed_daemon_between_done_and_cleaned_are_removed_at_the_next_start(tmp_path: Path) -> None:
    with house(tmp_path) as built:
        built.at("hosts/here/control")
        built.admit("case-a")
        built.until("case-a", CaseState.DONE)
        built.until_cleaned("case-a")
    with sqlite3.connect(built.ledger_path) as database:
        database.execute("UPDATE cases SET cleaned = 0")
    database.close()
    left = [built.workspace / "case-a" / "1" / "1" / "out", tmp_path / "state" / "work" / "case-a" / "input"]
    for folder in left:
        folder.mkdir(parents=True)
    with house(tmp_path, boot=2) as built:
        built.until_cleaned("case-a")
        assert not any(folder.exists() for folder in left)


def test_inputs_that_were_lost_are_made_again_after_a_restart(tmp_path: Path) -> None:
    physics = Physics(lambda _beam: gated(tmp_path), beams=(1, 2))
    with house(tmp_path, slots=1, physics=physics) as built:
        built.admit("case-a")
        wait_until(lambda: started(tmp_path), 10)
        staged = wait_until(lambda: [one for one in built.attempts("case-a") if one.state is AttemptState.STAGED], 10)
    for file in (tmp_path / "state" / "work" / "case-a" / "input" / str(staged[0].beam)).iterdir():
        file.unlink()
    open_gate(tmp_path)
    with house(tmp_path, slots=1, boot=2, physics=physics) as built:
        built.until("case-a", CaseState.DONE)
    assert len(physics.calls("interpret_case")) == 2


@pytest.mark.promise("P26")
def test_an_endless_run_is_ended_and_its_gpu_used_again(tmp_path: Path) -> None:
    endless = f"if [ -e '{tmp_path}/once' ]; then {WELL}; else touch '{tmp_path}/once'; sleep 1000; fi"
    with house(tmp_path, slots=1, physics=Physics(lambda _beam: endless, beams=(1,), wall_limit_s=1)) as built:
        built.admit("case-a")
        built.until("case-a", CaseState.DONE)
        first, _ = built.attempts("case-a")
        assert json.loads(first.evidence)["kind"] == "wall-limit"


@pytest.mark.promise("P33")
def test_what_waits_says_why_in_the_ledger(tmp_path: Path) -> None:
    physics = Physics(lambda _beam: gated(tmp_path), beams=(1, 2, 3))
    with house(tmp_path, slots=1, physics=physics) as built:
        built.admit("case-a")
        waiting = wait_until(lambda: [b.reason for b in built.row("case-a").beams if "waits" in b.reason], 10)
        assert waiting[0].startswith("beam 3 waits: here/0 busy with case-a beam 1")
        open_gate(tmp_path)
        built.until("case-a", CaseState.DONE)


def test_a_beam_staged_behind_a_long_run_moves_to_a_gpu_that_stays_idle(tmp_path: Path) -> None:
    long_run, short = gated(tmp_path), f"while [ ! -e '{tmp_path}/short' ]; do sleep 0.02; done; {WELL}"
    physics = Physics(lambda beam: {1: long_run, 2: short}.get(beam, WELL), beams=(1, 2, 3))
    with house(tmp_path, physics=physics) as built:
        built.admit("case-a")
        staged = wait_until(
            lambda: [a for a in built.attempts("case-a") if a.beam == 3 and a.state is AttemptState.STAGED], 10
        )
        if staged[0].gpu == next(a.gpu for a in built.attempts("case-a") if a.beam == 2):
            (tmp_path / "gate").touch()
        else:
            (tmp_path / "short").touch()
        wait_until(lambda: built.row("case-a").beams[2].state is BeamState.DONE, 10)
        assert sum(beam.state is BeamState.RUNNING for beam in built.row("case-a").beams) == 1
        for name in ("gate", "short"):
            (tmp_path / name).touch()
        built.until("case-a", CaseState.DONE)
        assert outcomes(built, "case-a", 3) == [AttemptState.WITHDRAWN, AttemptState.VERIFIED]


def test_a_signal_by_hand_is_named(tmp_path: Path) -> None:
    physics = Physics(lambda _beam: gated(tmp_path), beams=(1,))
    with house(tmp_path, slots=1, physics=physics, attempts=1) as built:
        built.admit("case-a")
        (pid,) = wait_until(lambda: started(tmp_path), 10)
        os.kill(pid, signal.SIGABRT)
        assert "SIGABRT" in built.until("case-a", CaseState.FAILED).reason
