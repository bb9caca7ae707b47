"""One GPU, one beam at a time, whatever happens in whatever order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.gpu_worker import effects as fx
from actors.gpu_worker import facts
from actors.gpu_worker.attempt import Attempt, Doing, Home, advance
from actors.gpu_worker.progress import LogReader
from messages.engine import Progress
from messages.faults import Blame, Fault
from messages.hosts import GpusObserved, GpuState, HostObserved, HostState
from messages.jobs import JobObserved, Observation
from messages.scheduling import AttemptReport
from messages.states import AttemptState
from tests.unit.gpu_worker.lease_world import BROKEN_LINK, World, a_request, an_exit

KEY = "case/1/1"


def a_host(reason: str = "", boot_id: str = "boot-1") -> HostObserved:
    """A host that is up, or suspended for a reason."""
    state = HostState.SUSPENDED if reason else HostState.UP
    return HostObserved("gpu1", "ssh", datetime.now(UTC), state, reason, boot_id=boot_id)


def states(world: World, key: str = KEY) -> list[AttemptState]:
    return [report.state for report in world.reports if report.key == key]


def until(world: World, state: AttemptState, key: str = KEY) -> None:
    """Let things happen well, one by one, until the ledger has the attempt in this state."""
    for _ in range(50):
        if key in world.rows and world.rows[key].state is state:
            return
        if world.pending:
            world.happen(world.pending[0])
        else:
            for watched in tuple(world.watched):
                world.look(watched)
    raise AssertionError(f"never {state}: {world.rows}")


def test_a_beam_is_staged_run_collected_and_reported_after_each_write() -> None:
    world = World()
    assert world.run_beam(a_request())
    world.settle()
    assert states(world) == [
        AttemptState.INTENDED,
        AttemptState.STAGED,
        AttemptState.LAUNCHING,
        AttemptState.RUNNING,
        AttemptState.ENDED,
        AttemptState.COLLECTED,
    ]
    assert world.reports[-1].output[0].path == "out/dose.raw"
    assert world.lease.standing(0.0).running == ""
    assert world.lease.standing(0.0).keys == (KEY,)


def test_a_settled_attempt_leaves() -> None:
    world = World()
    world.run_beam(a_request())
    world.settle()
    world.do(world.lease.settled(KEY, good=True, blame_gpu=False, now=0.0))
    assert world.lease.standing(0.0).keys == ()


def test_the_next_beam_is_staged_while_one_runs_and_launched_when_it_is_gone() -> None:
    world = World()
    world.run_beam(a_request(1))
    until(world, AttemptState.RUNNING)
    assert world.run_beam(a_request(2))
    until(world, AttemptState.STAGED, "case/2/1")
    assert not world.pending, "the second waits for the GPU"
    assert world.lease.refusal(a_request(3), 0.0) == "case/2/1 is staged already"
    world.end(KEY, code=0)
    world.look(KEY)
    orders = [order for order in world.pending if isinstance(order, fx.Save)]
    assert [order.key for order in orders] == [KEY, "case/2/1"], "both writes go out in one handler"


@pytest.mark.promise("P28")
def test_a_run_that_ended_keeps_the_gpu_while_a_child_of_it_lives() -> None:
    world = World()
    world.run_beam(a_request(1))
    until(world, AttemptState.RUNNING)
    world.run_beam(a_request(2))
    until(world, AttemptState.STAGED, "case/2/1")
    world.end(KEY, code=0, leftover=True)
    world.look(KEY)
    assert world.lease.standing(0.0).running == KEY
    assert not world.pending
    world.tick(facts.LEFTOVER_S + 1)
    until(world, AttemptState.RUNNING, "case/2/1")
    assert world.rows[KEY].state is not AttemptState.RUNNING
    assert KEY in world.kills_noted


@pytest.mark.promise("P29")
def test_unknown_releases_nothing() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    for _ in range(3):
        world.change(KEY, lambda a: facts.observe(a, JobObserved(KEY, Observation.UNKNOWN), world.now))
        world.tick(30)
    assert world.lease.standing(world.now).running == KEY
    assert world.rows[KEY].state is AttemptState.RUNNING


@pytest.mark.promise("P31")
def test_a_suspended_host_gets_no_new_launch_keeps_what_runs_and_hands_back_what_waits() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    world.run_beam(a_request(2))
    until(world, AttemptState.STAGED, "case/2/1")
    world.lease.host_seen(a_host("the connection was lost"), world.now)
    standing = world.lease.standing(world.now)
    assert (standing.state, standing.accepts, standing.running) == (GpuState.UNKNOWN, False, KEY)
    assert "the connection was lost" in standing.reason
    world.tick(world.lease.gpu.limits.hand_back_s + 1)
    world.tick(world.lease.gpu.limits.hand_back_s + 1)
    until(world, AttemptState.WITHDRAWN, "case/2/1")
    assert world.rows[KEY].state is AttemptState.RUNNING
    world.lease.host_seen(a_host(), world.now)
    assert world.lease.standing(world.now).state is GpuState.BUSY


def test_a_killed_run_fails_by_name_and_a_reboot_blames_the_host() -> None:
    for boot_id, blame, kind in (("boot-1", Blame.ENGINE, "killed"), ("boot-2", Blame.HOST, "host-rebooted")):
        world = World()
        world.lease.host_seen(a_host(boot_id=boot_id), world.now)
        world.run_beam(a_request())
        until(world, AttemptState.RUNNING)
        world.end(KEY, code=None)
        world.tick()
        world.settle()
        assert world.reports[-1].state is AttemptState.FAILED
        assert world.reports[-1].fault is not None
        assert (world.reports[-1].fault.blame, world.reports[-1].fault.kind) == (blame, kind)


def test_a_bad_exit_is_collected_and_named() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    world.change(KEY, lambda a: facts.observe(a, JobObserved(KEY, Observation.RUNNING, "oh no\n", 6), 0.0))
    world.end(KEY, code=139)
    world.look(KEY)
    until(world, AttemptState.ENDED)
    assert world.pending == [fx.Fetch(KEY, log_only=True)]
    world.settle()
    fault = world.reports[-1].fault
    assert fault is not None
    assert fault.kind == "segmentation-fault"
    assert "oh no" in fault.what


def test_staging_that_fails_for_long_is_given_back() -> None:
    world = World()
    world.run_beam(a_request())
    for _ in range(40):
        if world.rows.get(KEY) and world.rows[KEY].state is AttemptState.WITHDRAWN:
            break
        order = world.pending[0]
        world.happen(order, well=not isinstance(order, fx.Put))
    assert states(world)[-1] is AttemptState.WITHDRAWN
    assert world.lease.standing(0.0).accepts


def test_an_input_that_is_wrong_fails_the_attempt() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.INTENDED)
    wrong = Fault("input.txt is not what the manifest says", blame=Blame.INPUT, kind="input-changed")
    world.pending.clear()
    world.change(KEY, lambda a: facts.move_failed(a, wrong))
    world.settle()
    assert world.reports[-1].fault == wrong


def test_a_good_runs_output_is_fetched_until_it_is_here() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    world.end(KEY, code=0)
    world.look(KEY)
    until(world, AttemptState.ENDED)
    for _ in range(30):
        order = world.pending[0]
        world.happen(order, well=not isinstance(order, fx.Fetch))
    assert world.rows[KEY].state is AttemptState.ENDED
    world.settle()
    assert states(world)[-1] is AttemptState.COLLECTED


def test_the_log_of_a_failed_run_is_not_waited_for_for_ever() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    world.end(KEY, code=1)
    world.look(KEY)
    until(world, AttemptState.ENDED)
    while world.pending:
        order = world.pending[0]
        world.happen(order, well=not isinstance(order, fx.Fetch))
    assert states(world)[-1] is AttemptState.FAILED


def test_a_launch_that_fails_for_certain_frees_the_gpu_and_ends_as_the_hosts_fault() -> None:
    world = World()
    world.run_beam(a_request())
    for _ in range(40):
        if not world.pending:
            break
        order = world.pending[0]
        world.happen(order, well=not isinstance(order, fx.Launch))
    assert states(world)[-1] is AttemptState.FAILED
    assert world.reports[-1].fault == BROKEN_LINK
    assert world.lease.standing(0.0).accepts


def test_cancel_before_launch_withdraws_and_after_launch_kills_first() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.INTENDED)
    world.change(KEY, lambda a: facts.cancel(a, "no longer wanted"))
    world.settle()
    assert world.rows[KEY].state is AttemptState.WITHDRAWN
    assert KEY not in world.runs

    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    world.change(KEY, lambda a: facts.cancel(a, "no longer wanted"))
    assert isinstance(world.pending[0], fx.Save), "the order to kill is noted first"
    until(world, AttemptState.WITHDRAWN)
    assert not world.runs[KEY].alive


def test_beyond_its_wall_clock_limit_a_run_is_killed_by_us_as_well() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    world.tick(100 + 61)
    until(world, AttemptState.ENDED)
    assert not world.runs[KEY].alive


def test_a_kill_that_fails_keeps_the_lease_and_is_tried_again() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    world.change(KEY, lambda a: facts.cancel(a, "no longer wanted"))
    world.happen(world.pending[0])
    world.happen(world.pending[0], well=False)
    assert world.lease.standing(0.0).running == KEY
    world.settle()
    assert world.rows[KEY].state is AttemptState.WITHDRAWN


def test_a_cancel_that_is_said_again_cuts_no_pause_short() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    world.change(KEY, lambda a: facts.cancel(a, "no longer wanted"))
    world.happen(world.pending[0])
    world.happen(world.pending[0], well=False)
    assert [type(effect) for effect in world.pending] == [fx.Rest]
    world.change(KEY, lambda a: facts.cancel(a, "no longer wanted"))
    assert [type(effect) for effect in world.pending] == [fx.Rest], "the kill is ordered once the pause is over"
    world.settle()
    assert world.rows[KEY].state is AttemptState.WITHDRAWN


def test_a_vanished_run_directory_is_no_end_until_it_stays_vanished() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    gone = JobObserved(KEY, Observation.ABSENT)
    world.change(KEY, lambda a: facts.observe(a, gone, world.now))
    world.look(KEY)
    world.tick(facts.VANISHED_S + 1)
    assert not world.pending, "it was seen again meanwhile"
    world.change(KEY, lambda a: facts.observe(a, gone, world.now))
    world.tick(facts.VANISHED_S + 1)
    world.settle()
    assert world.reports[-1].state is AttemptState.FAILED
    assert world.reports[-1].fault is not None
    assert world.reports[-1].fault.kind == "run-vanished"


@pytest.mark.promise("P20")
def test_a_full_disk_under_the_ledger_stops_every_step_until_there_is_room() -> None:
    world = World()
    world.run_beam(a_request())
    for _ in range(20):
        world.happen(world.pending[0], well=False)
    assert world.rows == {}
    assert world.runs == {}
    world.settle()
    assert states(world)[-1] is AttemptState.COLLECTED


def test_an_attempt_that_the_ledger_refuses_is_given_up_and_told() -> None:
    world = World()
    world.run_beam(a_request())
    world.apply(world.pending[0].records)  # type: ignore[union-attr]  # somebody else opened it
    row = world.rows[KEY]
    world.rows[KEY] = type(row)(**{name: getattr(row, name) for name in row.__dataclass_fields__} | {"state": "failed"})
    world.settle()
    assert world.not_ours == [KEY]
    assert world.lease.standing(0.0).accepts


def test_a_running_attempt_that_the_ledger_closed_is_ended_on_the_host_before_the_gpu_is_free() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.RUNNING)
    world.kills_noted.add(KEY)
    world.do(world.lease.reread(KEY, (), 0.0))
    assert world.not_ours == [KEY]
    assert world.lease.standing(0.0).running == KEY
    world.settle()
    assert not world.runs[KEY].alive
    assert world.lease.standing(0.0).keys == ()


@pytest.mark.promise("P17")
def test_a_restarted_worker_goes_on_from_every_state() -> None:
    for state in (
        AttemptState.INTENDED,
        AttemptState.STAGED,
        AttemptState.LAUNCHING,
        AttemptState.RUNNING,
        AttemptState.ENDED,
        AttemptState.COLLECTED,
    ):
        world = World()
        world.run_beam(a_request())
        if state in (AttemptState.ENDED, AttemptState.COLLECTED):
            until(world, AttemptState.RUNNING)
            world.end(KEY, code=0)
            world.look(KEY)
        until(world, state)
        world.restart()
        assert world.reports[-1].state is state, "it tells its case at once"
        world.settle()
        assert states(world)[-1] is AttemptState.COLLECTED
        assert world.reports[-1].output, "the proofs come back from the ledger"
        assert world.runs[KEY].starts == 1


def test_a_launch_on_its_way_is_voided_before_a_restarted_worker_gives_up() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.LAUNCHING)
    assert fx.Launch(KEY) in world.pending
    world.restart()
    world.change(KEY, lambda a: facts.cancel(a, "no longer wanted"))
    world.look(KEY)
    world.happen(next(order for order in world.pending if isinstance(order, fx.Save)))
    world.happen(next(order for order in world.pending if isinstance(order, fx.Kill)))
    world.settle()
    assert world.runs[KEY].starts == 0
    assert world.rows[KEY].state is AttemptState.WITHDRAWN


CODES = (0, 0, 0, 1, 139, 255, None)


@pytest.mark.promise("P28")
@pytest.mark.promise("P19")
@given(st.lists(st.tuples(st.integers(0, 13), st.integers(0, 10**6)), min_size=20, max_size=120))
@settings(max_examples=200)
def test_whatever_happens_one_run_at_a_time_each_started_once_and_all_come_to_an_end(
    script: list[tuple[int, int]],
) -> None:
    """Random orders, repeats, failures and crashes; the world itself checks writes before acts and the lease."""
    world = World()
    beam = 0
    for action, number in script:
        beam = act(world, action, number, beam)
    world.tick(1000)
    world.settle()
    world.tick(1000)
    world.settle()
    assert all(run.starts <= 1 for run in world.runs.values())
    assert not any(run.alive for run in world.runs.values())
    assert not world.refused, "no write that the table of transitions forbids"
    ended = {AttemptState.COLLECTED, AttemptState.FAILED, AttemptState.WITHDRAWN}
    assert all(row.state in ended for row in world.rows.values()), world.rows
    assert world.lease.standing(world.now).running == ""
    never_back(world.reports)


def act(world: World, action: int, number: int, beam: int) -> int:
    """One step of a random history; what cannot be done now is not done. Most of the time things go on."""
    if action == 0:
        world.run_beam(a_request(beam + 1))
        return beam + 1
    if action <= 8:
        go_on(world, number, well=action != 8)
    elif action == 9 and world.watched:
        world.look(sorted(world.watched)[number % len(world.watched)])
    elif action == 10:
        end_one(world, number)
    elif action == 11 and world.lease.attempts and number % 4 < 2:
        key = sorted(world.lease.attempts)[number // 4 % len(world.lease.attempts)]
        unwanted = facts.cancel if number % 4 else facts.returned
        world.change(key, lambda a: unwanted(a, "no longer wanted here"))
    elif action == 12 and number % 3 == 0:
        crash(world, written=number % 2 == 1)
    elif action == 13:
        world.tick(number % 20)
    return beam


def go_on(world: World, number: int, *, well: bool) -> None:
    """What was ordered happens, mostly in the order in which it was ordered; runs are looked at in between."""
    if world.pending:
        late = number % 4 == 0
        world.happen(world.pending[number // 4 % len(world.pending) if late else 0], well=well)
    for key in sorted(world.watched):
        world.look(key)


def end_one(world: World, number: int) -> None:
    """Some engine ends; what it left behind ends at another time."""
    running = sorted(key for key, run in world.runs.items() if run.alive)
    if not running:
        return
    key = running[number % len(running)]
    if world.runs[key].exit is not None:
        world.runs[key].alive = False
    else:
        world.end(key, code=CODES[number % len(CODES)], leftover=number % 5 == 0)


def crash(world: World, *, written: bool) -> None:
    """The worker is restarted; what it had given the ledger was written, or (the daemon was killed) was not."""
    for order in [p for p in world.pending if isinstance(p, fx.Save)] if written else []:
        world.apply(order.records)
    world.restart()


def never_back(reports: list[AttemptReport]) -> None:
    order = list(AttemptState)
    latest: dict[str, int] = {}
    for report in reports:
        rank = order.index(report.state)
        assert rank >= latest.get(report.key, 0)
        latest[report.key] = rank


def test_an_exit_seen_before_the_answer_of_the_launch_still_ends_it() -> None:
    world = World()
    world.run_beam(a_request())
    until(world, AttemptState.LAUNCHING)
    ended = JobObserved(KEY, Observation.ENDED, exit=an_exit(KEY), group_gone=True)
    world.change(KEY, lambda a: facts.observe(a, ended, 0.0))
    world.settle()
    assert states(world)[-1] is AttemptState.COLLECTED


def test_what_is_left_of_a_run_follows_from_its_own_pace_also_after_it_was_taken_over() -> None:
    attempt = Attempt(a_request(), Home("gpu1", "slot-0", "gpu1/gpu-0"), "/ws", 1, LogReader(Progress()))
    assert attempt.left_s(100.0) is None, "it does not run yet"
    attempt.launched_at, attempt.log.fraction = 100.0, 0.01
    assert attempt.left_s(110.0) is None, "too little was seen"
    attempt.log.fraction = 0.25
    assert attempt.left_s(200.0) == pytest.approx(300.0)
    attempt.paced_from = 0.05
    assert attempt.left_s(200.0) == pytest.approx(375.0), "a fifth took 100 s since it was taken over"


def test_what_a_clusters_queue_is_expected_to_cost_is_told_on() -> None:
    world = World()
    world.lease.observed(GpusObserved("gpu1", datetime(2024, 2, 29, tzinfo=UTC), (), asked=False, wait_s=90.0), 0.0)
    assert world.lease.standing(0.0).wait_s == 90.0


@pytest.mark.promise("P34")
@pytest.mark.parametrize("goal", [None, AttemptState.LAUNCHING])
def test_a_refused_launch_of_a_case_that_was_stopped_is_given_back_and_not_asked_for_again(
    goal: AttemptState | None,
) -> None:
    one = Attempt(a_request(), Home("h", "GPU-1", "h/gpu-0"), "/run", 1, LogReader(Progress()))
    one.state, one.goal, one.doing = AttemptState.STAGED, goal, Doing.WRITING
    facts.write_refused(one, for_good=True, stopped=True)
    facts.rested(one)
    (save,) = advance(one, turn=True)
    assert isinstance(save, fx.Save)
    assert one.goal is AttemptState.WITHDRAWN
