"""A part of the sweep that ``bin/test --faults`` makes as a whole: struck where the seed says, nothing is different."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.crash_site import Blow, make_stock
from tests.kit.crash_sweep import FAR_AWAY, HERE, QUEUED, Made, Order, calm, make_all, pairs, single
from tests.kit.sshd import Sshd

SEED = int(os.environ.get("MQI_CRASH_SEED", "1"))
"""Another seed is another part."""
AT_ONCE = 2
ON_THE_WAY = ("stage", "launch", "watch", "fetch", "link", "clean.runs")
"""Points at which something is asked of a host."""


def told(made: list[Made]) -> list[str]:
    """Every run that came out wrong; a blow that did not fall is no run."""
    return [f"seed {SEED}: {one.order}: {'; '.join(one.problems)}" for one in made if one.problems]


@pytest.mark.timeout(400)
@pytest.mark.promise("P15")
@pytest.mark.promise("P25")
def test_a_daemon_killed_at_any_instant_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    stock, chance = make_stock(tmp_path / "stock"), random.Random(SEED)
    calms = [calm(tmp_path / "calm", stock, HERE)]
    kills = list(single(calms, 1, chance))
    orders = [*chance.sample(kills, 5), *pairs(calms, 1, chance)]
    made = make_all(tmp_path, stock, orders, calms, jobs=AT_ONCE)
    assert not told(made)
    assert sum(one.struck for one in made) >= len(orders), "the blows fell"


@pytest.mark.timeout(400)
@pytest.mark.promise("P15")
@pytest.mark.promise("P16")
def test_an_ssh_host_whose_daemon_is_killed_or_link_is_cut_at_any_instant(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        stock, chance = make_stock(tmp_path / "stock", server), random.Random(SEED)
        calms = [calm(tmp_path / "calm", stock, FAR_AWAY)]
        kills, cuts = (list(single(calms, 1, chance, cut=cut)) for cut in (False, True))
        on_the_way = [order for order in cuts if order.blows[0].point.startswith(ON_THE_WAY)]
        orders = [*chance.sample(kills, 3), *chance.sample(on_the_way, 3)]
        made = make_all(tmp_path, stock, orders, calms, jobs=AT_ONCE)
    assert not told(made)
    assert sum(one.struck for one in made) >= len(orders) - 1, "the blows fell"


@pytest.mark.timeout(300)
@pytest.mark.promise("P15")
@pytest.mark.promise("P16")
@pytest.mark.usefixtures("slurm_cluster")
def test_a_cluster_whose_daemon_is_killed_as_it_hands_runs_over(tmp_path: Path) -> None:
    stock = make_stock(tmp_path / "stock")
    one_beam = replace(QUEUED, beams=(1,))
    calms = [calm(tmp_path / "calm", stock, one_beam)]
    struck = (Blow("launch.start:before"), Blow("launch.start:after"))
    made = make_all(tmp_path, stock, [Order(one_beam, (blow,)) for blow in struck], calms, jobs=AT_ONCE)
    assert not told(made)
    assert [one.struck for one in made] == [1, 1], "the blows fell"
