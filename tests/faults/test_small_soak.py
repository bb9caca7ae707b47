"""A small soak in every run of the suite; ``bin/test --soak`` is the same with thousands of cases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.campaigns.soak import Plan, soak

SEED = int(os.environ.get("MQI_SOAK_SEED", "1"))
"""Another seed is another storm."""


@pytest.mark.promise("P15")
@pytest.mark.promise("P16")
@pytest.mark.promise("P35")
def test_fifty_cases_under_random_kills_are_all_verified_once(tmp_path: Path) -> None:
    outcome = soak(Plan(cases=50, seed=SEED, kills_per_100=20), tmp_path / "site")
    assert not outcome.wrong, f"seed {SEED}: {outcome.wrong}"
    assert not outcome.rising
    assert sum(outcome.blows.values()) == 10
