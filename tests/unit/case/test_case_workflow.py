"""Every case comes to its end, whatever happens in whatever order; nothing that was done is done again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.case import effects as fx
from actors.case import events
from actors.case.cleaning import CLEAN_TRIES
from actors.case.view import Doing, view_of
from messages.faults import Blame, Fault
from messages.ledger import CaseReport
from messages.states import AttemptState, BeamState, CaseState
from tests.unit.case.case_world import ENGINE, HOST, INPUT, OURS, World, an_interpretation


def until(world: World, state: BeamState, beam: int = 1) -> str:
    """Let things happen well until the ledger has the beam in this state; the key of its last attempt."""
    for _ in range(60):
        keys = [key for key, row in world.rows.items() if row.beam == beam]
        if world.beams[beam] is state:
            return keys[-1] if keys else ""
        if world.pending:
            world.happen(world.pending[0])
        elif beam in world.queued:
            world.take(beam)
        elif keys:
            world.work(keys[-1])
    raise AssertionError(f"never {state}: {world.beams} {world.view}")


def test_a_case_goes_its_way_and_is_cleaned() -> None:
    world = World()
    world.settle()
    assert world.state is CaseState.DONE
    assert world.cleaned
    assert [row.state for row in world.rows.values()] == [AttemptState.VERIFIED] * 2
    assert sorted(one.key for one in world.settled if one.good) == ["case/1/1", "case/2/1"]
    assert world.interpreted == 1


def test_interpretation_beams_and_case_go_into_one_write() -> None:
    world = World()
    world.happen(fx.Interpret())
    (save,) = world.pending
    assert isinstance(save, fx.Save)
    assert [type(record).__name__ for record in save.records] == [
        "NoteInterpretation",
        "MoveBeam",
        "MoveBeam",
        "MoveCase",
    ]
    assert world.queued == {}, "nothing is queued before the write is acknowledged"


def test_a_case_that_is_wrong_fails_at_once() -> None:
    world = World()
    world.happen(fx.Interpret(), well=False, fault=INPUT)
    world.settle()
    assert world.state is CaseState.FAILED
    assert world.interpreted == 1
    assert world.alarms == [f"case case failed: {INPUT}"]


def test_an_interpretation_without_an_admitted_beam_fails_the_case() -> None:
    world = World(numbers=(1, 2, 3))
    world.pending.clear()
    world.inputs = True
    world.tell(lambda v: events.interpreted(v, an_interpretation(1, 2)))
    world.settle()
    assert world.state is CaseState.FAILED
    assert "holds no beam 3" in world.alarms[0]


def test_a_fault_of_ours_is_tried_again_but_not_for_ever() -> None:
    world = World()
    for _ in range(events.PATIENCE):
        world.happen(fx.Interpret(), well=False)
        (rest,) = world.pending
        assert isinstance(rest, fx.Rest)
        world.happen(rest)
    world.happen(fx.Interpret(), well=False)
    world.settle()
    assert world.state is CaseState.FAILED


@pytest.mark.promise("P20")
def test_a_full_disk_is_waited_for_as_long_as_it_takes() -> None:
    full = Fault("no space left", blame=Blame.OURS, kind="disk-full")
    world = World()
    for _ in range(3 * events.PATIENCE):
        world.happen(fx.Interpret(), well=False, fault=full)
        world.happen(world.pending[0])
    world.settle()
    assert world.state is CaseState.DONE


@pytest.mark.promise("P20")
def test_without_room_nothing_is_interpreted_and_with_room_it_goes_on() -> None:
    world = World()
    world.view.roomy = False
    world.pending.clear()
    world.view.doing = Doing.NOTHING
    world.go_on()
    assert world.pending == []

    def room(view: object) -> None:
        world.view.roomy = True

    world.tell(room)
    assert world.pending == [fx.Interpret()]


@pytest.mark.promise("P18")
def test_a_failed_attempt_is_followed_by_another_that_avoids_the_gpu() -> None:
    world = World(numbers=(1,))
    key = until(world, BeamState.RUNNING)
    world.work(key, fault=ENGINE)
    until(world, BeamState.INTERPRETED)
    assert world.queued[1].attempt == 2
    assert world.queued[1].avoid == {"gpu1/GPU-1"}
    world.settle()
    assert world.state is CaseState.DONE
    assert fx.Settle("gpu1/gpu-1", "case/1/1", good=False, blame_gpu=True) in world.settled, "it succeeded elsewhere"


@pytest.mark.promise("P18")
def test_only_a_spent_budget_fails_the_case_and_the_others_run_to_their_end() -> None:
    world = World(attempts=2)
    for _ in range(2):
        world.work(until(world, BeamState.RUNNING), fault=ENGINE)
        world.happen(world.pending[-1])
    world.settle()
    assert world.state is CaseState.FAILED
    assert world.beams == {1: BeamState.FAILED, 2: BeamState.DONE}
    assert "beam 1 failed 2 times, the last time: the engine died" in world.alarms[-1]
    assert not world.cleaned
    assert world.inputs, "the working files stay for a retry"


def test_what_the_host_spoilt_spends_nothing() -> None:
    world = World(numbers=(1,), attempts=1)
    for fault in (HOST, None, OURS):
        key = until(world, BeamState.STAGED)
        world.work(key, fault=fault, withdraw=fault is None)
        until(world, BeamState.INTERPRETED)
    world.settle()
    assert world.state is CaseState.DONE
    assert len(world.rows) == 4


def test_a_result_that_somebody_else_published_is_not_tried_time_and_again() -> None:
    world = World(numbers=(1,))
    until(world, BeamState.DONE)
    while not isinstance(world.pending[0], fx.Publish):
        world.happen(world.pending[0])
    there = Fault("Another result of this case is published already", blame=Blame.OURS, kind="result-exists")
    world.happen(world.pending[0], well=False, fault=there)
    world.settle()
    assert world.state is CaseState.FAILED
    assert "published already" in world.alarms[-1]


def test_inputs_that_cannot_be_staged_are_looked_at_and_made_again() -> None:
    """They were whole when they were made; the worker that gives the beam back does not say what was wrong."""
    world = World()
    until(world, BeamState.INTERPRETED)
    while 1 not in world.queued:
        world.happen(world.pending[0])
    world.take(1)
    world.inputs, world.interpreted = False, 0
    world.work("case/1/1", withdraw=True)
    (check,) = [effect for effect in world.pending if isinstance(effect, fx.CheckInputs)]
    assert check.thorough, "with the hashes"
    world.settle()
    assert world.interpreted == 1
    assert world.state is CaseState.DONE
    assert world.beams == {1: BeamState.DONE, 2: BeamState.DONE}


def test_a_beam_that_is_spoilt_time_and_again_fails_in_the_end() -> None:
    world = World(numbers=(1,))
    for _ in range(6):
        world.work(until(world, BeamState.STAGED), withdraw=True)
        for effect in list(world.pending):
            world.happen(effect)
    world.settle()
    assert world.state is CaseState.FAILED
    assert "could not be run 6 times in a row: given back each time" in world.alarms[-1]


@pytest.mark.promise("P27")
def test_output_that_is_no_dose_fails_the_attempt_and_the_beam_in_one_write() -> None:
    world = World(numbers=(1,), attempts=2)
    until(world, BeamState.COLLECTED)
    (verify,) = world.pending
    world.happen(verify, well=False, fault=ENGINE)
    (save,) = world.pending
    assert isinstance(save, fx.Save)
    assert [type(record).__name__ for record in save.records] == ["MoveAttempt", "MoveBeam"]
    world.settle()
    assert world.state is CaseState.DONE
    assert [row.state for row in world.rows.values()] == [AttemptState.FAILED, AttemptState.VERIFIED]
    assert fx.Settle("gpu1/gpu-1", "case/1/1", good=False) in world.settled


def test_the_last_attempt_without_a_dose_fails_the_beam() -> None:
    world = World(numbers=(1,), attempts=1)
    until(world, BeamState.COLLECTED)
    world.happen(world.pending[0], well=False, fault=ENGINE)
    world.settle()
    assert world.state is CaseState.FAILED


def test_a_verification_that_we_spoilt_is_tried_again() -> None:
    world = World(numbers=(1,), attempts=1)
    until(world, BeamState.COLLECTED)
    for _ in range(3):
        world.happen(world.pending[0], well=False, fault=OURS)
        world.happen(world.pending[0])
    world.settle()
    assert world.state is CaseState.DONE


def test_the_ledger_that_takes_nothing_is_asked_again_and_nothing_goes_on_meanwhile() -> None:
    world = World()
    world.happen(fx.Interpret())
    for _ in range(5):
        world.happen(world.pending[0], well=False)
        world.happen(world.pending[0])
    assert world.queued == {}
    world.settle()
    assert world.state is CaseState.DONE


def test_a_refused_transition_is_answered_by_reading_the_rows_again() -> None:
    world = World(numbers=(1,))
    until(world, BeamState.INTERPRETED)
    world.tell(lambda v: events.write_refused(v, 1, for_good=True))
    assert world.queued == {}, "withdrawn until the rows are read"
    world.settle()
    assert world.state is CaseState.DONE


def test_a_worker_that_knows_nothing_of_a_queued_beam_makes_us_read_the_rows() -> None:
    world = World(numbers=(1,))
    until(world, BeamState.INTERPRETED)
    world.tell(lambda v: events.unknown(v, "case/1/1"))
    assert isinstance(world.pending[0], fx.Read)
    world.settle()
    assert world.state is CaseState.DONE


def test_late_and_foreign_reports_change_nothing() -> None:
    world = World(numbers=(1,))
    key = until(world, BeamState.RUNNING)
    world.work(key, fault=ENGINE, told=True)
    until(world, BeamState.INTERPRETED)
    world._answer(key)
    world.rows["case/9/1"] = replace(world.rows[key], key="case/9/1", beam=9)
    world._answer("case/9/1")
    del world.rows["case/9/1"]
    assert list(world.queued) == [1]
    world.settle()
    assert world.state is CaseState.DONE


@pytest.mark.promise("P33")
def test_the_schedulers_sentence_is_kept_while_the_beam_waits() -> None:
    world = World(numbers=(1,))
    until(world, BeamState.INTERPRETED)
    for _ in range(2):
        world.tell(lambda v: events.waits(v, 1, "beam 1 waits: gpu1/0 busy"))
    assert len(world.notes) == 1
    until(world, BeamState.STAGED)
    world.tell(lambda v: events.waits(v, 1, "beam 1 waits: late"))
    assert len(world.notes) == 1


def test_what_waited_at_a_scheduler_is_queued_again_at_its_successor() -> None:
    world = World(numbers=(1,))
    until(world, BeamState.INTERPRETED)
    world.queued.clear()
    world.tell(events.queue_again)
    assert list(world.queued) == [1]


def test_a_host_that_cannot_be_cleaned_is_left_after_a_while() -> None:
    world = World(numbers=(1,))
    until(world, BeamState.DONE)
    for _ in range(60):
        if world.stopped:
            break
        effect = world.pending[0]
        world.happen(effect, well=not isinstance(effect, fx.RemoveRuns))
    assert world.stopped
    assert not world.cleaned
    assert world.view.tries == CLEAN_TRIES
    world.restart()
    world.settle()
    assert world.cleaned


def test_a_host_that_does_not_answer_is_asked_again() -> None:
    world = World(numbers=(1,))
    until(world, BeamState.DONE)
    while not any(isinstance(one, fx.RemoveRuns) for one in world.pending):
        world.happen(world.pending[0])
    world.pending = [one for one in world.pending if isinstance(one, fx.Rest)]
    world.happen(world.pending[0])
    assert any(isinstance(one, fx.RemoveRuns) for one in world.pending)


def test_working_files_that_cannot_be_removed_are_tried_again() -> None:
    world = World(numbers=(1,))
    until(world, BeamState.DONE)
    while not any(isinstance(one, fx.RemoveWork) for one in world.pending):
        world.happen(world.pending[0])
    world.happen(fx.RemoveWork(), well=False)
    world.settle()
    assert world.cleaned


@pytest.mark.parametrize("state", [CaseState.HELD, CaseState.INCOMING])
def test_a_case_that_is_not_to_be_worked_on_stops(state: CaseState) -> None:
    world = World()
    world.state = state
    world.restart()
    assert world.stopped


def test_no_such_case_stops() -> None:
    world = World()
    world.pending.clear()
    world.view = view_of(CaseReport("", None, ()), "case")
    world.go_on()
    assert world.stopped


def test_inputs_that_are_whole_are_used_again_and_lost_ones_are_made_again() -> None:
    world = World(numbers=(1,))
    until(world, BeamState.INTERPRETED)
    world.restart()
    world.happen(world.pending[0])
    assert world.interpreted == 1
    assert list(world.queued) == [1]
    world.inputs = False
    world.restart()
    world.happen(world.pending[0])
    assert world.pending == [fx.Interpret()]


def test_a_case_whose_inputs_cannot_be_made_again_fails_only_when_what_runs_has_come_to_its_end() -> None:
    world = World()
    key = until(world, BeamState.RUNNING)
    world.inputs = False
    world.restart()
    while fx.Interpret() not in world.pending:
        world.happen(world.pending[0])
    world.happen(fx.Interpret(), well=False, fault=INPUT)
    assert world.view.state is CaseState.RUNNING
    assert world.rows[key].state is AttemptState.RUNNING
    world.settle()
    assert world.state is CaseState.FAILED
    assert world.beams == {1: BeamState.DONE, 2: BeamState.FAILED}


FAULTS = (ENGINE, ENGINE, HOST, OURS)


@pytest.mark.promise("P18")
@pytest.mark.promise("P19")
@example([(0, 1), (0, 1), (6, 0), (7, 1), (0, 1), (0, 1), (10, 0), (6, 0), (7, 2)])  # taken while its case restarts
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 10**6)), min_size=10, max_size=150))
@settings(max_examples=200)
def test_whatever_happens_every_case_ends_and_no_beam_that_is_done_is_done_again(
    script: list[tuple[int, int]],
) -> None:
    """Random orders, failures, lost reports, restarts; the world checks each write by the ledger's own table."""
    world = World()
    done: set[int] = set()
    for action, number in script:
        act(world, action, number)
        assert done <= {beam for beam, state in world.beams.items() if state is BeamState.DONE}
        done |= {beam for beam, state in world.beams.items() if state is BeamState.DONE}
    if world.stopped:
        world.restart()
    world.settle()
    assert world.state in (CaseState.DONE, CaseState.FAILED)
    assert world.cleaned is (world.state is CaseState.DONE)
    for beam in world.numbers:
        attempts = [row for row in world.rows.values() if row.beam == beam]
        assert sum(row.state is AttemptState.VERIFIED for row in attempts) <= 1
        blamed = [row for row in attempts if row.state is AttemptState.FAILED and '"engine"' in row.evidence]
        assert len(blamed) <= world.attempts


