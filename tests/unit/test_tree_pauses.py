"""How soon the tree brings back what crashed, and how seldom what crashes for ever."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import pytest

from actors.settings import load
from actors.site import Site
from actors.supervision import Spec
from actors.tree import Plans
from messages.operators import SettingsReloaded

TESTS = Path(__file__).resolve().parents[1]
IMPATIENT_S, LONGEST_S = 0.015, 60.0
BREAKER = "root/pipeline/hosts/"
"""A host's own supervisor is the circuit breaker of its link: it waits a second by design."""


def specs(spec: Spec, path: str = "") -> Iterator[tuple[str, Spec]]:
    here = f"{path}/{spec.id}".lstrip("/")
    yield here, spec
    for child in spec.arguments.get("children", ()):
        yield from specs(child, here)


@pytest.fixture(scope="module")
def tree() -> dict[str, Spec]:
    def no_reload() -> SettingsReloaded:
        raise AssertionError

    settings = load(TESTS / "compose.toml", {})
    site = Site(settings, None, "", "", Path("s"), lambda: None, no_reload)  # type: ignore[arg-type]
    plans = Plans(site)
    return {**dict(specs(plans.root())), "root/pipeline/cases/one": plans.case("one")}


@pytest.mark.promise("P35")
def test_the_first_crash_of_every_actor_is_over_in_a_blink(tree: dict[str, Spec]) -> None:
    """Of a hundred milliseconds in all, the rest is its own end and start."""
    waited = {path: spec.backoff.delay_s(0, 0.999) for path, spec in tree.items()}
    slow = {path for path, seconds in waited.items() if seconds > IMPATIENT_S}
    assert all(path.startswith(BREAKER) and path.count("/") == BREAKER.count("/") for path in slow), slow
    assert {"root/notifier", "root/reporter", "root/console"} <= set(waited)


@pytest.mark.promise("P35")
def test_what_crashes_for_ever_is_tried_ever_more_seldom(tree: dict[str, Spec]) -> None:
    for path, spec in tree.items():
        if spec.escalates:
            continue
        pauses = [spec.backoff.delay_s(crashes, 0.0) for crashes in range(40)]
        assert pauses[-1] == LONGEST_S, path
        tries = sum(1 for at in accumulate(pauses) if at <= 3600)
        assert tries < 75, f"{path} is tried {tries} times within the first hour"
        assert spec.backoff.jitter > 0


def test_a_ledger_of_many_years_has_the_time_to_be_read_through_at_its_start(tree: dict[str, Spec]) -> None:
    """Given up at every start, the house would never come up again: 30 GB at 40 MB a second, an old disk's."""
    assert tree["root/pipeline/ledger"].start_timeout_s >= 30_000 / 40
