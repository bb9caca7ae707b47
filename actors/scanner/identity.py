"""Names that do not depend on where a delivery lies: keys of deliveries, identities and names of cases."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from zoneinfo import ZoneInfo


def delivery_key(study_uid: str, beam_number: int, stamp: str, start_layer: int) -> str:
    """Identity of one delivery, from what the machine wrote; 32 hexadecimal digits."""
    return _hash("delivery", study_uid, str(beam_number), stamp, str(start_layer))[:32]


def case_identity(study_uid: str, plan_uid: str, first_delivery: str, later: tuple[str, ...] = ()) -> str:
    """Identity of one fraction of one plan; ``later`` are the deliveries that make it supersede a partial case."""
    return _hash("case", study_uid, plan_uid, first_delivery, *sorted(later))


def folder_identity(path: str) -> str:
    """Identity of a folder in which no delivery could be read yet."""
    return _hash("folder", path)


def case_name(first: datetime, identity: str, zone: str) -> str:
    """``<YYYYMMDD-HHMMSS>-<8 hex>``: wall clock of the machine at the first delivery, start of the identity."""
    return f"{first.astimezone(ZoneInfo(zone)):%Y%m%d-%H%M%S}-{identity[:8]}"


def _hash(*parts: str) -> str:
    return sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
