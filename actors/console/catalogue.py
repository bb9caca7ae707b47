"""Every operation of the API, in one list."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from actors.console.api import MOST, Answers
from actors.console.door import Door
from actors.console.operations import Operation, Parameter, openapi
from actors.console.schemas import SCHEMAS, named
from actors.console.steering import Steering
from actors.console.trend import MOST_WEEKS, Trend
from actors.console.vitals import Vitals
from messages.states import CaseState

_CASE = Parameter("case", "Name of a case, or its beginning.", "path")
_BEAM = Parameter("beam", "DICOM beam number.", "path", {"type": "integer"})
_WHOLE: dict[str, Any] = {"type": "integer", "minimum": 0}
_LIST = (
    Parameter("state", f"Only these, separated by commas, of: {', '.join(CaseState)}."),
    Parameter("search", "Part of a case's name, plan UID or reason."),
    Parameter("limit", "So many at most.", schema={**_WHOLE, "maximum": MOST}),
    Parameter("offset", "Beginning with this one.", schema=_WHOLE),
)

_TREND = (
    Parameter("gantry", "Of which; without it, the first by name."),
    Parameter("weeks", "How far back; 8 without it.", schema={**_WHOLE, "minimum": 1, "maximum": MOST_WEEKS}),
    Parameter("band", "Lowest energy of a band of layers (MeV); without it, beams as wholes.", schema=_WHOLE),
)


def operations(door: Door) -> tuple[Operation, ...]:
    """All of them, with what answers them."""
    answers, steering, vitals, trend = Answers(door), Steering(door), Vitals(door), Trend(door)
    found: list[Operation] = []

    async def description(request: Request) -> Response:
        return JSONResponse(openapi(found, door.version, SCHEMAS))

    found += [
        Operation(
            "GET",
            "/api/status",
            "status",
            answers.status,
            "Daemon, hosts, GPUs, counts, disks, alarms.",
            answer=named("Status"),
            refusals=(503,),
        ),
        Operation(
            "GET",
            "/api/overview",
            "overview",
            answers.overview,
            "What the page shows, as it was seen last.",
            answer=named("Overview"),
            refusals=(404,),
        ),
        Operation(
            "GET",
            "/api/cases",
            "cases",
            answers.cases,
            "A part of the list of cases.",
            _LIST,
            answer=named("Cases"),
            refusals=(400, 503),
        ),
        Operation(
            "GET",
            "/api/cases/{case}",
            "case",
            answers.case,
            "One case in full.",
            (_CASE,),
            answer=named("WholeCase"),
            refusals=(404, 503),
        ),
        Operation(
            "GET",
            "/api/cases/{case}/why",
            "why",
            answers.why,
            "Why a case is where it is, in one sentence.",
            (_CASE,),
            answer=named("Why"),
            refusals=(404, 503),
        ),
        Operation(
            "GET",
            "/api/cases/{case}/log/{beam:int}",
            "engine_log",
            answers.log,
            "A part of the engine's log of a beam's latest attempt.",
            (_CASE, _BEAM, Parameter("offset", "From this byte on; without it, the end.", schema=_WHOLE)),
            answer=named("Log"),
            refusals=(400, 404, 503),
        ),
        Operation(
            "GET",
            "/api/trend",
            "trend",
            trend.answer,
            "What the reports of the last weeks found, of one gantry: values, levels, control limits.",
            _TREND,
            answer=named("Trend"),
            refusals=(400, 503),
        ),
        Operation(
            "GET",
            "/api/plans/{plan}",
            "plan",
            answers.plan,
            "The sessions that delivered a plan, which of them count, and the dose of them together.",
            (Parameter("plan", "SOP Instance UID of the plan.", "path"),),
            answer=named("Plan"),
            refusals=(404, 503),
        ),
        Operation(
            "GET",
            "/api/events",
            "events",
            answers.events,
            "Server-sent events: overview (as /api/overview), cases (names of those that changed), beat.",
            media="text/event-stream",
            refusals=(503,),
        ),
        Operation(
            "POST",
            "/api/orders",
            "order",
            steering.order,
            "An order; answered when it is on the disk. With an id of its own (order), sent again, it is one.",
            body=named("Order"),
            answer=named("OrderTaken"),
            refusals=(400, 403, 404, 504),
        ),
        Operation(
            "POST",
            "/api/submit",
            "submit",
            steering.submit,
            "Take a case folder now.",
            body=named("Folder"),
            answer=named("FolderTaken"),
            refusals=(400, 403, 504),
        ),
        Operation(
            "POST",
            "/api/reload",
            "reload",
            steering.reload,
            "Read the configuration again.",
            answer=named("Reloaded"),
            refusals=(403, 504),
        ),
        Operation(
            "POST",
            "/api/stop",
            "stop",
            steering.stop,
            "Stop the daemon in order; engines go on.",
            answer=named("Stopping"),
            refusals=(403,),
        ),
        Operation("GET", "/healthz", "healthz", vitals.healthz, "The process answers.", answer=named("Healthy")),
        Operation(
            "GET",
            "/readyz",
            "readyz",
            vitals.readyz,
            "Whether the pipeline works: its actors, ledger, scans, disks and hosts; 503 with the reasons if not.",
            answer=named("Ready"),
            refusals=(503,),
        ),
        Operation("GET", "/metrics", "metrics", vitals.metrics, "For Prometheus.", media="text/plain", refusals=(504,)),
        Operation("GET", "/openapi.json", "openapi", description, "This document.", answer={"type": "object"}),
    ]
    return tuple(found)
