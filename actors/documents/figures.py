"""Names under which figures are kept over time, where they are made of numbers that a site sets. Pure."""

from __future__ import annotations


def gamma_figure(percent: float, mm: float) -> str:
    """The share of points that pass a gamma criterion."""
    return f"gamma_{percent:g}pct_{mm:g}mm_passed_percent"
