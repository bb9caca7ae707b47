"""What stands around the console's HTTP side in its unit tests: a door without an actor, a ledger without a file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.console.access import Access
from actors.console.app import make_app
from actors.console.books import Books
from actors.console.door import Door
from actors.console.hub import Hub
from actors.console.looking import Health, Look
from actors.console.peers import Peer
from actors.settings import Settings, parse
from messages.cases import FolderTaken
from messages.hosts import GpuProcess, GpuReading, GpusObserved, HostObserved, HostState
from messages.ledger import (
    AlarmRow,
    AttemptRow,
    BeamRow,
    CaseRow,
    EventRow,
    FigureRow,
    Followed,
    FractionRow,
    GantryRow,
    GpuRow,
    HaltRow,
    HostRow,
    OrdersReport,
    PastRuns,
    ReportRow,
    ReviewRow,
    SendingRow,
    Written,
)
from messages.metrics import MetricsReport
from messages.operators import Alarm, DiskHealth, HealthReport, MachineHealth, SettingsReloaded
from messages.states import AttemptState, BeamState, CaseState, ReviewState

NOW = datetime(2026, 3, 2, 10, 30, tzinfo=UTC)
CASE = "20260302-093015-2c87b654"
SITE = """
[daemon]
state_dir = "/nowhere/state"
log_dir = "/nowhere/log"
[scan]
roots = ["/share"]
[results]
dir = "/nowhere/results"
[engine]
profile = "reference"
[[hosts]]
name = "gpu1"
address = "gpu1.example.org"
workspace = "/data/mqi"
[[hosts]]
name = "gpu2"
address = "gpu2.example.org"
workspace = "/data/mqi"
"""


def settings(more: str = "") -> Settings:
    return parse(SITE + more, Path("/nowhere/mqi.toml"), {})


def beam(number: int = 3, state: BeamState = BeamState.RUNNING, **changes: Any) -> BeamRow:
    return replace(BeamRow(number, f"{number}:LAO", state, 1, "gpu1", "0", 0.4, ""), **changes)


def case(name: str = CASE, state: CaseState = CaseState.RUNNING, **changes: Any) -> CaseRow:
    row = CaseRow(
        case=name,
        state=state,
        reason="",
        priority=0,
        path="/share/DOE^JANE/study",
        plan_uid="1.2.3",
        study_uid="1.2",
        identity="i",
        seen=NOW - timedelta(minutes=9),
        admitted=NOW - timedelta(minutes=8),
        started=NOW - timedelta(minutes=7),
        ended=None,
        source=None,
        interpretation="",
        verdict="",
        cleaned=False,
        beams=(beam(), beam(5, BeamState.PENDING, host="", gpu="", progress=0.0, attempt=0)),
    )
    return replace(row, **changes)


def attempt(number: int = 1, state: AttemptState = AttemptState.RUNNING, **changes: Any) -> AttemptRow:
    row = AttemptRow(
        f"{CASE}/3/{number}", CASE, 3, number, state, "gpu1", "0", "gpu1/gpu-0", 1, "/data/mqi/x", "{}", "", "", "", 0.4
    )
    return replace(row, **changes)


def fraction(case: str = CASE, state: CaseState = CaseState.DONE, **changes: Any) -> FractionRow:
    row = FractionRow(
        case=case,
        state=state,
        partial=False,
        supersedes="",
        review=ReviewState.COMPUTED,
        reviewer="",
        review_reason="",
        verdict="accepted",
        report="pass",
        path="/nowhere",
        result_sha256="",
        treatment=True,
        planned_fractions=30,
        amounts="[]",
    )
    return replace(row, **changes)


class PaperLedger:
    """Answers as the ledger's reader does, from what a test wrote on it."""

    def __init__(self, *rows: CaseRow) -> None:
        self.rows: dict[str, CaseRow] = {row.case: row for row in rows}
        self.history: list[EventRow] = []
        self.tries: tuple[AttemptRow, ...] = ()
        self.standing: tuple[AlarmRow, ...] = ()
        self.fault: Exception | None = None
        self.reads = 0
        self.fractions: tuple[FractionRow, ...] = ()
        self.reviewed: tuple[ReviewRow, ...] = ()
        self.reports: dict[str, ReportRow] = {}
        self.followed_rows: tuple[FigureRow, ...] = ()
        self.gantry_rows: tuple[GantryRow, ...] = ()
        self.wanted: Followed | None = None

    def happened(self, what: str, name: str = CASE, at: datetime = NOW, detail: str = "") -> None:
        self.history.append(EventRow(len(self.history) + 1, at, name, what, detail))

    def _read(self) -> None:
        self.reads += 1
        if self.fault is not None:
            raise self.fault

    def cases(self, state: CaseState | None = None) -> tuple[CaseRow, ...]:
        self._read()
        return tuple(row for row in self.rows.values() if state in (None, row.state))

    def case(self, case: str) -> CaseRow | None:
        self._read()
        return self.rows.get(case)

    def find(
        self, states: frozenset[CaseState], search: str = "", limit: int = 50, offset: int = 0
    ) -> tuple[int, tuple[CaseRow, ...]]:
        self._read()
        found = [row for row in self.rows.values() if row.state in states and search in row.case + row.reason]
        return len(found), tuple(found[offset : offset + limit])

    def attempts(self, case: str) -> tuple[AttemptRow, ...]:
        return tuple(one for one in self.tries if one.case == case)

    def events(self, case: str) -> tuple[EventRow, ...]:
        return tuple(event for event in self.history if event.case == case)

    def events_after(self, number: int, limit: int = 1000) -> tuple[EventRow, ...]:
        return tuple(event for event in self.history if event.number > number)[:limit]

    def last_event(self) -> int:
        self._read()
        return len(self.history)

    def event_before(self, at: datetime) -> int:
        return sum(event.at < at for event in self.history)

    def endings_after(self, number: int) -> tuple[EventRow, ...]:
        ends = ("→ done", "→ failed")
        return tuple(
            event for event in self.events_after(number) if event.what.endswith(ends) and "attempt" not in event.what
        )

    def hosts(self) -> tuple[HostRow, ...]:
        return (HostRow("gpu1", "ssh", "up", "", NOW),)

    def gpus(self) -> tuple[GpuRow, ...]:
        return (
            GpuRow("gpu1", 0, "GPU-1", "busy", "", f"{CASE}/3/1", NOW),
            GpuRow("gpu1", 1, "GPU-2", "quarantined", "used by a stranger", "", NOW),
        )

    def alarms(self) -> tuple[AlarmRow, ...]:
        return self.standing

    def halts(self) -> tuple[HaltRow, ...]:
        return ()

    def open_cases(self) -> tuple[CaseRow, ...]:
        return tuple(row for row in self.rows.values() if row.state in (CaseState.QUEUED, CaseState.RUNNING))

    def past_runs(self) -> PastRuns:
        return PastRuns((), (), ())

    def sendings(self, case: str) -> tuple[SendingRow, ...]:
        return ()

    def course(self, plan_uid: str) -> tuple[FractionRow, ...]:
        self._read()
        return self.fractions if plan_uid == "1.2.3" else ()

    def reviews(self, case: str) -> tuple[ReviewRow, ...]:
        return tuple(row for row in self.reviewed if row.case == case)

    def report(self, case: str) -> ReportRow | None:
        return self.reports.get(case)

    def followed(self, wanted: Followed) -> tuple[FigureRow, ...]:
        self.wanted = wanted
        return tuple(row for row in self.followed_rows if row.gantry == wanted.gantry)

    def gantries(self) -> tuple[GantryRow, ...]:
        self._read()
        return self.gantry_rows

    def planned_counts(self) -> Mapping[CaseState, int]:
        return {}

    def counts(self) -> Mapping[CaseState, int]:
        return {state: sum(row.state is state for row in self.rows.values()) for state in CaseState}


