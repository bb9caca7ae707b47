"""Which runs a sweep makes: every point, drawn by a seed, and the same again with the same seed."""

from __future__ import annotations

import random

import pytest

from actors.crash_points import catalogue
from tests.campaigns.faults import main
from tests.kit.crash_checks import Outcome
from tests.kit.crash_sweep import FAR_AWAY, HERE, OFTEN, SSH_INTERPRETER, Calm, pairs, single

NOTHING = Outcome((), ())
CALMS = (
    Calm(HERE, NOTHING, {"stage:before": 3, "ledger.commit:after": 40}),
    Calm(FAR_AWAY, NOTHING, {"stage:before": 1}),
    Calm(SSH_INTERPRETER, NOTHING, {"stage:before": 5, "pack.write:before": 9}),
)


def test_every_point_is_struck_at_its_first_passing_and_at_others_by_chance() -> None:
    orders = list(single(CALMS, 2, random.Random(1)))
    assert orders == list(single(CALMS, 2, random.Random(1)))
    struck = [(order.workload.name, order.blows[0].point, order.blows[0].nth) for order in orders]
    firsts = [(name, point) for name, point, nth in struck if nth == 1]
    assert firsts == [
        *(("local", "ledger.commit:after"), ("local", "stage:before")),
        *(("ssh", "stage:before"), ("ssh, far", "pack.write:before")),
    ]
    assert len(struck) == 2 * OFTEN + 2 + 1 + 2
    assert all(nth <= 40 for _, _, nth in struck)


def test_links_are_cut_where_there_are_links() -> None:
    orders = list(single(CALMS, 1, random.Random(1), cut=True))
    assert [str(order) for order in orders] == ["ssh: cut at stage:before#1", "ssh, far: cut at pack.write:before#1"]


def test_pairs_are_drawn_from_what_is_passed() -> None:
    orders = list(pairs(CALMS, 20, random.Random(2)))
    passed = {one.workload: one.passed for one in CALMS}
    assert len(orders) == 20
    for order in orders:
        assert all(1 <= blow.nth <= passed[order.workload][blow.point] for blow in order.blows)


def test_the_points_are_listed_by_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    said = capsys.readouterr().out.replace(",", " ").split()
    assert set(catalogue()) <= set(said)
