"""Finds cases below the watch roots and decides when one is complete."""

from actors.scanner.actor import Scanner

__all__ = ["Scanner"]
