"""One error for all that ends a run of the driver."""

from __future__ import annotations


class DriverError(Exception):
    """What is wrong and what to do, in one or two sentences: the last line of engine.log, and exit status 1."""
