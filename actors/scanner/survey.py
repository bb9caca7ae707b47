"""The survey of one case folder: plans, deliveries, and which plan each delivery was made from.

Runs in a worker process (it imports numpy and pydicom). It reads every RT Ion Plan, each delivery's PlanInfo, PlanRange
and planned scans, and of the measured layers only sizes, and the counts of each delivery's first and last layer.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b

from actors.errors import CaseError
from actors.formats.calibration import gantry_of
from actors.formats.plan import Plan
from actors.formats.plan_reader import RT_ION_PLAN, read_plan
from actors.formats.reading import shown
from actors.scanner.facts import BeamFacts, DeliveryFacts, FolderSurvey, PlanFacts, SurveyRequest
from actors.scanner.looks import DICOM_SUFFIX, Contents, Listing, contents_of
from actors.scanner.paths import below
from actors.scanner.survey_delivery import survey_delivery
from messages.faults import Fault

_HEAD_BYTES = 4096
_MAGIC = slice(128, 132)
# A UID in a DICOM file is followed by its padding or by the next element's group, never by a digit.
_PLAN_UID = re.compile(re.escape(RT_ION_PLAN).encode() + rb"(?![0-9.])")
_CT_UID = re.compile(rb"1\.2\.840\.10008\.5\.1\.4\.1\.1\.2(?![0-9.])")
_MAY_STILL_GROW = frozenset({"plan-damaged", "file-changing", "file-missing", "file-unreadable"})


@dataclass(slots=True)
class Plans:
    """The RT Ion Plans of a folder."""

    whole: list[Plan] = field(default_factory=list)
    facts: list[PlanFacts] = field(default_factory=list)
    wrong: list[Fault] = field(default_factory=list)
    """Plans that were read to their end and can never be computed."""
    lacking: list[str] = field(default_factory=list)
    ct: bool = False


def survey_folder(request: SurveyRequest) -> FolderSurvey:
    """Survey a case folder. What is wrong with its files is in the answer; an OSError means the folder is gone."""
    began = time.perf_counter()
    contents = contents_of(request.path)
    plans = _plans(contents)
    lacking = list(plans.lacking)
    deliveries: dict[str, DeliveryFacts] = {}
    for name in sorted(contents.deliveries):
        try:
            found = survey_delivery(contents.deliveries[name], plans.whole, plans.wrong, request)
        except CaseError as error:
            lacking.append(f"delivery {shown(name)}: {error.fault.what.rstrip('.')}")
            continue
        if found is not None:
            known = deliveries.get(found.source.key)
            deliveries[found.source.key] = found if known is None else _better(known, found)
    return FolderSurvey(
        path=request.path,
        digest=contents.digest(),
        plans=tuple(plans.facts),
        deliveries=tuple(sorted(deliveries.values(), key=lambda one: (one.source.irradiated, one.source.key))),
        lacking=tuple(lacking),
        ct=plans.ct,
        took_s=time.perf_counter() - began,
    )


def _better(one: DeliveryFacts, two: DeliveryFacts) -> DeliveryFacts:
    """Of two copies of one delivery the one with less amiss; the first by name where they are alike."""
    return min(one, two, key=lambda copy: (copy.fault is not None, len(copy.lacking)))


def _plans(contents: Contents) -> Plans:
    plans = Plans()
    for name in sorted(contents.top.files):
        if name.casefold().endswith(DICOM_SUFFIX):
            _plan(contents.top, name, plans)
    return plans


def _plan(folder: Listing, name: str, plans: Plans) -> None:
    path = below(folder.path, name)
    head = _head(path)
    if head[_MAGIC] != b"DICM":
        plans.lacking.append(f"{shown(name)} is not a readable DICOM file yet")
        return
    if not _PLAN_UID.search(head):
        plans.ct = plans.ct or bool(_CT_UID.search(head))
        return
    try:
        plan = read_plan(path)
    except CaseError as error:
        if error.fault.kind in _MAY_STILL_GROW:
            plans.lacking.append(f"{shown(name)}: {error.fault.what.rstrip('.')}")
        elif error.fault.kind != "plan-not-ion":
            plans.wrong.append(error.fault)
        return
    cut = _cut(plan)
    if cut:
        plans.lacking.append(f"{shown(name)}: {cut}")
        return
    if plan.sop_instance_uid in {known.sop_instance_uid for known in plans.whole}:
        return  # A copy of the same plan under another name.
    plans.whole.append(plan)
    plans.facts.append(_facts(plan, path, _content(folder, name)))


def _head(path: str) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(handle, _HEAD_BYTES)
    except OSError:
        return b""
    finally:
        os.close(handle)


def _facts(plan: Plan, path: str, content: str) -> PlanFacts:
    beams = plan.treatment_beams
    machines = list(dict.fromkeys(beam.machine for beam in beams))
    return PlanFacts(
        path=path,
        uid=plan.sop_instance_uid,
        study_uid=plan.study_uid,
        machine=machines[0] if machines else "",
        beams=tuple(BeamFacts(beam.number, beam.name, len(beam.layers)) for beam in beams),
        fault=_plan_fault(machines),
        content=content,
    )


def _cut(plan: Plan) -> str:
    """What tells that the rest of the file is missing: a cut DICOM file can still be read up to there."""
    there = {beam.number for beam in plan.beams}
    absent = sorted(
        number for group in plan.fraction_groups for number, mu in group.metersets if mu > 0 and number not in there
    )
    if absent:
        return f"it refers to beam {absent[0]}, which it does not have"
    return "" if plan.treatment_beams else "it has no treatment beam with a meterset"


def _plan_fault(machines: Iterable[str]) -> Fault | None:
    for machine in machines:
        try:
            gantry_of(machine)
        except CaseError as error:
            return error.fault
    return None


def _content(folder: Listing, name: str) -> str:
    stamp = folder.files[name]
    return blake2b(f"{name} {stamp}".encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
