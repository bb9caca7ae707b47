"""The engine run of the planned spots that a delivery is compared with: what it is of, and so its name. Pure."""

from __future__ import annotations

import hashlib

from actors.formats.plan_files import plan_content
from messages.cases import CaseSource
from messages.engine import EngineProfile
from messages.interpretation import Interpretation
from messages.ledger import AdmitCase, BeamName

PRIORITY = -4
"""Of a planned run: as if it had come four hours (``AGING_S``) after the delivery that wants it. So deliveries go
before it, and still it never starves."""
_NAMED = 12
"""Digits of its identity in its name."""


def planned_run(
    source: CaseSource,
    interpretation: Interpretation,
    profile: EngineProfile,
    engine_version: str,
    daemon_version: str,
) -> AdmitCase | None:
    """The run of all treatment beams of the delivery's plan; None: the delivery says of no beam what the plan has.

    Two deliveries get the same run, by name and identity, exactly if plan, images, calibration, profile (with the beam
    model that it names), engine and this program, which makes the engine's input, are the same: then their planned dose
    is.
    """
    if not interpretation.amounts or not source.deliveries:
        return None
    content = plan_content(interpretation.inputs)
    parts = (
        interpretation.plan_uid,
        content,
        interpretation.calibration_sha256,
        profile.model_dump_json(),
        engine_version,
        daemon_version,
    )
    identity = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    run = CaseSource(
        case=f"plan-{identity[:_NAMED]}",
        identity=identity,
        path=source.path,
        plan_path=source.plan_path,
        plan_uid=source.plan_uid,
        study_uid=source.study_uid,
        machine=source.machine,
        deliveries=(),
        content=content,
        planned_at=source.deliveries[0].irradiated,
    )
    return AdmitCase(run, tuple(BeamName(amount.number, amount.name) for amount in interpretation.amounts))
