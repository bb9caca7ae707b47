"""Alarms reach people outside: a real ledger, a real HTTP server, real commands that hang, fail and are slow."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.ledger import Ledger
from actors.notifier import Notifier
from actors.notifier import actor as notifier_actor
from actors.notifier import pace as notifier_pace
from actors.notifier.delivery import NotToldError, post
from actors.notifier.trial import _Uncut
from actors.settings import Alarms
from messages.alarming import AlarmsNoted
from messages.ledger import ClearAlarm, GetPushes, PushesReport, RaiseAlarm, Record, Write, Written
from messages.operators import AlarmCleared, AlarmRaised
from tests.kit import Probe, running, wait_until
from tests.kit.receiver import TOKEN, Receiver


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of a test's length."""
    monkeypatch.setattr(notifier_pace, "FIRST_RETRY_S", 0.05)
    monkeypatch.setattr(notifier_actor, "SLACK_S", 0.5)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


class Book:
    """A real ledger, and what a monitor would write into it."""

    def __init__(self, ledger: Any) -> None:
        self.ledger, self.asker = ledger, Probe("root/monitor")
        self._number = 0

    def write(self, *records: Record) -> None:
        self._number += 1
        self.ledger.tell(Write(f"w{self._number}", self.asker, "root/monitor", 1, records))
        self.asker.expect(Written)

    def report(self) -> PushesReport:
        self.ledger.tell(GetPushes("r", self.asker))
        return self.asker.expect(PushesReport)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    with running(Ledger, path=tmp_path / "ledger.sqlite", backups=tmp_path / "backups", backup_hours=0) as ledger:
        yield Book(ledger)


@contextmanager
def notifier(book: Book, way: Alarms, monitor: Probe | None = None) -> Iterator[Any]:
    with running(
        Notifier, ledger=book.ledger, monitor=monitor or Probe("root/monitor"), way=way, version="1.2"
    ) as actor:
        yield actor


def webhook(receiver: Receiver, **values: Any) -> Alarms:
    return Alarms(webhook=receiver.address, group_s=values.pop("group_s", 0.0), **values)


def test_an_alarm_is_told_once_and_its_end_once_whatever_restarts(book: Book, receiver: Receiver) -> None:
    way = webhook(receiver)
    with notifier(book, way) as actor:
        book.write(RaiseAlarm("disk:state", "The disk is full."))
        actor.tell(AlarmsNoted())
        wait_until(lambda: receiver.documents and not book.report().open)
        (told,) = receiver.documents
        assert told["alarms"][0]["id"] == "disk:state"
        assert told["alarms"][0]["text"] == "The disk is full."
        assert told["text"] == "ALARM disk:state: The disk is full."
        assert (told["push"], told["attempt"], told["version"]) == (1, 1, "1.2")
        assert receiver.paths == [f"/hooks/{TOKEN}?key={TOKEN}"]
        assert receiver.headers[0]["Authorization"].startswith("Basic ")
    with notifier(book, way) as actor:
        actor.tell(AlarmsNoted())
        book.write(ClearAlarm("disk:state"))
        actor.tell(AlarmsNoted())
        wait_until(lambda: len(receiver.documents) == 2 and not book.report().open)
    assert [document["push"] for document in receiver.documents] == [1, 2]
    assert receiver.documents[1]["alarms"][0]["state"] == "cleared"
    with notifier(book, way):
        wait_until(lambda: book.report().news == ())
    assert len(receiver.documents) == 2


def test_what_was_raised_while_nobody_told_is_told_at_the_start(book: Book, receiver: Receiver) -> None:
    book.write(RaiseAlarm("gpu:gpu1/gpu-0", "old and over"), ClearAlarm("gpu:gpu1/gpu-0"))
    book.write(RaiseAlarm("host:gpu1", "away"))
    with notifier(book, webhook(receiver)):
        wait_until(lambda: receiver.documents and not book.report().open)
    assert [alarm["id"] for alarm in receiver.documents[0]["alarms"]] == ["host:gpu1"]


def test_alarms_that_come_together_are_told_together(book: Book, receiver: Receiver) -> None:
    with notifier(book, webhook(receiver, group_s=0.3)) as actor:
        for number in range(5):
            book.write(RaiseAlarm(f"host:gpu{number}", "away"))
            actor.tell(AlarmsNoted())
        wait_until(lambda: receiver.documents and not book.report().open)
    assert len(receiver.documents) == 1
    assert len(receiver.documents[0]["alarms"]) == 5
    assert receiver.documents[0]["text"].endswith("And 4 more.")


