"""JSON schemas of what the API answers and takes: the words of the documents, with their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from messages.ledger import SendingState
from messages.operators import OrderKind
from messages.states import AttemptState, BeamState, CaseState, ReviewState

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
AMOUNT: Schema = {"type": "number"}
ANY: Schema = {}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
MAYBE_AMOUNT: Schema = {"type": ["number", "null"]}
TIME: Schema = {"type": ["string", "null"], "format": "date-time"}


def made(required: Mapping[str, Schema], optional: Mapping[str, Schema] = MappingProxyType({})) -> dict[str, Any]:
    """An object: other fields than these may come with later releases."""
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}


def listed(item: Schema) -> dict[str, Any]:
    return {"type": "array", "items": item}


def named(schema: str) -> dict[str, Any]:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{schema}"}


def one_of(
    words: type[CaseState] | type[BeamState] | type[AttemptState] | type[ReviewState] | type[SendingState],
) -> dict[str, Any]:
    return {"type": "string", "enum": [str(word) for word in words]}


_CASE = {
    "case": TEXT,
    "kind": TEXT,
    "state": one_of(CaseState),
    "reason": TEXT,
    "priority": WHOLE,
    "seen": TIME,
    "started": TIME,
    "ended": TIME,
    "progress": AMOUNT,
    "eta": TIME,
    "eta_bound": TIME,
    "partial": FLAG,
    "verdict": MAYBE_TEXT,
    "review": MAYBE_TEXT,
    "superseded_by": MAYBE_TEXT,
    "beams": listed(named("Beam")),
}
_GPU = {"index": WHOLE, "uuid": TEXT, "state": TEXT, "reason": TEXT, "beam": TEXT}
_READING = {
    "name": TEXT,
    "temperature_c": MAYBE_AMOUNT,
    "used_mb": MAYBE_AMOUNT,
    "total_mb": MAYBE_AMOUNT,
    "busy_percent": MAYBE_AMOUNT,
    "users": listed(ANY),
}
_STATUS = {
    "daemon": made({"state": TEXT}, {"pid": WHOLE, "boot": WHOLE, "since": TIME}),
    "cases": {"type": "object", "additionalProperties": WHOLE},
    "planned_runs": {"type": "object", "additionalProperties": WHOLE},
    "hosts": listed(named("Host")),
    "alarms": listed(named("Alarm")),
}

SCHEMAS: Mapping[str, Schema] = {
    "Error": made({"error": made({"what": TEXT}, {"where": TEXT, "remedy": TEXT, "kind": TEXT})}),
    "Alarm": made({"id": TEXT, "since": TIME, "text": TEXT}),
    "Gpu": made(_GPU, _READING),
    "Host": made({"name": TEXT, "kind": TEXT, "state": TEXT, "reason": TEXT, "gpus": listed(named("Gpu"))}),
    "Beam": made(
        {
            "number": WHOLE,
            "name": TEXT,
            "state": one_of(BeamState),
            "attempt": WHOLE,
            "host": TEXT,
            "gpu": TEXT,
            "progress": AMOUNT,
            "reason": TEXT,
            "eta": TIME,
            "eta_bound": TIME,
        }
    ),
    "Case": made(_CASE, {"path": TEXT, "plan_uid": TEXT}),
    "Attempt": made(
        {
            "beam": WHOLE,
            "attempt": WHOLE,
            "host": TEXT,
            "gpu": TEXT,
            "key": TEXT,
            "launched": MAYBE_TEXT,
            "ended": MAYBE_TEXT,
            "outcome": one_of(AttemptState),
            "evidence": TEXT,
        }
    ),
    "Review": made({"at": TIME, "state": one_of(ReviewState), "user": TEXT, "reason": TEXT}),
    "Sending": made(
        {
            "node": TEXT,
            "state": one_of(SendingState),
            "reason": TEXT,
            "ordered_by": MAYBE_TEXT,
            "tries": WHOLE,
            "since": TIME,
            "at": TIME,
            "answers": ANY,
        }
    ),
    "Event": made({"at": TIME, "what": TEXT, "detail": TEXT}),
    "WholeCase": made(
        {
            **_CASE,
            "attempts": listed(named("Attempt")),
            "events": listed(named("Event")),
            "reviews": listed(named("Review")),
            "sendings": listed(named("Sending")),
            "supersedes": MAYBE_TEXT,
            "recalculation": ANY,
            "result": ANY,
            "interpretation": ANY,
        },
        {"path": TEXT, "plan_uid": TEXT},
    ),
    "Cases": made({"total": WHOLE, "offset": WHOLE, "cases": listed(named("Case"))}),
    "Plan": made(
        {
            "plan_uid": TEXT,
            "planned_fractions": {"type": ["integer", "null"]},
            "whole": WHOLE,
            "partial": WHOLE,
            "not_counted": WHOLE,
            "statement": TEXT,
            "rule": TEXT,
            "sessions": listed(
                made(
                    {
                        "number": WHOLE,
                        "case": TEXT,
                        "state": one_of(CaseState),
                        "partial": FLAG,
                        "verdict": MAYBE_TEXT,
                        "report": MAYBE_TEXT,
                        "review": MAYBE_TEXT,
                        "reviewer": MAYBE_TEXT,
                        "counts": FLAG,
                        "why_not": TEXT,
                        "delivered_mu": AMOUNT,
                        "planned_mu": AMOUNT,
                        "versions": listed(made({"case": TEXT, "state": one_of(CaseState), "partial": FLAG})),
                    }
                )
            ),
            "beams": listed(made({"number": WHOLE, "name": TEXT, "delivered_mu": AMOUNT, "planned_mu": AMOUNT})),
            "dose": {"type": ["object", "null"]},
        }
    ),
    "Why": made({"case": TEXT, "state": TEXT, "why": TEXT}),
    "Log": made({"text": TEXT, "offset": WHOLE, "size": WHOLE, "attempt": WHOLE, "growing": FLAG}),
    "Trend": made(
        {
            "gantry": TEXT,
            "weeks": WHOLE,
            "band": WHOLE,
            "since": TIME,
            "until": TIME,
            "cut": FLAG,
            "gantries": listed(made({"gantry": TEXT, "bands": listed(WHOLE), "cases": WHOLE, "latest": TIME})),
            "charts": listed(named("Chart")),
        }
    ),
    "Chart": made(
        {
            "figure": TEXT,
            "unit": TEXT,
            "tolerance": listed(MAYBE_AMOUNT),
            "action": listed(MAYBE_AMOUNT),
            "limits": {
                "type": ["object", "null"],
                "properties": dict.fromkeys(("centre", "lower", "upper", "mean_range", "range_upper"), AMOUNT),
            },
            "points": listed(
                made(
                    {
                        "at": TIME,
                        "case": TEXT,
                        "beam": {"type": ["integer", "null"]},
                        "energy_mev": MAYBE_AMOUNT,
                        "value": AMOUNT,
                        "moving_range": MAYBE_AMOUNT,
                        "level": {"type": "string", "enum": ["within", "tolerance", "action"]},
                        "outside": FLAG,
                        "jumped": FLAG,
                    }
                )
            ),
        }
    ),
    "Status": made(
        {**_STATUS, "actors": listed(made({"id": TEXT, "phase": TEXT, "restarts": WHOLE, "last_cause": TEXT}))},
        {"disks": listed(ANY), "machine": ANY},
    ),
    "Overview": made(
        {
            **_STATUS,
            "at": TIME,
            "running": listed(named("Case")),
            "more_running": WHOLE,
            "waiting_beams": WHOLE,
            "last": listed(named("Case")),
            "today": made({"since": TIME, "cases": WHOLE, "failed": WHOLE, "beams": WHOLE, "hours": listed(WHOLE)}),
        }
    ),
    "Order": made(
        {"kind": {"type": "string", "enum": sorted(map(str, OrderKind))}},
        {
            "subject": TEXT,
            "argument": TEXT,
            "order": {"type": "string", "pattern": "^[a-z]+-[0-9a-f]{12,32}$"},
            "person": {"type": "string", "maxLength": 80},
        },
    ),
    "OrderTaken": made({"order": TEXT, "kind": TEXT, "subject": TEXT, "argument": TEXT}),
    "Folder": made({"path": TEXT}, {"partial": FLAG}),
    "FolderTaken": made({"cases": listed(TEXT), "sentences": listed(TEXT)}),
    "Reloaded": made({"changed": listed(TEXT), "needs_restart": listed(TEXT), "errors": listed(TEXT)}),
    "Stopping": made({"stopping": FLAG}),
    "Healthy": made({"ok": FLAG}),
    "Ready": made({"ready": FLAG, "troubles": listed(TEXT)}),
}
