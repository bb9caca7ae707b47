"""No GPU twice, none idle without need, nobody starves, the same answer every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.scheduler.policy import USUAL_RUN_S, Room, Slot, assign, avoided, call_back, rank
from messages.hosts import GpuState
from messages.scheduling import AGING_S, BeamRequest

BEGIN = datetime(2024, 2, 29, tzinfo=UTC)


def request(
    case: str = "a",
    beam: int = 1,
    *,
    at_s: float = 0.0,
    priority: int = 0,
    memory: int = 1000,
    avoid: tuple[str, ...] = (),
) -> BeamRequest:
    return BeamRequest(
        case=case,
        beam=beam,
        attempt=1,
        priority=priority,
        admitted=BEGIN + timedelta(seconds=at_s),
        input_dir="",
        files=(),
        command=(),
        environment=(),
        memory_mb=memory,
        wall_limit_s=60,
        output_dir="",
        avoid=frozenset(avoid),
    )


def slot(
    index: int,
    room: Room = Room.IDLE,
    *,
    free: int | None = None,
    state: GpuState | None = None,
    progress: float = 0.0,
    wait_s: float = 0.0,
    left_s: float | None = None,
) -> Slot:
    usual = GpuState.BUSY if room is Room.AHEAD else GpuState.IDLE
    return Slot(f"gpu1/gpu-{index}", "gpu1", f"GPU-{index}", state or usual, room, free, progress, wait_s, left_s)


requests = st.lists(
    st.builds(
        request,
        case=st.sampled_from("abcdef"),
        beam=st.integers(1, 5),
        at_s=st.integers(0, 10_000),
        priority=st.integers(-2, 5),
        memory=st.sampled_from([500, 1000, 8000]),
        avoid=st.lists(st.sampled_from([f"gpu1/GPU-{index}" for index in range(5)]), max_size=3).map(tuple),
    ),
    max_size=12,
    unique_by=lambda one: one.key,
)
slots = st.lists(
    st.builds(
        slot,
        index=st.integers(0, 4),
        room=st.sampled_from(Room),
        free=st.sampled_from([None, 900, 2000, 24000]),
        progress=st.sampled_from([0.0, 0.3, 0.9]),
        wait_s=st.sampled_from([0.0, 0.0, 20.0, 7200.0]),
        left_s=st.sampled_from([None, 5.0, 300.0]),
    ),
    max_size=5,
    unique_by=lambda one: one.worker,
)


@pytest.mark.promise("P28")
@given(requests, slots)
def test_each_beam_and_each_gpu_at_most_once_and_only_where_there_is_room(
    beams: list[BeamRequest], gpus: list[Slot]
) -> None:
    chosen = assign(beams, gpus)
    assert len({one.key for one in chosen}) == len(chosen) == len({one.worker for one in chosen})
    by_key, by_worker = {one.key: one for one in beams}, {one.worker: one for one in gpus}
    for one in chosen:
        gpu, beam = by_worker[one.worker], by_key[one.key]
        assert gpu.room is not Room.NONE
        assert gpu.holds(beam)
        assert gpu.place not in avoided(beam, gpus)


@given(requests, slots)
def test_no_gpu_with_room_is_left_that_a_waiting_beam_could_use(beams: list[BeamRequest], gpus: list[Slot]) -> None:
    chosen = assign(beams, gpus)
    left = [beam for beam in beams if beam.key not in {one.key for one in chosen}]
    free = [gpu for gpu in gpus if gpu.room is not Room.NONE and gpu.worker not in {one.worker for one in chosen}]
    usable = [(b.key, g.worker) for b in left for g in free if g.holds(b) and g.place not in avoided(b, gpus)]
    assert usable == []


@given(requests, slots)
def test_a_beam_is_left_out_only_if_no_beam_behind_it_got_what_it_could_have_had(
    beams: list[BeamRequest], gpus: list[Slot]
) -> None:
    idle = [gpu for gpu in gpus if gpu.room is Room.IDLE and not gpu.wait_s]
    placed = {one.key: one.worker for one in assign(beams, idle)}
    for left in (beam for beam in beams if beam.key not in placed):
        wanted = {gpu.worker for gpu in idle if gpu.holds(left) and gpu.place not in avoided(left, idle)}
        behind = {placed[beam.key] for beam in beams if beam.key in placed and rank(beam) > rank(left)}
        assert not wanted & behind


@given(requests, slots, st.randoms())
def test_the_order_in_which_things_are_told_changes_nothing(
    beams: list[BeamRequest], gpus: list[Slot], chance: object
) -> None:
    expected = assign(beams, gpus)
    chance.shuffle(beams)  # type: ignore[attr-defined]
    chance.shuffle(gpus)  # type: ignore[attr-defined]
    assert assign(beams, gpus) == expected


@given(st.integers(-3, 3), st.lists(st.integers(0, 5), min_size=50, max_size=200))
def test_nobody_starves_whatever_keeps_arriving(priority: int, arriving: list[int]) -> None:
    """One GPU, a case of low priority, and a newer case of higher priority every ten minutes."""
    waiting = [request("low", 1, priority=priority)]
    at_s = 0.0
    for number, higher in enumerate(arriving):
        waiting.append(request(f"n{number:03}", 1, at_s=at_s, priority=higher))
        (first,) = assign(waiting, [slot(0)])
        if first.key.startswith("low/"):
            return
        waiting = [beam for beam in waiting if beam.key != first.key]
        at_s += 600.0
    assert at_s <= (max(arriving) - priority) * AGING_S + 600.0


def test_priority_then_first_come_then_all_beams_of_the_older_case() -> None:
    old = [request("b", beam, at_s=0) for beam in (3, 1, 2)]
    new = [request("a", beam, at_s=1) for beam in (1, 2)]
    urgent = request("z", 1, at_s=2, priority=1)
    ordered = sorted([*new, *old, urgent], key=rank)
    assert [one.key for one in ordered] == ["z/1/1", "b/1/1", "b/2/1", "b/3/1", "a/1/1", "a/2/1"]


def test_age_outweighs_priority_in_the_end() -> None:
    old = request("old", at_s=0)
    assert rank(request("new", at_s=AGING_S - 1, priority=1)) < rank(old)
    assert rank(request("new", at_s=AGING_S + 1, priority=1)) > rank(old)


def test_idle_before_staged_ahead_and_ahead_where_the_end_is_near() -> None:
    gpus = [slot(0, Room.AHEAD, progress=0.2), slot(1, Room.AHEAD, progress=0.8), slot(2)]
    chosen = assign([request("a", beam) for beam in (1, 2)], gpus)
    assert [(one.key, one.worker) for one in chosen] == [("a/1/1", "gpu1/gpu-2"), ("a/2/1", "gpu1/gpu-1")]


def test_a_beam_that_fits_anywhere_leaves_the_large_gpu_to_the_one_that_needs_it() -> None:
    small, large = request("a", 1, memory=500), request("a", 2, memory=8000)
    for gpus in permutations([slot(0, free=24000), slot(1, free=900)]):
        chosen = {one.key: one.worker for one in assign([small, large], gpus)}
        assert chosen == {"a/1/1": "gpu1/gpu-1", "a/2/1": "gpu1/gpu-0"}


@pytest.mark.promise("P18")
def test_a_gpu_that_failed_the_beam_is_avoided_unless_no_other_could_ever_take_it() -> None:
    again = request("a", 1, memory=1000, avoid=("gpu1/GPU-0",))
    busy, idle = slot(1, Room.NONE, state=GpuState.BUSY), slot(0)
    assert assign([again], [idle, busy]) == (), "it waits for the other one"
    assert assign([again], [idle, slot(1)])[0].worker == "gpu1/gpu-1"
    assert assign([again], [idle, slot(1, free=900)])[0].worker == "gpu1/gpu-0", "the other one is too small"
    assert assign([again], [idle, slot(1, Room.NONE, state=GpuState.QUARANTINED)])[0].worker == "gpu1/gpu-0"
    assert assign([again], [idle])[0].worker == "gpu1/gpu-0"


def test_a_pair_that_was_just_refused_is_not_tried_at_once() -> None:
    beam = request()
    assert assign([beam], [slot(0), slot(1)], frozenset({(beam.key, "gpu1/gpu-0")}))[0].worker == "gpu1/gpu-1"


@given(requests, slots)
def test_nobody_waits_in_a_cluster_while_a_gpu_that_it_could_have_is_idle(
    beams: list[BeamRequest], gpus: list[Slot]
) -> None:
    chosen = assign(beams, gpus)
    by_key, by_worker = {one.key: one for one in beams}, {one.worker: one for one in gpus}
    free = [gpu for gpu in gpus if gpu.worker not in {one.worker for one in chosen} and gpu.room is Room.IDLE]
    for one in chosen:
        beam, given_to = by_key[one.key], by_worker[one.worker]
        sooner = [gpu for gpu in free if gpu.begins_s == 0 < given_to.begins_s and gpu.holds(beam)]
        assert [gpu for gpu in sooner if gpu.place not in avoided(beam, gpus)] == []


@given(st.lists(st.sampled_from([0.0, 3.0, 40.0, 900.0, 7200.0]), max_size=5), st.integers(0, 6))
def test_beams_that_could_go_anywhere_go_where_they_begin_soonest_the_first_first(waits: list[float], n: int) -> None:
    gpus = [
        slot(index, Room.AHEAD if index % 2 else Room.IDLE, **{"left_s" if index % 2 else "wait_s": wait})
        for index, wait in enumerate(waits)
    ]
    begins = {gpu.worker: gpu.begins_s for gpu in gpus}
    got = [begins[one.worker] for one in assign([request("a", beam) for beam in range(1, n + 1)], gpus)]
    assert got == sorted(begins.values())[: len(got)]
    assert len(got) == min(n, len(gpus)), "while there is room, nobody waits here"


@pytest.mark.parametrize(
    ("queue_s", "left_s", "chosen"),
    [
        (7200.0, 300.0, "gpu1/gpu-0"),  # a queue of hours, a GPU that is over in minutes
        (20.0, 300.0, "gpu1/gpu-1"),
        (0.0, 1.0, "gpu1/gpu-1"),  # a cluster of which no wait is expected is as good as an idle GPU
        (7200.0, None, "gpu1/gpu-0"),  # nothing is known of the run: it is a usual one
        (USUAL_RUN_S / 2, None, "gpu1/gpu-1"),
    ],
)
def test_a_busy_gpu_and_a_cluster_are_weighed_by_what_begins_sooner(
    queue_s: float, left_s: float | None, chosen: str
) -> None:
    gpus = [slot(0, Room.AHEAD, left_s=left_s), slot(1, wait_s=queue_s)]
    assert assign([request()], gpus)[0].worker == chosen
    both = {one.worker for one in assign([request("a", 1), request("a", 2)], gpus)}
    assert both == {"gpu1/gpu-0", "gpu1/gpu-1"}, "the second takes what is left, however long that is"


def test_a_staged_beam_is_not_called_back_for_a_cluster_that_begins_later() -> None:
    ahead = {"gpu1/gpu-0": request("a", 1)}
    busy = slot(0, Room.NONE, progress=0.5, left_s=300.0)
    assert call_back(ahead, [busy, slot(1, wait_s=7200.0)]) == ()
    assert call_back(ahead, [busy, slot(1, wait_s=20.0)]) == ("a/1/1",)
    assert call_back(ahead, [busy, slot(1, wait_s=7200.0), slot(2)]) == ("a/1/1",)
