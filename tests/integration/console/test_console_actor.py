"""The console on a real socket, its actors as probes; and the client of the commands."""

from __future__ import annotations

import os
import pwd
import socket
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from actors.console import serving
from actors.console.client import Client, ConsoleSilentError
from actors.console.sockets import open_socket
from actors.errors import MqiError
from messages.cases import FolderTaken, SubmitFolder
from messages.faults import Fault
from messages.ledger import OrderCommand, Write, WriteRefused, Written
from messages.operators import GetHealth, HealthReport, MachineHealth, OrderPlaced
from tests.integration.console.around import Around, in_background
from tests.kit import wait_until

USER = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def around(tmp_path: Path) -> Around:
    return Around(tmp_path)


def test_status_tells_of_the_process_and_what_the_monitor_knows(around: Around) -> None:
    with around.console():
        thread, found = in_background(Client(around.path).status)
        asked = around.monitor.expect(GetHealth, where=lambda asked: asked.request_id != "health")
        asked.reply_to.tell(HealthReport(asked.request_id, (), MachineHealth(40.0, 0.5, None), ()))
        thread.join()
    (status,) = found
    daemon = status["daemon"]
    assert (daemon["pid"], daemon["boot"], daemon["socket"]) == (os.getpid(), 9, str(around.path))
    assert daemon["since"][-6] in "+-"
    assert status["machine"]["memory_percent"] == 40.0
    assert [host["name"] for host in status["hosts"]] == ["gpu1"]
    (own,) = [actor for actor in status["actors"] if actor["id"] == "root/actor"]
    assert (own["restarts"], own["last_cause"]) == (0, "")


def test_only_this_user_can_open_the_socket_and_it_goes_with_the_console(around: Around) -> None:
    around.path.write_text("left behind by a daemon that was killed")
    with around.console():
        wait_until(lambda: stat.S_ISSOCK(around.path.stat().st_mode))
        assert stat.S_IMODE(around.path.stat().st_mode) == 0o600
        Client(around.path).stop()
    assert around.stopped.is_set()
    assert not around.path.exists()


def test_orders_carry_the_name_of_the_user_who_gave_them(around: Around) -> None:
    with around.console():
        thread, found = in_background(lambda: Client(around.path).submit(Path("/in/case"), partial=True))
        order = around.scanner.expect(SubmitFolder)
        assert (order.path, order.partial) == ("/in/case", True)
        order.reply_to.tell(FolderTaken("an old request", ()))
        order.reply_to.tell(FolderTaken(order.request_id, ("20260301-1",), ("it waits for beam 3",)))
        thread.join()
        assert found == [{"cases": ["20260301-1"], "sentences": ["it waits for beam 3"]}]
        assert Client(around.path).reload() == {"changed": ["scan.quiet_s"], "needs_restart": [], "errors": []}
        assert [(note.what, USER in note.detail) for note in around.notes()] == [
            ("folder submitted", True),
            ("reload ordered", True),
        ]


@pytest.mark.promise("P34")
def test_an_order_is_in_the_ledger_before_it_is_answered_and_then_told_on(around: Around) -> None:
    with around.console():
        thread, found = in_background(lambda: Client(around.path).order("drain", "gpu1/0"))
        write = around.ledger.expect(Write)
        (order,) = write.records
        assert isinstance(order, OrderCommand)
        assert (order.kind, order.subject, order.argument, order.user) == ("drain", "gpu1/0", "", USER)
        around.orders.none(OrderPlaced, within_s=0.05)
        assert thread.is_alive()
        assert write.reply_to is not None
        write.reply_to.tell(Written(write.request_id))
        thread.join()
        assert found == [{"order": order.order, "kind": "drain", "subject": "gpu1/0", "argument": ""}]
        assert around.orders.expect(OrderPlaced) == OrderPlaced(order.order)


@pytest.mark.promise("P34")
def test_an_order_has_the_id_that_its_client_gave_it(around: Around) -> None:
    name = "pause-0123456789ab"
    with around.console():
        thread, found = in_background(lambda: Client(around.path).order("pause", name=name))
        write = around.ledger.expect(Write)
        assert write.records == (OrderCommand(name, "pause", "", "", USER),)
        assert write.reply_to is not None
        write.reply_to.tell(Written(write.request_id))
        thread.join()
        assert found[0]["order"] == name
        assert around.orders.expect(OrderPlaced) == OrderPlaced(name)


