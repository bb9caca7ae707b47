"""Waiting on conditions, never sleeping for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

POLL_S = 0.002


def wait_until(condition: Callable[[], T], timeout_s: float = 5.0, what: str = "") -> T:
    """Poll until the condition holds and return its value; AssertionError after the timeout."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what or condition}")
        time.sleep(POLL_S)
