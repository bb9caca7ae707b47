"""PlanInfo.txt: which beam and which layers one delivery folder holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from actors.errors import CaseError
from actors.formats.reading import KIB, read_bounded, shown, text_of

NAME = "PlanInfo.txt"
_LIMIT = 64 * KIB
_STAMP = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{0,6})")
_YEARS = range(1970, 2200)  # the ends of the calendar are no times: another zone's clock would leave it
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


@dataclass(frozen=True, slots=True)
class PlanInfo:
    """What the machine says about one delivery."""

    patient_id: str
    """``DICOM_PATIENT_ID``; patient data: never logged."""
    study_uid: str
    beam_number: int
    """DICOM beam number."""
    stamp: str
    """``TCSC_IRRAD_DATETIME`` as written: YYYYMMDDhhmmss and fractions of a second, machine's wall clock."""
    start_layer: int
    """1-based, inclusive."""
    stop_layer: int
    field_number: str = ""
    plan_number: str = ""

    def irradiated(self, zone: str) -> datetime:
        """Start of the delivery as an aware time in the machine's zone (an ambiguous autumn hour: the first)."""
        return stamp_time(self.stamp, zone)


def stamp_time(stamp: str, zone: str) -> datetime:
    """Aware time of a machine's stamp (YYYYMMDDhhmmss, then 0 to 6 digits of a second); ValueError if it is none."""
    match = _STAMP.fullmatch(stamp)
    if match is None:
        raise ValueError(f"{stamp!r} is not YYYYMMDDhhmmssff")
    *parts, fraction = match.groups()
    year, month, day, hour, minute, second = (int(part) for part in parts)
    if year not in _YEARS:
        raise ValueError(f"{stamp!r} is not in the years {_YEARS.start} to {_YEARS.stop - 1}")
    microsecond = int((fraction + "000000")[:6])
    return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=ZoneInfo(zone))


def read_plan_info(path: str | Path) -> PlanInfo:
    """Reads ``PlanInfo.txt``; CaseError names the file and the key."""
    return parse_plan_info(read_bounded(path, _LIMIT, NAME), shown(path))


def parse_plan_info(data: bytes, where: str) -> PlanInfo:
    """PlanInfo of the file's bytes (``KEY,value`` per line); a key that is missing, doubled or odd is a CaseError."""
    values = _values(text_of(data, NAME, where), where)
    stamp = _required(values, "TCSC_IRRAD_DATETIME", where)
    try:
        stamp_time(stamp, "UTC")
    except ValueError as error:
        raise _bad("TCSC_IRRAD_DATETIME", str(error), where) from None
    study = _required(values, "DICOM_STUDY_INS_UID", where)
    if not _UID.fullmatch(study) or len(study) > 64:
        raise _bad("DICOM_STUDY_INS_UID", f"{study!r} is not a UID", where)
    info = PlanInfo(
        patient_id=_required(values, "DICOM_PATIENT_ID", where),
        study_uid=study,
        beam_number=_number(values, "DICOM_BEAM_NUMBER", where),
        stamp=stamp,
        start_layer=_number(values, "START_LAYER_NUMBER", where),
        stop_layer=_number(values, "STOP_LAYER_NUMBER", where),
        field_number=values.get("TCSC_FIELD_NUMBER", ""),
        plan_number=values.get("TCSC_PLAN_NUMBER", ""),
    )
    if not 1 <= info.start_layer <= info.stop_layer:
        raise CaseError(
            f"PlanInfo.txt of beam {info.beam_number} delivers layers {info.start_layer} to {info.stop_layer}.",
            where,
            "Check the delivery on the machine.",
            "plan-info-invalid",
        )
    return info


def _values(text: str, where: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for line in text.splitlines():
        key, comma, value = line.partition(",")
        key = key.strip().upper()
        if not comma or not key:
            continue
        if values.setdefault(key, value.strip()) != value.strip():
            raise _bad(key, "it is there twice with different values", where)
    return values


def _required(values: dict[str, str], key: str, where: str) -> str:
    value = values.get(key, "")
    if not value:
        raise _bad(key, "it is missing or empty", where)
    return value


def _number(values: dict[str, str], key: str, where: str) -> int:
    text = _required(values, key, where)
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise _bad(key, f"{text!r} is not a number", where)
    return int(text)


def _bad(key: str, why: str, where: str) -> CaseError:
    return CaseError(f"PlanInfo.txt, {key}: {why}.", where, "Send the delivery again.", "plan-info-invalid")
