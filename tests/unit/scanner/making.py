"""Facts, surveys and registers made by hand for the scanner's pure tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from actors.scanner.assessment import Assessment, assess
from actors.scanner.facts import BeamFacts, DeliveryFacts, FolderSurvey, PlanFacts
from actors.scanner.identity import delivery_key
from actors.scanner.register import Register
from messages.cases import DeliverySource
from messages.faults import Fault
from messages.ledger import SightCase

ZONE = "Asia/Seoul"
STUDY = "1.2.3"
PLAN = "1.2.3.9"
PATH = "/root/patient/study"
MORNING = datetime(2026, 3, 2, 9, 30, 15, tzinfo=ZoneInfo(ZONE))
NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
"""Noon in Seoul."""


def delivery(
    beam: int,
    start: int,
    stop: int,
    *,
    minutes: float = 0.0,
    at: datetime | None = None,
    plan: str = PLAN,
    study: str = STUDY,
    shares: dict[int, float] | None = None,
    lacking: tuple[str, ...] = (),
    fault: Fault | None = None,
    content: str = "c",
) -> DeliveryFacts:
    """A delivery ``minutes`` after 9:30 of the day; every boundary layer whole unless ``shares`` says otherwise."""
    when = at or (MORNING.astimezone(UTC) + timedelta(minutes=minutes)).astimezone(ZoneInfo(ZONE))
    stamp = f"{when:%Y%m%d%H%M%S%f}"[:16]
    known = {start: 1.0, stop: 1.0} if shares is None else shares
    return DeliveryFacts(
        source=DeliverySource(
            path=f"{PATH}/{stamp}",
            key=delivery_key(study, beam, stamp, start),
            beam_number=beam,
            irradiated=when,
            start_layer=start,
            stop_layer=stop,
        ),
        study_uid=study,
        plan=plan,
        lacking=lacking,
        fault=fault,
        shares=tuple(sorted(known.items())),
        content=content,
    )


def plan(
    *beams: tuple[int, int], uid: str = PLAN, study: str = STUDY, fault: Fault | None = None, content: str = "p"
) -> PlanFacts:
    """A plan with beams as (number, layers)."""
    facts = tuple(BeamFacts(number, f"B{number}", layers) for number, layers in beams)
    return PlanFacts(f"{PATH}/RP.{uid}.dcm", uid, study, "G2", facts, fault, content)


def survey(
    plans: tuple[PlanFacts, ...],
    *deliveries: DeliveryFacts,
    lacking: tuple[str, ...] = (),
    path: str = PATH,
    ct: bool = False,
) -> FolderSurvey:
    return FolderSurvey(path, b"digest", plans, tuple(deliveries), lacking, ct)


def assessed(
    found: FolderSurvey,
    register: Register | None = None,
    *,
    names: tuple[str, ...] | None = None,
    needs_ct: bool = False,
) -> tuple[Assessment, ...]:
    folders = tuple(one.source.path for one in found.deliveries) if names is None else names
    return assess(found, register or Register(), names=folders, gap_h=4.0, zone=ZONE, needs_ct=needs_ct, now=NOW)


def sighted(register: Register, case: Assessment, sentence: str = "") -> None:
    """What the ledger knows after a sighting of the case."""
    reason = sentence or case.sentence
    register.sighted(
        SightCase(case.case, case.identity, case.path, reason, case.plan_uid, case.study_uid, case.keys), NOW
    )