def test_no_more_documents_than_the_hour_allows_and_nothing_is_lost(book: Book, receiver: Receiver) -> None:
    with notifier(book, webhook(receiver, per_hour=1)) as actor:
        book.write(RaiseAlarm("host:gpu1", "away"))
        actor.tell(AlarmsNoted())
        wait_until(lambda: receiver.documents and not book.report().open)
        book.write(RaiseAlarm("host:gpu2", "away"))
        actor.tell(AlarmsNoted())
        actor.tell(AlarmsNoted())
        wait_until(lambda: len(book.report().news) == 1)
    with notifier(book, webhook(receiver, per_hour=2)):
        wait_until(lambda: len(receiver.documents) == 2 and not book.report().open)
    assert receiver.documents[1]["alarms"][0]["id"] == "host:gpu2"


@pytest.mark.promise("P32")
@pytest.mark.parametrize("answer", [500, 404, 302, "hang", "trickle"])
def test_a_server_that_does_not_take_it_is_asked_again_and_its_address_kept_secret(
    book: Book, receiver: Receiver, answer: str | int, log_lines: list[str]
) -> None:
    receiver.answers = [answer, answer]
    monitor = Probe("root/monitor")
    with notifier(book, webhook(receiver, timeout_s=0.3), monitor) as actor:
        book.write(RaiseAlarm("host:gpu1", "away"))
        actor.tell(AlarmsNoted())
        wait_until(lambda: len(receiver.documents) == 3 and not book.report().open)
        monitor.expect(AlarmCleared)
    assert [(told["push"], told["attempt"]) for told in receiver.documents] == [(1, 1), (1, 2), (1, 3)]
    assert not any(TOKEN in line for line in log_lines)
    assert any("127.0.0.1" in line and "WARNING" in line for line in log_lines)


@pytest.mark.promise("P32")
def test_an_exception_that_repeats_the_address_is_told_by_its_name_alone() -> None:
    """http.client does, of an address that it refuses; the settings let none of these through."""
    with pytest.raises(NotToldError) as caught:
        post(f"http://127.0.0.1:1/\x01{TOKEN}", b"{}", time.monotonic() + 5, _Uncut())
    assert str(caught.value) == "127.0.0.1: InvalidURL"


