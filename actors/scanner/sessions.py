"""Deliveries become sessions: which of them make one treatment fraction (PHYSICS 5).

A session ends when a completed (beam, layer) is delivered again, or after a gap. A delivery that starts above layer 1
joins that day's unfinished session even after the gap. Two deliveries may share the one layer in which the beam
stopped, as long as their counts together stay within the plan: the beam stopped in mid-layer and went on there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from actors.scanner.facts import DeliveryFacts

FULL_SHARE = 1.023
"""Delivered shares of one layer may add up to this: plan + 2 %, and what the survey, which has no calibration and
counts beam-off rows too, may be off. The interpreter knows exactly, and stops a case above plan + 2 % by name."""


@dataclass(frozen=True, slots=True)
class Session:
    """The deliveries of one fraction, in order of irradiation."""

    deliveries: tuple[DeliveryFacts, ...]
    case: str = ""
    """Admitted case that holds (some of) them; empty: none."""

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(delivery.source.key for delivery in self.deliveries)


@dataclass(slots=True)
class _Growing:
    """A session while its deliveries are put together; ``closed``: its case is admitted and whole."""

    deliveries: list[DeliveryFacts] = field(default_factory=list)
    case: str = ""
    closed: bool = False

    def ended(self) -> DeliveryFacts:
        return max(self.deliveries, key=_order)


def sessions_of(
    deliveries: Iterable[DeliveryFacts],
    *,
    admitted: Mapping[str, str],
    partial: frozenset[str],
    gap_h: float,
    zone: str,
) -> tuple[Session, ...]:
    """Sessions in order of their first delivery; the order of ``deliveries`` does not matter.

    ``admitted``: key of a delivery → case that the ledger has admitted with it; such a session only grows if its case
    is among ``partial``. Deliveries of different studies or plans never share a session.
    """
    groups: dict[tuple[str, str], list[DeliveryFacts]] = {}
    for delivery in sorted(deliveries, key=_order):
        groups.setdefault((delivery.study_uid, delivery.plan), []).append(delivery)
    found = [
        session
        for group in groups.values()
        for session in _sessions(group, admitted, partial, timedelta(hours=gap_h), ZoneInfo(zone))
    ]
    return tuple(sorted(found, key=lambda session: _order(session.deliveries[0])))


def _sessions(
    group: list[DeliveryFacts],
    admitted: Mapping[str, str],
    partial: frozenset[str],
    gap: timedelta,
    zone: ZoneInfo,
) -> list[Session]:
    pinned: dict[str, _Growing] = {}
    fresh: list[DeliveryFacts] = []
    for delivery in group:
        case = admitted.get(delivery.source.key)
        if case is None:
            fresh.append(delivery)
        else:
            pinned.setdefault(case, _Growing(case=case, closed=case not in partial)).deliveries.append(delivery)
    growing = list(pinned.values())
    for delivery in fresh:
        latest_first = sorted(growing, key=lambda session: _order(session.ended()), reverse=True)
        home = next((session for session in latest_first if _joins(session, delivery, gap, zone)), None)
        if home is None:
            home = _Growing()
            growing.append(home)
        home.deliveries.append(delivery)
    return [Session(tuple(sorted(session.deliveries, key=_order)), session.case) for session in growing]


def _order(delivery: DeliveryFacts) -> tuple[float, int, int, str]:
    source = delivery.source
    return source.irradiated.timestamp(), source.beam_number, source.start_layer, source.key


def _joins(session: _Growing, delivery: DeliveryFacts, gap: timedelta, zone: ZoneInfo) -> bool:
    if session.closed or _delivers_again(session.deliveries, delivery):
        return False
    if min(_distance_s(other, delivery) for other in session.deliveries) <= gap.total_seconds():
        return True
    day = delivery.source.irradiated.astimezone(zone).date()
    return delivery.source.start_layer > 1 and any(
        other.source.irradiated.astimezone(zone).date() == day for other in session.deliveries
    )


def _distance_s(one: DeliveryFacts, two: DeliveryFacts) -> float:
    # By time stamp: subtracting two times of one zone would count a daylight-saving change as an hour.
    return abs(one.source.irradiated.timestamp() - two.source.irradiated.timestamp())


def _delivers_again(deliveries: list[DeliveryFacts], new: DeliveryFacts) -> bool:
    """Whether ``new`` delivers a (beam, layer) again that these have completed."""
    for other in deliveries:
        common = _common_layers(other, new)
        if len(common) > 1 or (common and not _goes_on_in(common[0], deliveries, other, new)):
            return True
    return False


def _common_layers(one: DeliveryFacts, two: DeliveryFacts) -> range:
    if one.source.beam_number != two.source.beam_number:
        return range(0)
    return range(
        max(one.source.start_layer, two.source.start_layer), min(one.source.stop_layer, two.source.stop_layer) + 1
    )


def _goes_on_in(layer: int, deliveries: list[DeliveryFacts], other: DeliveryFacts, new: DeliveryFacts) -> bool:
    """Whether the beam stopped in the middle of this layer and went on in it with the other delivery."""
    one, two = other.source, new.source
    if not (layer == one.stop_layer == two.start_layer or layer == two.stop_layer == one.start_layer):
        return False
    holders = [known for known in deliveries if known.source.beam_number == new.source.beam_number]
    shares = [known.share(layer) for known in holders if layer in _layers(known)] + [new.share(layer)]
    known_shares = [share for share in shares if share is not None]
    if len(known_shares) < len(shares):
        # Counts not readable yet: a start above layer 1 says by itself that it goes on.
        return max(one.start_layer, two.start_layer) > 1
    return sum(known_shares) <= FULL_SHARE


def _layers(delivery: DeliveryFacts) -> range:
    return range(delivery.source.start_layer, delivery.source.stop_layer + 1)
