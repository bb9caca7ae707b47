"""Each actor of the real tree is struck while cases run: all end verified, nothing doubled, nothing left."""

from __future__ import annotations

import random
from pathlib import Path
from statistics import median

import pytest

from tests.campaigns.fire import ACTORS, HANG_S, besiege, blow_for, recoveries_ms
from tests.kit.fire import Blow, Kind

AT_ONCE = ("root/monitor", "root/pipeline/cases/admission", "root/pipeline/hosts/this/gpu-0")


@pytest.mark.promise("P35")
@pytest.mark.promise("P15")
@pytest.mark.parametrize("kind", [Kind.RAISE, Kind.EXIT])
def test_every_actor_falls_once(kind: Kind, tmp_path: Path) -> None:
    chance = random.Random(7)
    siege = besiege(tmp_path / "siege", [blow_for(path, kind, chance) for path in ACTORS])
    assert not siege.wrong
    assert len(siege.struck) == len(ACTORS)
    assert median(recoveries_ms(siege.struck, kind)) < 1000, "bin/test --fire has the figures of an idle machine"


@pytest.mark.promise("P35")
def test_starts_that_fail_and_handlers_that_hang(tmp_path: Path) -> None:
    blows = [
        Blow("root/pipeline/ledger", Kind.START, starts=2),
        Blow("root/pipeline/hosts/loopback/control", Kind.START, starts=2),
        Blow("root/pipeline/hosts/this/gpu-0", Kind.HANG, hang_s=HANG_S),
        Blow("root/pipeline/cases/2*", Kind.HANG, hang_s=HANG_S),
    ]
    siege = besiege(tmp_path / "siege", blows)
    assert not siege.wrong
    assert len(siege.struck) == len(blows)
