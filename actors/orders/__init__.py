"""Operators' orders: what stands in the ledger without an outcome is carried out."""

from actors.orders.actor import Orders

__all__ = ["Orders"]