def act(world: World, action: int, number: int) -> None:
    """One step of a random history; what cannot be done now is not done."""
    working = [key for key, row in world.rows.items() if row.state in list(AttemptState)[:5]]
    if action <= 5 and world.pending:
        late = number % 4 == 0
        index = number // 4 % len(world.pending) if late else 0
        world.happen(world.pending[index], well=number % 10 != 0, fault=FAULTS[number % 3 + 1])
    elif action == 6 and world.queued:
        world.take(sorted(world.queued)[number % len(world.queued)])
    elif action in (7, 8, 9) and working:
        fault = FAULTS[number % 4] if number % 7 == 0 else None
        key = working[number % len(working)]
        world.work(key, fault=fault, withdraw=number % 11 == 1, told=number % 5 != 0)
    elif action == 10 and number % 3 == 0:
        crash(world, written=number % 2 == 1)
    elif action == 11:
        world.tell(events.queue_again if number % 2 else lambda v: events.waits(v, 1, "beam 1 waits"))
    elif action == 12 and world.rows:
        world._answer(sorted(world.rows)[number % len(world.rows)])


def crash(world: World, *, written: bool) -> None:
    """The case's actor is restarted; what it had given the ledger was written, or (the daemon was killed) was not."""
    for order in [one for one in world.pending if isinstance(one, fx.Save)] if written else []:
        world.apply(order.records)
    world.restart()
