"""Which RT Dose of a case is the planning system's, and what of one fraction it says. Ambiguous: not compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

_WHOLE_COURSE = frozenset({"PLAN", "FRACTION"})
"""Summations over all planned fractions: FRACTION is the entire delivery of one fraction group (PS3.3 C.8.8.3.2)."""
_ONE_SESSION = frozenset({"FRACTION_SESSION"})


@dataclass(frozen=True, slots=True)
class DoseHeader:
    """What an RT Dose file says of itself."""

    path: Path
    plan_uids: tuple[str, ...]
    beams: tuple[int, ...]
    """ReferencedBeamNumber of each."""
    summation: str
    dose_type: str
    units: str
    frame_of_reference: str
    fraction_groups: tuple[int, ...] = ()
    """ReferencedFractionGroupNumber of each group that it names; a PLAN dose needs to name none."""


@dataclass(frozen=True, slots=True)
class Fractions:
    """What was delivered is one fraction of one group of the plan."""

    planned: int
    """Of the group; 0: the plan does not say."""
    group: int
    groups: int
    """How many groups the plan has; 0: not known."""


@dataclass(frozen=True, slots=True)
class PlanningDose:
    """One RT Dose that can be compared, and how it becomes the physical dose of one fraction."""

    path: Path
    beam: int | None
    """None: of the whole plan."""
    factor: float
    """Its gray × this = physical gray of one fraction."""
    statement: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The planning doses of a case."""

    plan: PlanningDose | None
    beams: tuple[PlanningDose, ...]
    reason: str
    """Why there is nothing to compare; empty when ``plan`` is set."""


def header_of(dataset: Dataset, path: Path) -> DoseHeader:
    """The header of an RT Dose dataset; attributes that are absent are empty."""
    plans = dataset.get("ReferencedRTPlanSequence") or ()
    groups = [group for plan in plans for group in plan.get("ReferencedFractionGroupSequence") or ()]
    beams = [beam for group in groups for beam in group.get("ReferencedBeamSequence") or ()]
    return DoseHeader(
        path=path,
        plan_uids=tuple(str(plan.get("ReferencedSOPInstanceUID", "")) for plan in plans),
        beams=tuple(int(beam.ReferencedBeamNumber) for beam in beams if "ReferencedBeamNumber" in beam),
        summation=str(dataset.get("DoseSummationType", "")).upper(),
        dose_type=str(dataset.get("DoseType", "")).upper(),
        units=str(dataset.get("DoseUnits", "")).upper(),
        frame_of_reference=str(dataset.get("FrameOfReferenceUID", "")),
        fraction_groups=tuple(
            int(group.ReferencedFractionGroupNumber) for group in groups if "ReferencedFractionGroupNumber" in group
        ),
    )


def choose(
    headers: Sequence[DoseHeader], *, plan_uid: str, frame_of_reference: str, fractions: Fractions, rbe: float
) -> Choice:
    """The planning dose of the plan, and those of single beams.

    plan_uid, frame_of_reference: of the plan that was delivered. fractions: which of it. rbe: by which an EFFECTIVE
    dose is divided. Doses of other plans, and of other fraction groups beside one of the delivered group, are passed
    over; two doses of the whole plan are ambiguous, and so is one that refers to several plans: a PLAN dose is of a
    single plan, MULTI_PLAN of several (PS3.3 C.8.8.3, Dose Summation Type).
    """
    own = [header for header in headers if plan_uid in header.plan_uids]
    if not own:
        others = f" ({len(headers)} RT Dose files refer to other plans)" if headers else ""
        return Choice(None, (), f"the case brings no RT Dose of its plan{others}")
    wholes = [header for header in own if header.summation in _WHOLE_COURSE | _ONE_SESSION]
    wholes = [header for header in wholes if not _other_group(header, fractions)] or wholes
    beams = tuple(_usable(_beam_doses(own), frame_of_reference, fractions, rbe))
    if len(wholes) != 1:
        found = ", ".join(sorted(header.summation or "unstated" for header in own))
        what = "the case brings no RT Dose of the whole plan"
        if wholes:
            what = f"ambiguous: the case brings several RT Doses of the whole plan, {len(wholes)} of them"
        return Choice(None, beams, f"{what} (DoseSummationType: {found})")
    reason = _unusable(wholes[0], frame_of_reference, fractions)
    if reason:
        return Choice(None, beams, reason)
    return Choice(_planning_dose(wholes[0], None, fractions, rbe), beams, "")


def _beam_doses(headers: Iterable[DoseHeader]) -> list[DoseHeader]:
    """Doses of exactly one beam, where no other file is of the same beam."""
    found = [header for header in headers if header.summation in ("BEAM", "BEAM_SESSION") and len(header.beams) == 1]
    numbers = [header.beams[0] for header in found]
    return [header for header in found if numbers.count(header.beams[0]) == 1]


def _usable(
    headers: Iterable[DoseHeader], frame_of_reference: str, fractions: Fractions, rbe: float
) -> Iterable[PlanningDose]:
    for header in headers:
        if not _unusable(header, frame_of_reference, fractions):
            yield _planning_dose(header, header.beams[0], fractions, rbe)


def _unusable(header: DoseHeader, frame_of_reference: str, fractions: Fractions) -> str:
    """Why a dose cannot be compared; empty: it can."""
    plans = len(set(header.plan_uids))
    reasons = (
        (
            plans > 1,
            f"ambiguous: the planning dose refers to {plans} plans",
        ),
        (header.units != "GY", f"the planning dose is not in gray (DoseUnits {header.units or 'absent'})"),
        (
            header.dose_type not in ("PHYSICAL", "EFFECTIVE"),
            f"the planning dose is neither physical nor effective (DoseType {header.dose_type or 'absent'})",
        ),
        (header.frame_of_reference != frame_of_reference, "the planning dose is in another frame of reference"),
        (
            fractions.planned < 1 and not header.summation.endswith("SESSION"),
            "the plan does not say how many fractions it has",
        ),
    )
    return _other_group(header, fractions) or next((reason for wrong, reason in reasons if wrong), "")


def _other_group(header: DoseHeader, fractions: Fractions) -> str:
    """Why a dose is not that of the delivered fraction group alone; empty: it is.

    PLAN is the dose of all groups together (PS3.3 C.8.8.3.2): divided by the fractions of one of them it is nothing.
    """
    named, group, groups = sorted(set(header.fraction_groups)), fractions.group, fractions.groups
    if named and named != [group]:
        of = "group " + ", ".join(map(str, named))
        return f"the planning dose is of fraction {of}, and what was delivered is of group {group}"
    if groups == 1 or (named and header.summation != "PLAN"):
        return ""
    many = f"the plan has {groups} fraction groups" if groups else "the result does not say how many groups it has"
    if header.summation == "PLAN":
        return f"the planning dose is the sum over all fraction groups of the plan, and {many}"
    return f"the planning dose does not say of which fraction group it is, and {many}"


def _planning_dose(header: DoseHeader, beam: int | None, fractions: Fractions, rbe: float) -> PlanningDose:
    session = header.summation.endswith("SESSION")
    by_fractions = 1.0 if session else 1.0 / fractions.planned
    by_rbe = 1.0 / rbe if header.dose_type == "EFFECTIVE" else 1.0
    steps = [
        f"DoseSummationType {header.summation}"
        + ("" if session else f" divided by {fractions.planned} planned fractions"),
        f"DoseType {header.dose_type}" + (f" divided by the RBE {rbe:g}" if header.dose_type == "EFFECTIVE" else ""),
    ]
    return PlanningDose(header.path, beam, by_fractions * by_rbe, ", ".join(steps))
