"""The page's address: who may order there, and what nobody can do to it (P32, P35)."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pwd
import socket
import stat
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.console import actor as console_actor
from actors.console import guard, server, serving
from actors.console.client import Client
from messages.compute import Compute, Computed, ComputeFailed
from messages.faults import Fault
from messages.ledger import OrderCommand, Write, Written
from messages.operators import AlarmCleared, AlarmRaised
from messages.pictures import DrawDose, DrawnDose
from tests.integration.console.around import Around, free_port, in_background
from tests.kit import wait_until

USER = pwd.getpwuid(os.getuid()).pw_name
TOKEN = "0123456789abcdef01234567"


class Page:
    """The console with a page, and a browser's side of it."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.port = free_port()
        self.around = Around(folder, f'listen = "127.0.0.1:{self.port}"\n{more}')

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        with self.around.console() as actor:
            self.around.monitor.expect(AlarmCleared)
            yield actor

    def ask(self, method: str, where: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, where, None if body is None else json.dumps(body), named)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def key(self) -> str:
        _, text = self.ask("GET", "/")
        return text.decode().split('name="mqi-page" content="')[1].split('"')[0]

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path)


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side ends the connection while we wait."""
    with connection:
        try:
            while connection.recv(65536):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


@pytest.mark.promise("P34")
def test_an_order_of_the_page_bears_the_user_at_the_other_end(page: Page) -> None:
    with page.open():
        key = page.key()
        order = {"kind": "drain", "subject": "gpu1"}
        thread, found = in_background(lambda: page.ask("POST", "/api/orders", order, x_mqi_page=key))
        write = page.around.ledger.expect(Write, where=lambda write: isinstance(write.records[0], OrderCommand))
        (told,) = write.records
        assert isinstance(told, OrderCommand)
        assert (told.kind, told.subject, told.user) == ("drain", "gpu1", USER)
        assert write.reply_to is not None
        write.reply_to.tell(Written(write.request_id))
        thread.join()
        assert found[0][0] == 200


@pytest.mark.promise("P32")
def test_orders_of_other_users_and_other_sites_are_not_taken(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    with page.open():
        key = page.key()
        order = {"kind": "pause"}
        assert page.ask("POST", "/api/orders", order)[0] == 403
        assert page.ask("POST", "/api/orders", order, x_mqi_page=key, origin="http://evil.example")[0] == 403
        assert page.ask("POST", "/api/orders", order, x_mqi_page=key, host="evil.example")[0] == 421
        assert page.ask("GET", "/", host="evil.example")[0] == 421
        monkeypatch.setattr(guard, "tcp_uid", lambda _: 65534)
        status, text = page.ask("POST", "/api/orders", order, x_mqi_page=key)
        assert status == 403
        assert b"console.token_file" in text
        assert not [write for write in page.around.ledger.all(Write) if isinstance(write.records[0], OrderCommand)]


@pytest.mark.promise("P32")
def test_a_token_is_asked_for_and_never_logged(tmp_path: Path, log_lines: list[str]) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    page = Page(tmp_path, f'token_file = "{file}"')
    with page.open():
        assert page.ask("GET", "/api/overview")[0] == 401
        wait_until(lambda: page.ask("GET", "/api/overview", authorization=f"Bearer {TOKEN}")[0] == 200)
        assert page.ask("GET", "/api/overview", authorization="Bearer wrong")[0] == 401
        assert page.ask("GET", "/healthz")[0] == 200
        assert stat.S_IMODE(page.around.path.stat().st_mode) == 0o600
    assert TOKEN not in "\n".join(log_lines)


def test_an_unusable_token_keeps_the_page_away_and_the_control_socket_there(tmp_path: Path) -> None:
    page = Page(tmp_path, f'token_file = "{tmp_path}/none"')
    with page.around.console() as actor:
        alarm = page.around.monitor.expect(AlarmRaised)
        assert (alarm.id, "openssl rand" in alarm.text) == ("console:listen", True)
        assert Client(page.around.path).stop() == {"stopping": True}
        with pytest.raises(ConnectionRefusedError):
            page.connect()
        assert actor.restarts == 0


def test_a_token_that_is_put_right_opens_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_actor, "AGAIN_S", 0.02)
    file = tmp_path / "token"
    page = Page(tmp_path, f'token_file = "{file}"')
    with page.around.console() as actor:
        alarm = page.around.monitor.expect(AlarmRaised)
        assert page.around.monitor.expect(AlarmRaised) == alarm, "it is tried again, as it says"
        aside = tmp_path / "aside"
        aside.write_text(TOKEN)
        aside.chmod(0o600)
        aside.rename(file)
        assert page.around.monitor.expect(AlarmCleared).id == alarm.id
        assert page.ask("GET", "/api/status", authorization=f"Bearer {TOKEN}")[0] == 200
        assert actor.restarts == 0


def test_an_address_beyond_this_machine_is_warned_of(tmp_path: Path, log_lines: list[str]) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    page = Page(tmp_path, f'token_file = "{file}"')
    page.around = Around(tmp_path, f'listen = "0.0.0.0:{page.port}"\ntoken_file = "{file}"')
    with page.open():
        assert page.ask("GET", "/api/status", authorization="Bearer x")[0] == 401
    assert any("open to other machines" in line and line.startswith("WARNING") for line in log_lines)


def test_a_taken_address_is_an_alarm_and_waited_for(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "AGAIN_S", 0.02)
    with socket.create_server(("127.0.0.1", page.port)) as other, page.around.console() as actor:
        alarm = page.around.monitor.expect(AlarmRaised)
        assert alarm.id == "console:listen"
        assert "in use" in alarm.text
        assert Client(page.around.path).stop() == {"stopping": True}
        other.close()
        page.around.monitor.expect(AlarmCleared)
        assert page.ask("GET", "/healthz")[0] == 200
        assert actor.restarts == 0


# -- what clients may do to it


@pytest.mark.promise("P35")
@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"POST /api/orders HTTP/1.1\r\nHost: 127.0.0.1\r\n"],
)
def test_who_connects_and_says_nothing_is_hung_up_on(page: Page, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(server, "HEADER_S", 0.1)
    with page.open():
        connection = page.connect()
        connection.sendall(said)
        assert hung_up(connection)


@pytest.mark.promise("P35")
@pytest.mark.parametrize("where", ["/api/orders", "/login"])
def test_a_body_that_does_not_come_is_not_waited_for(page: Page, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr("actors.console.asking.BODY_S", 0.1)
    monkeypatch.setattr(server, "HEADER_S", 0.3)
    with page.open():
        key = page.key()
        connection = page.connect()
        head = f"POST {where} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Mqi-Page: {key}\r\nContent-Length: 900\r\n\r\n"
        connection.sendall(head.encode() + b"{")
        assert b"400 Bad Request" in connection.recv(65536)
        assert hung_up(connection)


@pytest.mark.promise("P35")
def test_who_does_not_read_is_dropped_and_the_others_are_served(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "TAKE_S", 0.1)
    with page.open() as actor:
        deaf = page.connect()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wait_until(lambda: page.ask("GET", "/api/overview")[0] == 200)
        hub = page.around.consoles[-1]._hub
        deaf.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        wait_until(lambda: hub.listeners == 1)
        sight = hub.newest
        thick = {**sight.document, "padding": "x" * 8_000_000}  # more than all buffers on the way take
        hub.publish(replace(sight, document=thick))
        wait_until(lambda: hub.listeners == 0, 10)
        assert page.ask("GET", "/healthz")[0] == 200
        assert actor.restarts == 0
        deaf.close()


@pytest.mark.promise("P35")
def test_more_connections_than_may_be_are_turned_away_and_the_commands_are_not(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CONNECTIONS", 8)
    with page.open():
        crowd = [page.connect() for _ in range(8)]
        late = page.connect()
        assert late.recv(65536).startswith(b"HTTP/1.1 503")
        assert hung_up(late)
        assert Client(page.around.path).stop() == {"stopping": True}
        for connection in crowd:
            connection.close()
        wait_until(lambda: page.ask("GET", "/healthz")[0] == 200)


@pytest.mark.promise("P35")
def test_more_listeners_than_may_be_are_told_so(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.console.hub.LISTENERS", 1)
    with page.open():
        listener = page.connect()
        listener.sendall(b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        hub = page.around.consoles[-1]._hub
        wait_until(lambda: hub.listeners == 1)
        assert page.ask("GET", "/live")[0] == 503
        listener.close()
        wait_until(lambda: hub.listeners == 0)


@pytest.mark.promise("P35")
def test_more_questions_than_are_taken_on_at_a_time_are_refused(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    with page.open():
        books = page.around.consoles[-1]._books
        go, held = threading.Event(), []

        class Slow:
            def find(self, *_: object) -> tuple[int, tuple[()]]:
                held.append(1)
                go.wait(10)
                return 0, ()

        monkeypatch.setattr(books, "reader", Slow())
        asked = [in_background(lambda: page.ask("GET", "/api/cases?limit=0")[0]) for _ in range(24)]
        wait_until(lambda: books._room._value == 0)
        status, text = page.ask("GET", "/api/cases?limit=0")
        assert status == 503
        assert b"too much to do" in text
        assert page.ask("GET", "/healthz")[0] == 200
        go.set()
        for thread, found in asked:
            thread.join()
            assert found == [200]


# -- pictures


def test_a_picture_is_drawn_once_by_a_worker_process(page: Page) -> None:
    with page.open():
        console = page.around.consoles[-1]
        first = console._ask_picture("c1", "sum.dcm", "ab" * 32)
        again = console._ask_picture("c1", "sum.dcm", "ab" * 32)
        work = page.around.compute.expect(Compute)
        assert work.function == "actors.results.picture:draw_dose"
        assert isinstance(work.argument, DrawDose)
        assert work.argument.source == str(page.around.settings.results.dir / "c1" / "sum.dcm")
        target = Path(work.argument.target)
        target.parent.mkdir(parents=True)
        target.write_bytes(b"PNG")
        work.reply_to.tell(Computed(work.request_id, DrawnDose(str(target))))
        assert first.result(5) == again.result(5) == target
        assert console._ask_picture("c1", "sum.dcm", "ab" * 32).result(5) == target
        console._ask_picture("c1", "sum.dcm", "cd" * 32)
        other = page.around.compute.expect(Compute)  # another publication is another picture
        assert other.argument != work.argument
        other.reply_to.tell(ComputeFailed(other.request_id, Fault("no such dose")))
        assert len(page.around.compute.all(Compute)) == 2
