"""Values to and from what SQLite and JSON can hold. Pure."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime

from messages.cases import CaseSource, DeliverySource


def time_text(at: datetime) -> str:
    """An aware time as ISO 8601 in UTC with microseconds, so that text sorts as time; ValueError if naive."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone cannot enter the ledger")
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def text_time(text: str | None) -> datetime | None:
    """Reverse of :func:`time_text`; None stays None."""
    return None if text is None else datetime.fromisoformat(text)


def plain(text: str) -> str:
    """Text for people: what is not valid Unicode (names decoded with surrogateescape) is shown escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def path_value(path: str) -> str | bytes:
    """A path for a column: text where it is UTF-8, otherwise its bytes, so that it comes back as it was."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def value_path(value: str | bytes) -> str:
    """Reverse of :func:`path_value`."""
    return value if isinstance(value, str) else os.fsdecode(value)


def list_json(texts: tuple[str, ...] | list[str]) -> str:
    """Strings as a JSON list."""
    return json.dumps(list(texts))


def json_list(text: str) -> tuple[str, ...]:
    """Reverse of :func:`list_json`."""
    return tuple(json.loads(text))


def source_json(source: CaseSource) -> str:
    """A CaseSource as JSON; escaped to ASCII, so paths of any bytes survive."""
    plain_values = asdict(source)
    for delivery in plain_values["deliveries"]:
        delivery["irradiated"] = delivery["irradiated"].isoformat()
    if source.planned_at is not None:
        plain_values["planned_at"] = source.planned_at.isoformat()
    return json.dumps(plain_values)


def json_source(text: str) -> CaseSource | None:
    """Reverse of :func:`source_json`; None for the empty text of a case that was never admitted."""
    if not text:
        return None
    values = json.loads(text)
    values["deliveries"] = tuple(
        DeliverySource(**(item | {"irradiated": datetime.fromisoformat(item["irradiated"])}))
        for item in values["deliveries"]
    )
    if values.get("planned_at"):
        values["planned_at"] = datetime.fromisoformat(values["planned_at"])
    return CaseSource(**(values | {"missing": tuple(values["missing"])}))
