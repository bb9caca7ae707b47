"""Operators' orders: what stands in the ledger without an outcome is carried out."""

from actors.orders.actor import Orders
from actors.orders.standing import decide_standing

__all__ = ["Orders", "decide_standing"]
