"""A written synthetic case as the request that the case actor would make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from actors.demo.factory import WrittenCase
from actors.errors import MqiError
from actors.formats.profile import load_profile
from actors.interpreter import interpret_case
from messages.cases import CaseSource, DeliverySource
from messages.engine import EngineProfile
from messages.faults import Fault
from messages.interpretation import Interpretation, InterpretCase

CONF = Path(__file__).resolve().parents[3] / "conf"
REFERENCE = load_profile("reference", CONF / "engines")
CALIBRATIONS = tuple((gantry, str(CONF / "calibrations" / f"{gantry.lower()}.txt")) for gantry in ("G1", "G2"))


def source_of(case: WrittenCase, *, partial: bool = False) -> CaseSource:
    deliveries = tuple(
        DeliverySource(
            path=str(one.path),
            key=one.path.name,
            beam_number=one.beam_number,
            irradiated=one.irradiated,
            start_layer=one.start_layer,
            stop_layer=one.stop_layer,
        )
        for one in case.deliveries
    )
    return CaseSource(
        case="20260302-093015-0123abcd",
        identity="identity",
        path=str(case.path),
        plan_path=str(case.plan_path),
        plan_uid=case.plan_uid,
        study_uid=case.study_uid,
        machine=case.recipe.machine,
        deliveries=deliveries,
        partial=partial,
        missing=("Beam 5 was not delivered.",) if partial else (),
    )


def request_of(
    case: WrittenCase, target: Path, profile: EngineProfile = REFERENCE, *, partial: bool = False
) -> InterpretCase:
    return InterpretCase(source_of(case, partial=partial), profile, CALIBRATIONS, str(target), "Asia/Seoul")


def interpreted(
    case: WrittenCase, target: Path, profile: EngineProfile = REFERENCE, *, partial: bool = False
) -> Interpretation:
    return interpret_case(request_of(case, target, profile, partial=partial))


def fault_of(request: InterpretCase) -> Fault:
    """The fault that stops the interpretation; nothing may be left of it on disk."""
    target = Path(request.target)
    try:
        interpret_case(request)
    except MqiError as error:
        assert not target.exists()
        assert list(target.parent.glob(f".{target.name}*")) == []
        return error.fault
    raise AssertionError("the case was interpreted")


def without(request: InterpretCase, place: int) -> InterpretCase:
    """The request without one of its deliveries."""
    kept = tuple(one for number, one in enumerate(request.source.deliveries) if number != place)
    return replace(request, source=replace(request.source, deliveries=kept))
