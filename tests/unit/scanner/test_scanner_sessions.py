"""Deliveries become sessions (PHYSICS 5)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.scanner.facts import DeliveryFacts
from actors.scanner.sessions import Session, sessions_of
from tests.unit.scanner.making import ZONE, delivery

pytestmark = pytest.mark.promise("P3")


def sessions(
    *deliveries: DeliveryFacts,
    admitted: dict[str, str] | None = None,
    partial: frozenset[str] = frozenset(),
    zone: str = ZONE,
) -> tuple[Session, ...]:
    return sessions_of(deliveries, admitted=admitted or {}, partial=partial, gap_h=4.0, zone=zone)


def spans(session: Session) -> list[tuple[int, int, int]]:
    return [(one.source.beam_number, one.source.start_layer, one.source.stop_layer) for one in session.deliveries]


def test_beams_of_one_morning_are_one_session() -> None:
    (session,) = sessions(delivery(3, 1, 6), delivery(5, 1, 8, minutes=4))
    assert spans(session) == [(3, 1, 6), (5, 1, 8)]


def test_a_completed_layer_delivered_again_starts_a_new_session() -> None:
    first, second = sessions(delivery(3, 1, 6), delivery(3, 1, 6, minutes=20))
    assert spans(first) == spans(second) == [(3, 1, 6)]


def test_a_new_start_after_an_aborted_one_is_a_new_session() -> None:
    first, second = sessions(delivery(3, 1, 3), delivery(3, 1, 6, minutes=20), delivery(5, 1, 2, minutes=30))
    assert spans(first) == [(3, 1, 3)]
    assert spans(second) == [(3, 1, 6), (5, 1, 2)]


def test_a_gap_starts_a_new_session() -> None:
    assert len(sessions(delivery(3, 1, 6), delivery(5, 1, 6, minutes=239))) == 1
    assert len(sessions(delivery(3, 1, 6), delivery(5, 1, 6, minutes=241))) == 2


def test_a_resumed_delivery_joins_within_the_gap() -> None:
    (session,) = sessions(delivery(3, 1, 3), delivery(3, 4, 6, minutes=30))
    assert spans(session) == [(3, 1, 3), (3, 4, 6)]


def test_a_resumed_delivery_joins_that_day_s_session_even_after_the_gap() -> None:
    (session,) = sessions(delivery(3, 1, 3), delivery(3, 4, 6, minutes=8 * 60))
    assert spans(session) == [(3, 1, 3), (3, 4, 6)]


def test_a_resumed_delivery_of_the_next_day_stands_alone() -> None:
    assert len(sessions(delivery(3, 1, 3), delivery(3, 4, 6, minutes=24 * 60))) == 2


def test_the_resumed_rest_goes_to_the_session_that_lacks_it() -> None:
    """Two fractions of one day: the second is whole, the first was aborted, and its rest comes last."""
    first, second = sessions(delivery(3, 1, 3), delivery(3, 1, 6, minutes=6 * 60), delivery(3, 4, 6, minutes=7 * 60))
    assert spans(first) == [(3, 1, 3), (3, 4, 6)]
    assert spans(second) == [(3, 1, 6)]


def test_midnight_does_not_part_a_session() -> None:
    late = datetime(2026, 3, 2, 23, 50, tzinfo=ZoneInfo(ZONE))
    early = datetime(2026, 3, 3, 0, 20, tzinfo=ZoneInfo(ZONE))
    (session,) = sessions(delivery(3, 1, 6, at=late), delivery(5, 4, 6, at=early))
    assert spans(session) == [(3, 1, 6), (5, 4, 6)]


def test_a_daylight_saving_change_does_not_stretch_a_gap() -> None:
    """23:30 to 04:15 is 3 h 45 min in the night in which 02:00 becomes 03:00, and 5 h 45 min when it goes back."""
    zone = "Europe/Vienna"

    def at(*time: int) -> datetime:
        return datetime(*time, tzinfo=ZoneInfo(zone))  # type: ignore[arg-type,misc]  # year to minute

    spring = delivery(3, 1, 6, at=at(2026, 3, 28, 23, 30)), delivery(5, 1, 6, at=at(2026, 3, 29, 4, 15))
    assert len(sessions(*spring, zone=zone)) == 1
    autumn = delivery(3, 1, 6, at=at(2026, 10, 24, 23, 30)), delivery(5, 1, 6, at=at(2026, 10, 25, 3, 15))
    assert len(sessions(*autumn, zone=zone)) == 2


def test_a_stop_in_mid_layer_goes_on_in_that_layer() -> None:
    (session,) = sessions(
        delivery(3, 1, 3, shares={1: 1.0, 3: 0.4}), delivery(3, 3, 6, minutes=9, shares={3: 0.6, 6: 1.0})
    )
    assert spans(session) == [(3, 1, 3), (3, 3, 6)]


def test_a_layer_stopped_twice_goes_on_twice() -> None:
    (session,) = sessions(
        delivery(3, 1, 3, shares={1: 1.0, 3: 0.4}),
        delivery(3, 3, 3, minutes=9, shares={3: 0.3}),
        delivery(3, 3, 6, minutes=15, shares={3: 0.3, 6: 1.0}),
    )
    assert len(session.deliveries) == 3


def test_a_whole_layer_delivered_again_is_no_mid_layer_stop() -> None:
    assert len(sessions(delivery(3, 1, 3), delivery(3, 3, 6, minutes=9))) == 2


def test_a_beam_of_one_layer_delivered_twice_is_two_sessions() -> None:
    assert len(sessions(delivery(3, 1, 1), delivery(3, 1, 1, minutes=9))) == 2


@pytest.mark.parametrize(("total", "count"), [(1.015, 1), (1.022, 1), (1.03, 2)])
def test_counts_of_one_layer_add_up_to_the_plan_and_two_percent(total: float, count: int) -> None:
    halves = delivery(3, 1, 3, shares={3: 0.5}), delivery(3, 3, 6, minutes=9, shares={3: total - 0.5})
    assert len(sessions(*halves)) == count


def test_without_counts_a_start_above_the_first_layer_goes_on() -> None:
    assert len(sessions(delivery(3, 1, 3, shares={}), delivery(3, 3, 6, minutes=9, shares={}))) == 1
    assert len(sessions(delivery(3, 1, 1, shares={}), delivery(3, 1, 6, minutes=9, shares={}))) == 2


def test_plans_and_studies_are_never_mixed() -> None:
    assert len(sessions(delivery(3, 1, 3), delivery(3, 4, 6, minutes=5, plan="1.2.3.10"))) == 2
    assert len(sessions(delivery(3, 1, 3), delivery(3, 4, 6, minutes=5, study="1.2.4"))) == 2


def test_an_admitted_session_never_grows() -> None:
    first, rest = delivery(3, 1, 3), delivery(3, 4, 6, minutes=5)
    found = sessions(first, rest, admitted={first.source.key: "case-a"})
    assert [(one.case, len(one.deliveries)) for one in found] == [("case-a", 1), ("", 1)]


def test_an_admitted_partial_session_grows() -> None:
    first, rest = delivery(3, 1, 3), delivery(3, 4, 6, minutes=5)
    (found,) = sessions(first, rest, admitted={first.source.key: "case-a"}, partial=frozenset({"case-a"}))
    assert (found.case, spans(found)) == ("case-a", [(3, 1, 3), (3, 4, 6)])


@st.composite
def days(draw: st.DrawFn) -> list[DeliveryFacts]:
    """Some days of a treatment: whole fractions, interruptions, new starts, in one plan."""
    made: list[DeliveryFacts] = []
    minutes = 0.0
    for _ in range(draw(st.integers(1, 5))):
        minutes += draw(st.sampled_from([60.0, 300.0, 24 * 60.0]))
        for beam in (3, 5):
            stop = draw(st.sampled_from([2, 4, 6, 6, 6]))
            minutes += draw(st.floats(2, 20))
            made.append(delivery(beam, 1, stop, minutes=minutes))
            if stop < 6 and draw(st.booleans()):
                minutes += draw(st.floats(2, 200))
                made.append(delivery(beam, stop + 1, 6, minutes=minutes))
    return made


@given(days(), st.randoms())
def test_the_order_of_arrival_changes_nothing(made: list[DeliveryFacts], random: object) -> None:
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' Random
    assert sessions(*shuffled) == sessions(*made)


@given(days())
def test_every_delivery_is_in_one_session_and_none_delivers_a_layer_twice(made: list[DeliveryFacts]) -> None:
    found = sessions(*made)
    assert sorted(key for session in found for key in session.keys) == sorted(one.source.key for one in made)
    for session in found:
        layers = [(beam, layer) for beam, start, stop in spans(session) for layer in range(start, stop + 1)]
        assert len(layers) == len(set(layers))
