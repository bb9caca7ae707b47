"""Single attributes of a plan as plain numbers and texts, each with an error that says where it is wrong."""

from __future__ import annotations

from math import isfinite
from typing import Any

from pydicom.dataset import Dataset

from actors.formats.plan_context import BeamContext

_LARGEST_WHOLE = 2**31 - 1
"""Of the value representation IS (PS3.5 6.2)."""


def text(item: Dataset, keyword: str) -> str:
    """Value as text without surrounding blanks; empty when absent.

    What no letter stands for is a blank: names are printed on terminals, which take commands from such characters.
    """
    value = item.get(keyword)
    return "" if value is None else "".join(c if c.isprintable() else " " for c in str(value)).strip()


def number(item: Dataset, keyword: str, context: BeamContext) -> float | None:
    """Value as a finite number, or None when absent or empty."""
    value = item.get(keyword)
    if value is None or value == "":
        return None
    try:
        result = float(value)
    except (TypeError, ValueError):
        raise context.error(f"has {keyword} {value!r}, which is not a number", "plan-damaged") from None
    if not isfinite(result):
        raise context.error(f"has {keyword} {value!r}, which is not finite", "plan-damaged")
    return result


def required_whole(item: Dataset, keyword: str, context: BeamContext) -> int:
    """Value as a whole number; absent is an error."""
    required(item, keyword, context)
    return whole(item, keyword, context, default=0)


def required(item: Dataset, keyword: str, context: BeamContext) -> float:
    """Value as a finite number; absent is an error."""
    value = number(item, keyword, context)
    if value is None:
        raise context.error(f"has no {keyword}", "plan-damaged")
    return value


def whole(item: Dataset, keyword: str, context: BeamContext, default: int) -> int:
    """Value as a whole number, or the default when absent."""
    value = number(item, keyword, context)
    if value is None:
        return default
    if value != int(value) or abs(value) > _LARGEST_WHOLE:
        raise context.error(f"has {keyword} {value}, which is not a whole number of DICOM", "plan-damaged")
    return int(value)


def numbers(item: Dataset, keyword: str, context: BeamContext) -> tuple[float, ...]:
    """Values as finite numbers; empty when absent."""
    value: Any = item.get(keyword)
    if value is None or value == "":
        return ()
    many = value if not isinstance(value, int | float | str) else [value]
    try:
        result = tuple(float(one) for one in many)
    except (TypeError, ValueError):
        raise context.error(f"has {keyword} {value!r}, which are not numbers", "plan-damaged") from None
    if not all(isfinite(one) for one in result):
        raise context.error(f"has {keyword} {value!r}, which are not finite", "plan-damaged")
    return result


def items(item: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; empty when absent."""
    value = item.get(keyword)
    return list(value) if value else []
