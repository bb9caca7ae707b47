"""An interpretation on a host: in whatever order things happen, it comes to one end, and nothing is done unwritten."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.case import errand as er
from actors.case.errand import Errand, FarRun, Stage, Step, detail_of, runs_of
from messages.faults import Blame, Fault
from messages.files import FileProof
from messages.interpretation import PackedCase
from messages.jobs import JobExit, JobObserved, Observation
from tests.unit.case.case_world import an_interpretation

PACKED = PackedCase("/bundle", (FileProof("request.json", 1, "aa"),), "request.json", "b0")
LINK = Fault("The link was lost.", blame=Blame.HOST)
OURS = Fault("A file changed.", blame=Blame.OURS)
WRONG = Fault("Beam 1 has a range shifter.", blame=Blame.INPUT)
EXIT = JobExit(
    "case/interpret/1", 1, 0, None, timed_out=False, cancelled=False, started="", ended="", duration_s=1.0, boot_id=""
)
MADE = an_interpretation(1)


def seen(observation: Observation) -> JobObserved:
    return JobObserved("case/interpret/1", observation, exit=EXIT if observation is Observation.ENDED else None)


def errand(*up: str) -> Errand:
    one = Errand("case", ("gpu1", "gpu2"), drained=frozenset())
    for host in up:
        one.host_up(host)
    return one


def at(stage: Stage, *up: str) -> Errand:
    """An errand on its first host, at this stage."""
    one = errand(*(up or ("gpu1",)))
    steps = (
        lambda: one.begin(()),
        lambda: one.packing_done(PACKED),
        one.noted,
        one.moved,
        one.launched,
        lambda: one.observed(seen(Observation.ENDED)),
        one.moved,
    )
    for step in steps:
        if one.stage is stage:
            break
        step()
    assert one.stage is stage
    return one


def test_all_goes_well() -> None:
    one = errand("gpu1")
    assert one.begin(()) == (Step.PACK,)
    assert one.packing_done(PACKED) == (Step.NOTE,)
    assert one.run == FarRun("gpu1", 1, "b0")
    assert one.noted() == (Step.SEND,)
    assert one.moved() == (Step.LAUNCH,)
    assert one.launched() == ()
    assert one.observed(seen(Observation.RUNNING)) == ()
    assert one.observed(seen(Observation.UNKNOWN)) == ()
    assert one.observed(seen(Observation.ENDED)) == (Step.FETCH,)
    assert one.moved() == (Step.TAKE,)
    assert one.asked == "aa"
    assert one.interpreted(MADE) == (Step.LET_GO, er.Over(MADE))
    assert one.stage is Stage.IDLE


def test_runs_are_read_back_from_the_history() -> None:
    runs = (FarRun("gpu 1, run 7", 3, "0f"), FarRun("gpu2", 12, "aa"))
    assert runs_of(map(detail_of, runs)) == runs
    assert runs_of(["something else"]) == ()


def test_without_a_host_that_is_up_it_waits_for_one() -> None:
    one = errand()
    one.begin(())
    assert one.packing_done(PACKED) == ()
    assert one.stage is Stage.HOSTLESS
    assert one.host_up("gpu2") == (Step.NOTE,)


def test_after_a_restart_the_last_run_of_the_same_bundle_is_looked_at() -> None:
    one = errand("gpu1")
    one.begin((FarRun("gpu2", 4, "b0"),))
    assert one.packing_done(PACKED) == (Step.WATCH, er.Patience("gpu2"))
    assert one.lost_long("gpu2") == (Step.LET_GO, er.Rest(0.5, 1))
    assert one.rested(1) == (Step.NOTE,)
    assert one.run == FarRun("gpu1", 5, "b0")


@pytest.mark.parametrize("last", [FarRun("gpu1", 4, "c1"), FarRun("gone", 4, "b0")])
def test_in_doubt_another_run_is_made(last: FarRun) -> None:
    one = errand("gpu1")
    one.begin((last,))
    assert one.packing_done(PACKED) == (Step.NOTE,)
    assert one.run == FarRun("gpu1", 5, "b0")


@pytest.mark.parametrize("news", [Observation.KILLED, Observation.ABSENT])
def test_a_run_that_gives_no_answer_is_followed_by_another_elsewhere(news: Observation) -> None:
    one = at(Stage.WATCHING, "gpu1", "gpu2")
    assert one.run is not None
    first = one.run.host
    assert one.observed(seen(news)) == (Step.LET_GO, er.Rest(0.5, 1))
    assert one.rested(0) == (), "an overtaken rest"
    assert one.rested(1) == (Step.NOTE,)
    assert one.run.number == 2
    assert one.run.host != first


def test_a_link_that_fails_costs_a_pause_and_a_fault_of_ours_is_the_cases_to_judge() -> None:
    assert at(Stage.SENDING).move_failed(LINK) == (Step.LET_GO, er.Rest(0.5, 1))
    assert at(Stage.LAUNCHING).launch_failed(LINK) == (Step.LET_GO, er.Rest(0.5, 1))
    assert at(Stage.SENDING).move_failed(OURS) == (Step.LET_GO, er.Over(OURS))
    assert at(Stage.LAUNCHING).launch_failed(OURS) == (Step.LET_GO, er.Over(OURS))
    assert at(Stage.NOTING).note_refused() == (er.Rest(0.5, 1),)


def test_an_answer_that_cannot_be_fetched_now_is_fetched_later() -> None:
    one = at(Stage.FETCHING, "gpu1", "gpu2")
    assert one.run is not None
    host = one.run.host
    assert one.move_failed(LINK) == (er.Rest(0.5, 1),)
    assert one.rested(1) == (Step.FETCH,)
    one.move_failed(LINK)
    assert one.host_down(host) == (er.Patience(host),)
    assert one.lost_long(host) == (Step.LET_GO, er.Rest(2.0, 3)), "or another host does it"


def test_a_lost_host_that_is_the_only_one_is_waited_for() -> None:
    one = at(Stage.WATCHING)
    assert one.host_down("gpu1") == (er.Patience("gpu1"),)
    assert one.host_down("gpu1") == ()
    assert one.lost_long("gpu1") == (er.Patience("gpu1"),)
    one.host_up("gpu1")
    assert one.lost_long("gpu1") == ()


def test_a_fault_of_the_case_ends_it_and_its_run_is_not_looked_at_again() -> None:
    one = at(Stage.TAKING)
    assert one.failed(WRONG) == (Step.LET_GO, er.Over(WRONG))
    one.begin(())
    assert one.packing_done(PACKED) == (Step.NOTE,)
    assert one.run == FarRun("gpu1", 2, "b0")


@pytest.mark.parametrize(
    ("stage", "order"),
    [
        (Stage.SENDING, Step.SEND),
        (Stage.LAUNCHING, Step.LAUNCH),
        (Stage.WATCHING, Step.WATCH),
        (Stage.FETCHING, Step.FETCH),
    ],
)
def test_what_a_crashed_actor_of_the_host_was_asked_is_asked_again(stage: Stage, order: Step) -> None:
    assert at(stage).again("gpu1") == (order,)
    assert at(stage).again("gpu2") == ()


EVENTS = {
    "begin": lambda one: one.begin(()),
    "packed": lambda one: one.packing_done(PACKED),
    "noted": lambda one: one.noted(),
    "refused": lambda one: one.note_refused(),
    "moved": lambda one: one.moved(),
    "not moved": lambda one: one.move_failed(LINK),
    "launched": lambda one: one.launched(),
    "not launched": lambda one: one.launch_failed(LINK),
    "running": lambda one: one.observed(seen(Observation.RUNNING)),
    "ended": lambda one: one.observed(seen(Observation.ENDED)),
    "killed": lambda one: one.observed(seen(Observation.KILLED)),
    "taken": lambda one: one.interpreted(MADE),
    "wrong": lambda one: one.failed(WRONG),
    "up": lambda one: one.host_up("gpu1"),
    "down": lambda one: one.host_down("gpu1"),
    "other up": lambda one: one.host_up("gpu2"),
    "lost": lambda one: one.lost_long("gpu1"),
    "rested": lambda one: one.rested(one._turn),
}
HAPPENS_NEXT = {
    Stage.IDLE: "begin",
    Stage.PACKING: "packed",
    Stage.HOSTLESS: "up",
    Stage.NOTING: "noted",
    Stage.SENDING: "moved",
    Stage.LAUNCHING: "launched",
    Stage.WATCHING: "ended",
    Stage.FETCHING: "moved",
    Stage.TAKING: "taken",
    Stage.RESTING: "rested",
}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(sorted(EVENTS)), max_size=40))
def test_nothing_is_sent_unwritten_no_run_is_launched_twice_and_it_always_ends(names: list[str]) -> None:
    one, written, launched = errand(), set[int](), set[int]()

    def happen(name: str) -> er.Next:
        before, number = one.stage, one.run.number if one.run else 0
        follows = EVENTS[name](one)
        if before is Stage.NOTING and name == "noted":
            written.add(number)
        for step in follows:
            if step in (Step.SEND, Step.LAUNCH, Step.FETCH):
                assert one.run is not None
                assert one.run.number in written
            if step is Step.LAUNCH:
                assert one.run is not None
                assert one.run.number not in launched
                launched.add(one.run.number)
        return follows

    for name in names:
        happen(name)
    for _ in range(20):
        if er.Over(MADE) in happen(HAPPENS_NEXT[one.stage]):
            return
    raise AssertionError(f"no end: {one}")


@pytest.mark.promise("P34")
def test_a_drained_host_is_given_nothing_new_and_until_it_is_known_which_is_drained_none_is() -> None:
    one = Errand("case", ("gpu1", "gpu2"))
    one.host_up("gpu1")
    one.begin(())
    assert one.packing_done(PACKED) == ()
    assert one.halted(frozenset({"gpu1"})) == ()
    assert one.waits == "every host that is up is drained"
    assert one.host_up("gpu2") == (Step.NOTE,)
    assert one.run is not None
    assert one.run.host == "gpu2"
    other = at(Stage.WATCHING)
    assert other.halted(frozenset({"gpu1"})) == (), "what runs there goes on"
    assert other.stage is Stage.WATCHING


def test_a_case_that_is_not_to_be_interpreted_lets_its_run_go_and_takes_it_up_again() -> None:
    one = at(Stage.WATCHING)
    assert one.drop() == (Step.LET_GO,)
    assert one.stage is Stage.IDLE
    assert one.observed(seen(Observation.ENDED)) == ()
    one.begin(())
    assert one.packing_done(PACKED) == (Step.WATCH,)
