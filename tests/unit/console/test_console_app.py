"""The endpoints without a socket: answers in words, limits kept, whatever is asked (P33, P35)."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from actors.console import app as app_module
from actors.console.app import Door, make_app
from actors.console.server import user_name
from actors.console.sockets import LONGEST, control_socket
from actors.errors import MqiError
from messages.cases import FolderTaken
from messages.faults import Fault
from messages.operators import Alarm, DiskHealth, HealthReport, MachineHealth, SettingsReloaded

HEALTH = HealthReport(
    "1",
    (Alarm("disk:state", datetime(2026, 3, 1, tzinfo=UTC), "full"),),
    MachineHealth(50.0, 1.0, None),
    (DiskHealth("state", "/s", 0.5, 1.0, True),),
)


class Inside:
    """Stands for the actor."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.health: Any = HEALTH
        self.taken: Any = FolderTaken("1", ("20260301-1",), ())

    def door(self) -> Door:
        return Door(
            facts=lambda: {"state": "running", "pid": 7},
            health=lambda: done(self.health),
            stop=lambda user: self.calls.append(("stop", user)),
            reload=lambda user: done(SettingsReloaded("1", ("scan.quiet_s",), ("results.dir",), ())),
            submit=self.submit,
        )

    def submit(self, path: str, partial: bool, user: str) -> Future[Any]:
        self.calls.append(("submit", path, partial, user))
        return done(self.taken)


def done(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(value, Exception):
        future.set_exception(value)
    elif value is not None:
        future.set_result(value)
    return future


def ask(inside: Inside, method: str, where: str, **body: Any) -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(make_app(inside.door()))
        async with httpx.AsyncClient(transport=transport, base_url="http://d") as http:
            return await http.request(method, where, **body)

    return asyncio.run(call())


def test_status_has_the_facts_alarms_machine_and_disks() -> None:
    answer = ask(Inside(), "GET", "/status").json()
    assert (answer["state"], answer["pid"]) == ("running", 7)
    assert answer["alarms"] == [{"id": "disk:state", "since": "2026-03-01T00:00:00+00:00", "text": "full"}]
    assert answer["machine"]["memory_percent"] == 50.0
    assert answer["disks"][0]["low"] is True


def test_a_monitor_that_does_not_answer_does_not_hold_up_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "HEALTH_S", 0.01)
    inside = Inside()
    inside.health = None
    answer = ask(inside, "GET", "/status").json()
    assert answer["pid"] == 7
    assert answer["alarms"] is None


def test_stop_reload_and_submit_reach_the_actors() -> None:
    inside = Inside()
    assert ask(inside, "POST", "/stop").json() == {"stopping": True}
    assert ask(inside, "POST", "/reload").json() == {
        "changed": ["scan.quiet_s"],
        "needs_restart": ["results.dir"],
        "errors": [],
    }
    assert ask(inside, "POST", "/submit", json={"path": "/in/a", "partial": True}).json()["cases"] == ["20260301-1"]
    assert inside.calls == [("stop", "unknown"), ("submit", "/in/a", True, "unknown")]


@pytest.mark.parametrize(
    "body",
    [
        {"content": b"no json"},
        {"content": b"\xff"},
        {"json": []},
        {"json": {"path": 3}},
        {"json": {"path": "relative"}},
        {"json": {"path": "/a\0b"}},
        {"json": {"path": "/a", "partial": "yes"}},
        {"content": b'{"path": "/' + b"a" * 70000 + b'"}'},
    ],
)
def test_what_is_no_order_is_refused_in_words(body: dict[str, Any]) -> None:
    inside = Inside()
    answer = ask(inside, "POST", "/submit", **body)
    assert answer.status_code == 400
    assert answer.json()["error"]["what"]
    assert not inside.calls


def test_a_slow_or_failing_actor_is_an_answer_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "SUBMIT_S", 0.01)
    inside = Inside()
    inside.taken = None
    assert ask(inside, "POST", "/submit", json={"path": "/a"}).status_code == 504
    inside.taken = RuntimeError("boom")
    assert "boom" in ask(inside, "POST", "/submit", json={"path": "/a"}).json()["error"]["what"]
    inside.taken = MqiError(Fault("no such folder", "/a", "copy it"))
    assert ask(inside, "POST", "/submit", json={"path": "/a"}).json()["error"] == {
        "what": "no such folder",
        "where": "/a",
        "remedy": "copy it",
    }


def test_the_socket_lies_in_the_state_folder_or_where_it_is_short(tmp_path: Path) -> None:
    assert control_socket(Path("/var/lib/mqi"), {}) == Path("/var/lib/mqi/control.sock")
    long = Path("/" + "x" * 120)
    short = control_socket(long, {"XDG_RUNTIME_DIR": str(tmp_path)[:0] or "/run"})
    assert short.is_relative_to("/run")
    assert len(str(control_socket(long, {"XDG_RUNTIME_DIR": "/nowhere"}))) <= LONGEST
    assert control_socket(long, {}) == control_socket(long, {})
    assert control_socket(long, {}) != control_socket(Path(f"{long}y"), {})


def test_a_user_without_a_name_is_a_number() -> None:
    assert user_name(0) == "root"
    assert user_name(4_000_000_000) == "uid 4000000000"