def test_nobody_listening_is_an_alarm_until_somebody_does(book: Book, log_lines: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monitor = Probe("root/monitor")
    with notifier(book, Alarms(webhook=f"http://127.0.0.1:{port}/{TOKEN}", group_s=0), monitor) as actor:
        book.write(RaiseAlarm("host:gpu1", "away"))
        actor.tell(AlarmsNoted())
        raised = monitor.expect(AlarmRaised, timeout=20)
    assert raised.id == "alarm-push"
    assert "Connection refused" in raised.text
    assert TOKEN not in raised.text
    assert not any(TOKEN in line for line in log_lines)
    assert len([line for line in log_lines if "could not be told" in line]) == 1, "the same failure is logged once"
    open_push = book.report().open
    assert open_push is not None
    assert open_push.tries >= 3


def test_an_alarm_about_telling_is_not_told_the_same_way(book: Book, receiver: Receiver) -> None:
    with notifier(book, webhook(receiver)) as actor:
        book.write(RaiseAlarm("alarm-push", "Alarms do not reach anybody outside."))
        actor.tell(AlarmsNoted())
        book.write(RaiseAlarm("host:gpu1", "away"))
        actor.tell(AlarmsNoted())
        wait_until(lambda: receiver.documents and not book.report().open)
    assert [[alarm["id"] for alarm in told["alarms"]] for told in receiver.documents] == [["host:gpu1"]]


# -- commands


def script(folder: Path, text: str) -> tuple[str, ...]:
    path = folder / "tell.py"
    path.write_text(text)
    return (sys.executable, str(path), str(folder))


TAKES = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
told = json.load(sys.stdin)
(folder / f"told-{told['push']}-{told['attempt']}.json").write_text(json.dumps(told))
"""


def told(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("told-*.json"))


def test_a_command_gets_the_document_on_its_standard_input(book: Book, tmp_path: Path) -> None:
    with notifier(book, Alarms(command=script(tmp_path, TAKES), group_s=0)) as actor:
        book.write(RaiseAlarm("host:gpu1", "away; rm -rf / $(reboot) `reboot`"))
        actor.tell(AlarmsNoted())
        wait_until(lambda: told(tmp_path) and not book.report().open, 20)
    (name,) = told(tmp_path)
    assert json.loads((tmp_path / name).read_text())["alarms"][0]["text"] == "away; rm -rf / $(reboot) `reboot`"


def test_a_command_that_hangs_is_killed_with_its_children_and_tried_again(book: Book, tmp_path: Path) -> None:
    hangs_once = f"""
import os, pathlib, subprocess, sys, time
mark = pathlib.Path(sys.argv[1]) / "hung"
if not mark.exists():
    child = subprocess.Popen(["sleep", "300"])
    mark.write_text(str(child.pid))
    time.sleep(300)
{TAKES}"""
    with notifier(book, Alarms(command=script(tmp_path, hangs_once), group_s=0, timeout_s=2.0)) as actor:
        book.write(RaiseAlarm("host:gpu1", "away"))
        actor.tell(AlarmsNoted())
        wait_until(lambda: told(tmp_path) == ["told-1-2.json"] and not book.report().open, 30)
    child = int((tmp_path / "hung").read_text())
    wait_until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text())


def test_a_command_that_fails_is_told_of_in_its_own_words(book: Book, tmp_path: Path, log_lines: list[str]) -> None:
    fails_once = f"""
import pathlib, sys
mark = pathlib.Path(sys.argv[1]) / "failed"
if not mark.exists():
    mark.write_text("")
    sys.exit("the pager does not answer, token=abc123")
{TAKES}"""
    with notifier(book, Alarms(command=script(tmp_path, fails_once), group_s=0)) as actor:
        book.write(RaiseAlarm("host:gpu1", "away"))
        actor.tell(AlarmsNoted())
        wait_until(lambda: told(tmp_path) == ["told-1-2.json"] and not book.report().open, 30)
    assert any("ended with 1: the pager does not answer, token=…" in line for line in log_lines)
    assert not any("abc123" in line for line in log_lines)


def test_a_command_that_floods_or_reads_nothing_or_is_not_there(book: Book, tmp_path: Path) -> None:
    floods = "import sys\nfor _ in range(2000): sys.stderr.write('x' * 1000)\nsys.stdout.write('y' * 1000000)\n"
    with notifier(book, Alarms(command=script(tmp_path, floods), group_s=0)) as actor:
        book.write(RaiseAlarm("host:gpu1", "away" * 1000))
        actor.tell(AlarmsNoted())
        wait_until(lambda: book.report().upto and not book.report().open, 30)
    monitor = Probe("root/monitor")
    with notifier(book, Alarms(command=("/no/such/program",), group_s=0), monitor) as actor:
        book.write(RaiseAlarm("host:gpu2", "away"))
        actor.tell(AlarmsNoted())
        assert "No such file" in monitor.expect(AlarmRaised, timeout=20).text


@pytest.mark.promise("P15")
def test_a_try_that_was_cut_off_is_made_again_under_its_own_number(book: Book, receiver: Receiver) -> None:
    receiver.answers = ["hang"]
    way = webhook(receiver)
    with notifier(book, way) as actor:
        book.write(RaiseAlarm("host:gpu1", "away"))
        actor.tell(AlarmsNoted())
        wait_until(lambda: receiver.documents)
    receiver.released.set()
    book.write(RaiseAlarm("host:gpu2", "away"))
    with notifier(book, way):
        wait_until(lambda: len(receiver.documents) == 3 and not book.report().open, 20)
    assert [(document["push"], document["attempt"]) for document in receiver.documents] == [(1, 1), (1, 2), (2, 1)]
    ids = [[alarm["id"] for alarm in document["alarms"]] for document in receiver.documents]
    assert ids == [["host:gpu1"], ["host:gpu1"], ["host:gpu2"]]


def test_without_a_way_nothing_is_asked_or_told(book: Book) -> None:
    ledger = Probe("root/pipeline/ledger")
    with running(Notifier, ledger=ledger, monitor=Probe(), way=Alarms()) as actor:
        actor.tell(AlarmsNoted())
        ledger.none(GetPushes, 0.1)