@pytest.mark.promise("P34")
def test_the_same_order_sent_twice_at_once_is_answered_twice(around: Around) -> None:
    name = "pause-0123456789ab"
    with around.console():
        both = [in_background(lambda: Client(around.path).order("pause", name=name)) for _ in range(2)]
        writes = [around.ledger.expect(Write) for _ in both]
        for write in writes:
            assert write.reply_to is not None
            write.reply_to.tell(Written(write.request_id))
        for thread, found in both:
            thread.join()
            assert found[0]["order"] == name


@pytest.mark.promise("P34")
def test_an_order_that_the_disk_does_not_take_is_refused(around: Around) -> None:
    def order() -> str:
        with pytest.raises(MqiError) as caught:
            Client(around.path).order("pause")
        return str(caught.value)

    with around.console():
        thread, found = in_background(order)
        write = around.ledger.expect(Write)
        assert write.reply_to is not None
        write.reply_to.tell(WriteRefused(write.request_id, Fault("The disk is full.", remedy="Make room.")))
        thread.join()
        assert "Make room." in found[0]
        around.orders.none(OrderPlaced)


@pytest.mark.promise("P35")
def test_a_reload_that_fails_is_told_and_harms_nothing(around: Around) -> None:
    around.reloaded = None  # the answer cannot be made of this
    with around.console() as actor:
        with pytest.raises(MqiError, match="The console failed"):
            Client(around.path).reload()
        assert actor.restarts == 0


@pytest.mark.promise("P35")
def test_clients_that_send_nonsense_or_nothing_harm_nobody(around: Around) -> None:
    with around.console() as actor:
        silent = [socket.socket(socket.AF_UNIX) for _ in range(5)]
        for number, client in enumerate(silent):
            client.connect(str(around.path))
            if number % 2:
                client.sendall(b"\x00\x01nonsense\r\n\r\n" * 10)
        assert Client(around.path).stop() == {"stopping": True}
        for client in silent:
            client.close()
        actor.tell("nonsense")
        assert Client(around.path).stop() == {"stopping": True}
        assert actor.restarts == 0


@pytest.mark.promise("P35")
def test_a_server_that_ends_is_replaced(around: Around, monkeypatch: pytest.MonkeyPatch) -> None:
    make, servers = serving.make_server, []

    def remembered(app: Any) -> Any:
        servers.append(make(app))
        return servers[-1]

    monkeypatch.setattr(serving, "make_server", remembered)
    with around.console() as actor:
        Client(around.path).stop()
        servers[0].should_exit = True
        wait_until(lambda: actor.restarts == 1)
        wait_until(lambda: len(servers) == 2 and servers[1].started)
        assert Client(around.path).stop() == {"stopping": True}


def test_a_waiting_request_does_not_hold_up_the_end(around: Around) -> None:
    def submit() -> str:
        try:
            Client(around.path).submit(Path("/in/case"))
        except MqiError as error:
            return str(error)
        return ""

    with around.console():
        thread, found = in_background(submit)
        around.scanner.expect(SubmitFolder)
    thread.join()
    assert found[0]


def test_nobody_there_is_said_with_the_way_on(tmp_path: Path) -> None:
    with pytest.raises(ConsoleSilentError, match="mqi-actors status"):
        Client(tmp_path / "none.sock").status()


def test_an_answer_that_is_no_json_object_is_refused(tmp_path: Path) -> None:
    listening = open_socket(tmp_path / "control.sock")
    listening.setblocking(True)

    def answer(body: bytes) -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 500 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    for body, error in ((b"[]", MqiError), (b"oops", ConsoleSilentError)):
        thread = threading.Thread(target=answer, args=(body,))
        thread.start()
        with pytest.raises(error):
            Client(tmp_path / "control.sock").status()
        thread.join()
    listening.close()


def test_a_runtime_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mqi-0"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    with pytest.raises(MqiError, match="not this user's alone"):
        open_socket(folder / "abc.sock")
    folder.chmod(0o700)
    open_socket(folder / "abc.sock").close()
    with pytest.raises(OSError, match="too long"):
        open_socket(folder / ("x" * 120))
