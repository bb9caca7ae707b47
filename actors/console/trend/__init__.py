"""The console's charts of the last weeks: one gantry, one band of energy, every figure that a report judges."""

from actors.console.trend.endpoints import MOST_WEEKS, Trend, trend_values

__all__ = ["MOST_WEEKS", "Trend", "trend_values"]
