"""Orders about hosts, GPUs and intake: where nothing new may start. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from actors.documents.orders import place_of
from actors.orders.decision import Decision, done, nothing, refuse
from messages.ledger import HaltPlace, HaltRow, LiftHalt, OrderRow, PardonGpu
from messages.operators import OrderKind

INTAKE = ""
"""The place of a pause."""


def decide(order: OrderRow, halts: Iterable[HaltRow], hosts: Collection[str]) -> Decision:
    """What the order means. ``halts``: what stands; ``hosts``: names of the configured ones."""
    standing = {row.place: row for row in halts}
    match order.kind:
        case OrderKind.PAUSE:
            return _pause(order, standing)
        case OrderKind.UNPAUSE:
            return _unpause(standing)
        case OrderKind.PRUNE:
            return done("what is older than [retention] keeps is being removed; the log says what went")
    host, index = place_of(order.subject)
    if host not in hosts:
        return refuse(f"there is no host {host}; there are {', '.join(sorted(hosts)) or 'none'}")
    if order.kind == OrderKind.DRAIN:
        return _drain(order, _named(host, index), standing)
    return _resume(host, index, standing)


def _pause(order: OrderRow, standing: dict[str, HaltRow]) -> Decision:
    if INTAKE in standing:
        return nothing(f"intake is paused already, {_since(standing[INTAKE])}")
    return done("no further case is begun; cases that were begun go on", HaltPlace(INTAKE, order.user))


def _unpause(standing: dict[str, HaltRow]) -> Decision:
    if INTAKE not in standing:
        return nothing("intake is not paused")
    return done("cases are begun again", LiftHalt(INTAKE))


def _drain(order: OrderRow, place: str, standing: dict[str, HaltRow]) -> Decision:
    if place in standing:
        return nothing(f"{place} is drained already, {_since(standing[place])}")
    return done(f"nothing new starts on {place}; what runs there goes on to its end", HaltPlace(place, order.user))


def _resume(host: str, index: int | None, standing: dict[str, HaltRow]) -> Decision:
    place = _named(host, index)
    here = sorted(known for known in standing if known == place or (index is None and known.startswith(f"{host}/")))
    pardon = () if index is None else (PardonGpu(host, index),)
    blocked = f", but its host is drained, {_since(standing[host])}" if index is not None and host in standing else ""
    if here:
        lifted = ", ".join(here)
        return done(f"{lifted} may take work again{blocked}", *map(LiftHalt, here), *pardon)
    if pardon:
        told = f"{place} is not drained; failed runs are held against it no more{blocked}"
        return done(told, *pardon)
    return nothing(f"{place} is not drained")


def _named(host: str, index: int | None) -> str:
    return host if index is None else f"{host}/{index}"


def _since(row: HaltRow) -> str:
    return f"by {row.user or 'nobody named'} since {row.at.astimezone().isoformat(sep=' ', timespec='minutes')}"
