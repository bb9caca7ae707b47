"""How long a run will take, from runs that were: few or many, on known and new GPUs."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.documents.durations import Durations, Gpu, Run, Work, weighted_quantile

A, TWIN, FAST = Gpu("h", "GPU-a", "A"), Gpu("h", "GPU-b", "A"), Gpu("h2", "GPU-c", "B")


def work(particles: int = 10_000_000, voxels: int = 1_000_000) -> Work:
    return Work("p/1", particles, voxels)


def runs(count: int, gpu: Gpu = A, factor: float = 1.0, seed: int = 1) -> list[Run]:
    luck = random.Random(seed)
    made = []
    for _ in range(count):
        asked = work(round(1e7 * luck.uniform(1, 8)))
        made.append(Run(asked, gpu, factor * asked.particles * 1e-5 * luck.lognormvariate(0, 0.05)))
    return made


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert Durations([]).estimate(work(), A) is None
    assert Durations([Run(work(), A, 0.0), Run(work(), A, math.nan)]).estimate(work(), A) is None


def test_one_run_says_something_with_a_wide_bound() -> None:
    known = Durations([Run(work(), A, 100.0)]).estimate(work(20_000_000), A)
    assert known is not None
    assert known.median_s == pytest.approx(200.0)
    assert known.bound_s > 1.3 * known.median_s


def test_the_size_of_the_work_is_learned() -> None:
    known = Durations(runs(60))
    for particles in (10_000_000, 80_000_000):
        estimate = known.estimate(work(particles), A)
        assert estimate is not None
        assert estimate.median_s == pytest.approx(particles * 1e-5, rel=0.06)
        assert 1.02 < estimate.bound_s / estimate.median_s < 1.2


def test_what_is_particular_to_a_gpu_is_learned_and_its_twin_starts_from_its_model() -> None:
    known = Durations([*runs(40), *runs(40, FAST, 0.5, seed=2)])
    slow, fast, twin = (known.estimate(work(), gpu) for gpu in (A, FAST, TWIN))
    assert slow is not None
    assert fast is not None
    assert twin is not None
    assert fast.median_s < 0.65 * slow.median_s
    assert twin.median_s == pytest.approx(slow.median_s, rel=0.1)
    new = known.estimate(work(), Gpu("h3", "GPU-x", "C"))
    assert new is not None
    assert new.spread > slow.spread, "a model that was never used is less certain"


def test_newer_runs_weigh_more() -> None:
    known = Durations([*runs(100), *runs(60, factor=1.5, seed=3)]).estimate(work(), A)
    assert known is not None
    assert known.median_s > 1.25 * 100.0


def test_work_without_a_size_or_of_an_unknown_profile_is_estimated_from_all() -> None:
    known = Durations(runs(60))
    for asked in (Work("p/1"), Work("other/1"), Work()):
        estimate = known.estimate(asked, A)
        assert estimate is not None
        assert 100 < estimate.median_s < 800
        assert estimate.bound_s > estimate.median_s


@example([Run(Work("", 10**12, 10**9), A, 5e-324)], Work("", 1, 1))
@given(
    st.lists(
        st.builds(
            Run,
            st.builds(Work, st.sampled_from(["", "p/1"]), st.integers(0, 10**12), st.integers(0, 10**9)),
            st.sampled_from([A, TWIN, FAST]),
            st.floats(-1, 1e7) | st.sampled_from([math.nan, math.inf]),
        ),
        max_size=30,
    ),
    st.builds(Work, st.sampled_from(["", "p/1", "q/1"]), st.integers(0, 10**12), st.integers(0, 10**9)),
)
def test_whatever_was_learned_from_the_bound_is_no_earlier_than_the_median(past: list[Run], asked: Work) -> None:
    known = Durations(past).estimate(asked, A)
    if known is not None:
        assert 0 < known.median_s <= known.bound_s


def test_a_quantile_of_weights() -> None:
    assert weighted_quantile([(3.0, 1.0), (1.0, 1.0), (2.0, 1.0)], 0.5) == 2.0
    assert weighted_quantile([(1.0, 9.0), (2.0, 1.0)], 0.9) == 1.0
    assert weighted_quantile([(1.0, 9.0), (2.0, 1.0)], 0.95) == 2.0
    assert weighted_quantile([], 0.5) == 0.0