def health(*alarms: Alarm, low: bool = False) -> HealthReport:
    readings = (
        GpuReading(0, "GPU-1", "H100", 81920, 40960, 40960, 71, 93),
        GpuReading(1, "GPU-2", "H100", 81920, 8192, 73728, 55, 10, processes=(GpuProcess(4711, "train.py", 8000, ""),)),
    )
    return HealthReport(
        "health",
        alarms,
        MachineHealth(50.0, 1.0, None),
        (DiskHealth("state", "/s", 0.5 if low else 80.0, 1.0, low),),
        (HostObserved("gpu1", "ssh", NOW, HostState.UP, free_gb=512.3, load=3.0),),
        (GpusObserved("gpu1", NOW, readings),),
    )


def done(value: Any) -> Future[Any]:
    """A future with this value, or this error; of None: one that nobody settles."""
    future: Future[Any] = Future()
    if isinstance(value, Exception):
        future.set_exception(value)
    elif value is not None:
        future.set_result(value)
    return future


class Inside:
    """Stands for the actor: what a test makes it answer, and what it was told."""

    def __init__(self, ledger: PaperLedger | None = None, more: str = "") -> None:
        self.ledger = ledger or PaperLedger(case())
        self.settings = settings(more)
        self.calls: list[tuple[Any, ...]] = []
        self.health: Any = health()
        self.heard: Health | None = Health(health(), datetime.now().astimezone())
        self.pulse: Any = OrdersReport("1", ())
        self.taken: Any = FolderTaken("1", ("20260301-1",), ())
        self.reloaded: Any = SettingsReloaded("1", ("scan.quiet_s",), ("results.dir",), ())
        self.written: Any = Written("order-1")
        self.metrics: Any = MetricsReport("1", b"mqi_up 1\n", "text/plain; version=1.0.0")
        self.picture: Any = None
        self.phases = dict.fromkeys(("ledger", "compute", "scheduler", "cases/admission", "scanner"), "up")
        self.hub = Hub()

    def facts(self) -> dict[str, Any]:
        actors = [
            {"id": f"root/pipeline/{name}", "phase": phase, "restarts": 0, "last_cause": ""}
            for name, phase in self.phases.items()
        ]
        facts = {"state": "running", "pid": 7, "boot": 4, "since": "2026-03-02T08:00:00+00:00", "socket": "/s.sock"}
        return {**facts, "memory_mb": 60.0, "restarts": 0, "dead_letters": 0, "actors": actors}

    def look(self) -> None:
        """One look at the ledger, published."""
        hosts = [(host.name, host.kind) for host in self.settings.hosts]
        look = Look(
            self.ledger,
            Path("/nowhere/ledger.sqlite"),
            facts=self.facts,
            health=lambda: self.heard,
            configured=hosts,
            attempts=3,
            clean=str,
            clock=lambda: NOW,
        )
        sight = look.look()
        assert sight is not None
        self.hub.publish(sight)

    def door(self) -> Door:
        return Door(
            settings=self.settings,
            version="1.2.3",
            books=Books(self.ledger),
            hub=self.hub,
            facts=self.facts,
            heard=lambda: self.heard,
            health=lambda: done(self.health),
            pulse=lambda: done(self.pulse),
            metrics=lambda: done(self.metrics),
            stop=lambda user: self.calls.append(("stop", user)),
            reload=lambda user: done(self.reloaded),
            submit=lambda *told: (self.calls.append(("submit", *told)), done(self.taken))[1],
            order=lambda *told: (self.calls.append(("order", *told)), done(self.written))[1],
            draw=lambda *told: (self.calls.append(("draw", *told)), done(self.picture))[1],
            clean=lambda text: text.replace("DOE^JANE", "…"),
        )


class _From:
    """Gives every request its other end, as the server does."""

    def __init__(self, app: ASGIApp, peer: Peer) -> None:
        self._app, self._peer = app, peer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "state": {"peer": self._peer}}, receive, send)


LOCAL = Peer(local=True, user="operator")
FAR = Peer(local=False, address=("10.1.2.3", 5000))
SECRET = b"of this start"
PAGE_KEY = Access(names=frozenset(), token="", secret=SECRET).page_key
TOKEN = "0123456789abcdef01234567"


def ask(
    inside: Inside, method: str, where: str, *, peer: Peer = LOCAL, token: str = "", **request: Any
) -> httpx.Response:
    """One request, without a socket."""
    access = Access(names=frozenset({"console.example"}), token=token, secret=SECRET)
    door = inside.door()

    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(_From(make_app(door, access), peer))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
            return await http.request(method, where, **request)

    try:
        return asyncio.run(call())
    finally:
        door.books.close()
