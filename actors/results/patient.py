"""Whose dose a CT dose is: the plan says."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from actors.errors import MqiError
from actors.results.rtdose import Person
from messages.faults import Blame, Fault
from messages.interpretation import Interpretation

_TAGS = (
    "SOPInstanceUID",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyID",
)


def plan_person(plan_path: str, interpretation: Interpretation) -> Person:
    """Patient and study as the plan has them. MqiError when the plan is gone or is another one by now."""
    path = Path(plan_path)
    try:
        plan = dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
    except (OSError, InvalidDicomError) as error:
        raise _plan_error(f"The plan cannot be read any more: {error}.", path) from None
    if str(plan.get("SOPInstanceUID", "")) != interpretation.plan_uid:
        raise _plan_error("The plan's file holds another plan than the one that was computed.", path)
    return Person(
        name=_value(plan, "PatientName"),
        id=_value(plan, "PatientID"),
        birth_date=_value(plan, "PatientBirthDate"),
        sex=_value(plan, "PatientSex"),
        study_uid=interpretation.study_uid,
        study_id=_value(plan, "StudyID"),
        study_date=_value(plan, "StudyDate"),
        study_time=_value(plan, "StudyTime"),
        accession=_value(plan, "AccessionNumber"),
        plan_series_uid=_value(plan, "SeriesInstanceUID"),
    )


def _value(plan: Dataset, tag: str) -> str:
    return str(plan.get(tag) or "")


def _plan_error(what: str, path: Path) -> MqiError:
    remedy = "Put the plan back where it was; the case goes on by a retry."
    return MqiError(Fault(what=what, where=str(path), remedy=remedy, blame=Blame.INPUT, kind="plan-gone"))
