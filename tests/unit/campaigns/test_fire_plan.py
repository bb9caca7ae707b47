"""The campaign under fire leaves out no actor, and stays within what the tree forgives."""

from __future__ import annotations

import re

from actors import tree
from tests.campaigns.fire import ACTORS, BUDGETS, SUPERVISORS, runs, whole
from tests.kit.fire import Kind


def test_every_child_of_the_tree_is_struck() -> None:
    assert tree.__doc__ is not None
    pictured = {name.partition("..")[0] for name in re.findall(r"[├└]─ (\S+)", tree.__doc__)}
    struck = {path.rpartition("/")[2] for path in (*ACTORS, *SUPERVISORS)}
    assert {name for name in pictured if not name.startswith("<")} <= struck


def test_each_is_struck_in_every_way_within_the_budgets() -> None:
    blows = whole(seed=5)
    assert {(blow.path, blow.kind) for blow in blows} >= {(path, kind) for path in ACTORS for kind in Kind}
    planned = runs(blows)
    assert sorted(map(repr, blows)) == sorted(repr(blow) for run in planned for blow in run)
    for run in planned:
        for parent, allowed in BUDGETS.items():
            spent = sum(1 + blow.starts for blow in run if blow.path.rpartition("/")[0] == parent)
            assert spent <= allowed
