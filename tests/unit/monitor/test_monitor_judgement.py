"""What is an alarm, when it is raised and when it is over: pure judgement, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.monitor.alarms import RETOLD_WITHIN_S, AlarmBook, Cleared, Condition, Raised
from actors.monitor.disks import GB, Disk, disk_conditions, disk_state
from actors.monitor.fleet import GRACE_S, Fleet
from actors.monitor.machine import machine_conditions, read_machine
from actors.monitor.outbox import PATIENCE_S, Outbox
from actors.monitor.restarts import MANY_LETTERS, WINDOW_S, Unrest
from messages.hosts import GpuReading, GpusObserved, GpuState, HostObserved, HostState
from messages.ledger import ClearAlarm, NoteHost, RaiseAlarm
from messages.operators import Alarm, MachineHealth
from messages.scheduling import WorkerReport
from tests.kit import Probe

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.promise("P20")
@given(st.lists(st.integers(0, 40), max_size=30))
def test_a_disk_is_low_below_its_limit_and_roomy_only_well_above_it(readings: list[int]) -> None:
    disk, low = Disk("state", "/s", 2.0), False
    for tenths in readings:
        disk = disk.seen(int(tenths * GB / 10))
        low = tenths < 20 if not low else tenths < 22
        assert disk.low is low
        assert disk_state((disk,)).roomy is not low
        assert bool(disk_conditions((disk,))) is low is bool(disk.text)


@pytest.mark.promise("P20")
def test_a_disk_that_does_not_answer_has_no_room_and_says_so() -> None:
    disk = Disk("results", "/r", 1.0).seen(None, "Input/output error")
    assert disk.low
    assert "Input/output error" in disk.text
    assert disk.health.free_gb is None
    assert disk_conditions((disk,))["disk:results"].gist == "Input/output error"
    assert not disk.seen(int(1.01 * GB)).low
    assert "does not answer" in disk.seen(None).text
    assert disk_state((disk, Disk("state", "/s", 1.0).seen(int(5 * GB)))).reason == disk.text


def test_an_alarm_is_raised_once_and_cleared_once() -> None:
    book, wrong = AlarmBook(), {"disk:state": Condition("full", "low")}
    (raised,) = book.look(wrong, 0.0, AT)
    assert raised == Raised(Alarm("disk:state", AT, "full"))
    assert book.look({"disk:state": Condition("fuller", "low")}, 1.0, AT) == ()
    (again,) = book.look({"disk:state": Condition("gone", "no answer")}, 2.0, AT + timedelta(hours=1))
    assert again == Raised(Alarm("disk:state", AT, "gone"))
    (cleared,) = book.look({}, 3.0, AT)
    assert isinstance(cleared, Cleared)
    assert book.look({}, 4.0, AT) == ()
    assert book.standing == ()


def test_a_condition_with_grace_must_last() -> None:
    book, wrong = AlarmBook(), {"host:a": Condition("away", "away", 20.0)}
    assert book.look(wrong, 0.0, AT) == ()
    assert book.look(wrong, 19.0, AT) == ()
    assert book.look({}, 19.5, AT) == ()
    assert book.look(wrong, 25.0, AT) == ()
    assert book.look(wrong, 46.0, AT) == (Raised(Alarm("host:a", AT, "away")),)


def test_alarms_of_others_are_theirs_to_clear() -> None:
    book = AlarmBook()
    assert book.raise_("case:x", "incomplete", AT) == (Raised(Alarm("case:x", AT, "incomplete")),)
    assert book.raise_("case:x", "incomplete", AT) == ()
    assert book.raise_("case:x", "still", AT + timedelta(1)) == (Raised(Alarm("case:x", AT, "still")),)
    assert book.look({}, 0.0, AT) == ()
    assert [alarm.id for alarm in book.standing] == ["case:x"]
    assert book.clear("case:x") == (Cleared(Alarm("case:x", AT, "still")),)
    assert book.clear("case:x") == ()


def test_alarms_of_an_earlier_run_end_when_nothing_is_wrong_any_more() -> None:
    book = AlarmBook()
    book.adopt([Alarm("disk:state", AT, "old"), Alarm("case:x", AT, "incomplete"), Alarm("host:a", AT, "away")])
    changes = book.look({"host:a": Condition("away", "gone", 20.0)}, 0.0, AT + timedelta(1))
    assert changes == (Cleared(Alarm("disk:state", AT, "old")),) or changes == (
        Cleared(Alarm("disk:state", AT, "old")),
        Raised(Alarm("host:a", AT, "away")),
    )
    assert [alarm.id for alarm in book.standing] == ["case:x", "host:a"]
    book.adopt([Alarm("case:x", AT, "older")])
    assert book.standing[0].text == "incomplete"


def test_what_nobody_raises_again_is_over() -> None:
    """Who raised these knows nothing of the time before it was started: mended meanwhile, they would stand for ever."""
    book = AlarmBook()
    ids = ("scan-root:/a", "no-gpu:c/1", "gpu-twice:GPU-a", "incomplete:c", "case-failed:c", "send:pacs")
    book.adopt([Alarm(id_, AT, "old") for id_ in ids])
    assert book.look({}, 5.0, AT) == ()
    assert book.raise_("scan-root:/a", "old", AT) == (), "it stands, with the same text"
    assert book.look({}, 5.0 + RETOLD_WITHIN_S - 1, AT) == ()
    changes = book.look({}, 5.0 + RETOLD_WITHIN_S, AT)
    assert {change.alarm.id for change in changes} == {"no-gpu:c/1", "gpu-twice:GPU-a", "incomplete:c"}
    assert all(isinstance(change, Cleared) for change in changes)
    assert [alarm.id for alarm in book.standing] == ["case-failed:c", "scan-root:/a", "send:pacs"]


def test_who_was_restarted_and_forgot_its_alarm_leaves_none_behind() -> None:
    """Also without a start of the daemon: and what is raised again stands, for however long."""
    book, now = AlarmBook(), 0.0
    book.adopt([])
    for id_ in ("no-gpu:c/1", "scan-root:/a"):
        book.raise_(id_, "it holds", AT)
    for now in range(0, int(3 * RETOLD_WITHIN_S), 60):
        book.raise_("scan-root:/a", "it holds", AT)
        book.look({}, float(now), AT)
    assert [alarm.id for alarm in book.standing] == ["scan-root:/a"]
    assert isinstance(book.look({}, now + RETOLD_WITHIN_S, AT)[0], Cleared)
    assert book.standing == ()


def test_what_nothing_was_heard_of_yet_stands_as_it_stood() -> None:
    """A host that is away when the daemon starts has been so all the time: nobody is told that it was over."""
    book = AlarmBook()
    book.adopt([Alarm("host:a", AT, "away"), Alarm("host:b", AT, "away")])
    (over,) = book.look({}, 1.0, AT, lambda id_: id_ == "host:a")
    assert over.alarm.id == "host:b"
    assert book.look({"host:a": Condition("away", "no route", 20.0)}, 2.0, AT) == ()
    assert [alarm.id for alarm in book.standing] == ["host:a"]


def test_what_is_cleared_before_it_is_known_what_stood_is_over() -> None:
    book = AlarmBook()
    assert book.clear("send:archive") == ()
    assert book.clear("send:pacs") == ()
    book.raise_("send:pacs", "in vain again", AT)
    book.adopt([Alarm("send:archive", AT, "in vain"), Alarm("send:pacs", AT, "in vain")])
    assert [(alarm.id, alarm.text) for alarm in book.standing] == [("send:pacs", "in vain again")]


def test_what_is_raised_again_before_it_is_known_what_stood_stands_since_then() -> None:
    book = AlarmBook()
    book.raise_("scan-root:/a", "not there", AT + timedelta(days=1))
    book.adopt([Alarm("scan-root:/a", AT, "not there")])
    assert book.standing == (Alarm("scan-root:/a", AT, "not there"),)


@given(st.lists(st.sets(st.sampled_from(["disk:a", "gpu:b", "machine:hot"])), max_size=20))
def test_raised_and_cleared_alternate_for_every_alarm(looks: list[set[str]]) -> None:
    book, stands = AlarmBook(), dict.fromkeys(("disk:a", "gpu:b", "machine:hot"), False)
    for number, wrong in enumerate(looks):
        for change in book.look({id_: Condition("t", "g") for id_ in wrong}, float(number), AT):
            assert stands[change.alarm.id] is isinstance(change, Cleared)
            stands[change.alarm.id] = isinstance(change, Raised)
        assert {id_ for id_, on in stands.items() if on} == wrong


def host(state: HostState = HostState.UP, reason: str = "") -> HostObserved:
    return HostObserved("gpu1", "local", AT, state, reason)


def gpus(temperature_c: int | None = 50, fault: str = "") -> GpusObserved:
    readings = () if fault else (GpuReading(0, "GPU-0", "H100", temperature_c=temperature_c),)
    return GpusObserved("gpu1", AT, readings, fault)


def worker(state: GpuState, reason: str = "") -> WorkerReport:
    return WorkerReport("gpu1/gpu-0", Probe(), 1, "gpu1", 0, "GPU-0", state, reason)


def test_a_host_is_noted_when_it_changes_and_alarmed_when_it_stays_away() -> None:
    fleet = Fleet()
    assert fleet.host(host()) == NoteHost("gpu1", "local", "up")
    assert fleet.host(host()) is None
    assert fleet.conditions(frozenset(), 90) == {}
    assert fleet.host(host(HostState.SUSPENDED, "no route")) == NoteHost("gpu1", "local", "suspended", "no route")
    condition = fleet.conditions(frozenset(), 90)["host:gpu1"]
    assert condition.grace_s == GRACE_S
    assert "no route" in condition.text


@pytest.mark.promise("P30")
def test_a_hot_gpu_is_an_alarm_until_it_has_cooled() -> None:
    fleet = Fleet()
    fleet.gpus["gpu1"] = gpus(91)
    hot = fleet.conditions(frozenset(), 90)
    assert "91 °C" in hot["gpu:gpu1/gpu-0"].text
    fleet.workers["gpu1/gpu-0"] = worker(GpuState.QUARANTINED, "it is at 91 °C")
    assert list(fleet.conditions(frozenset(), 90)) == ["gpu:gpu1/gpu-0"]  # one alarm, not two
    fleet.workers.clear()
    fleet.gpus["gpu1"] = gpus(87)
    assert fleet.conditions(frozenset(), 90) == {}
    assert "gpu:gpu1/gpu-0" in fleet.conditions(frozenset({"gpu:gpu1/gpu-0"}), 90)
    fleet.gpus["gpu1"] = gpus(84)
    assert fleet.conditions(frozenset({"gpu:gpu1/gpu-0"}), 90) == {}
    fleet.gpus["gpu1"] = gpus(None)
    assert fleet.conditions(frozenset(), 90) == {}


@pytest.mark.promise("P29")
def test_gpus_that_cannot_be_judged_are_one_alarm_of_the_host() -> None:
    fleet = Fleet()
    fleet.workers["gpu1/gpu-0"] = worker(GpuState.UNKNOWN, "nothing was heard")
    assert fleet.conditions(frozenset(), 90)["gpu:gpu1/gpu-0"].grace_s == GRACE_S
    fleet.gpus["gpu1"] = gpus(fault="the driver does not answer")
    assert list(fleet.conditions(frozenset(), 90)) == ["gpus:gpu1"]
    fleet.workers["gpu1/gpu-0"] = worker(GpuState.QUARANTINED, "a stranger uses it")
    assert "a stranger" in fleet.conditions(frozenset(), 90)["gpu:gpu1/gpu-0"].text
    fleet.workers["gpu1/gpu-0"] = worker(GpuState.BUSY)
    assert list(fleet.conditions(frozenset(), 90)) == ["gpus:gpu1"]


@pytest.mark.promise("P29")
def test_a_host_that_is_away_is_one_alarm_however_many_gpus_it_has() -> None:
    fleet = Fleet()
    fleet.host(host(HostState.SUSPENDED, "no route"))
    fleet.workers["gpu1/gpu-0"] = worker(GpuState.UNKNOWN, "the host is suspended: no route")
    assert list(fleet.conditions(frozenset(), 90)) == ["host:gpu1"]
    fleet.host(host())
    fleet.workers["gpu1/gpu-0"] = worker(GpuState.UNKNOWN, "the driver does not list this GPU any more")
    assert list(fleet.conditions(frozenset(), 90)) == ["gpu:gpu1/gpu-0"]


def test_the_machine_is_judged_with_hysteresis() -> None:
    def judged(standing: set[str], **health: float) -> list[str]:
        limits = {"temperature_c": 95.0, "memory_percent": 95.0}
        return sorted(machine_conditions(MachineHealth(**health), frozenset(standing), **limits))

    assert judged(set()) == []
    assert judged(set(), memory_percent=96.0, temperature_c=96.0) == ["machine:hot", "machine:memory"]
    assert judged(set(), memory_percent=94.0, temperature_c=94.0) == []
    assert judged({"machine:hot", "machine:memory"}, memory_percent=94.0, temperature_c=94.0) == [
        "machine:hot",
        "machine:memory",
    ]
    assert judged({"machine:hot", "machine:memory"}, memory_percent=91.0, temperature_c=89.0) == []


def test_this_machine_can_be_read() -> None:
    health = read_machine(temperatures=True)
    assert health.memory_percent is not None and 0 < health.memory_percent <= 100
    assert health.load is not None and health.load >= 0
    assert read_machine(temperatures=False).temperature_c is None


@dataclass(frozen=True)
class Row:
    id: str
    crashes: int
    last_cause: str = "KeyError: 3"


def test_the_workspace_of_a_host_is_named_as_such() -> None:
    text = Disk("workspace:gpu1", "/data/mqi", 20.0).seen(1).text
    assert text.startswith("The workspace folder /data/mqi of host gpu1 has 0.0 GB free, less than 20 GB.")


@pytest.mark.promise("P35")
def test_an_actor_that_crashes_again_and_again_is_an_alarm_until_it_is_calm() -> None:
    unrest = Unrest()
    assert unrest.conditions([Row("root/a", 0)], 0, 0.0) == {}
    assert unrest.conditions([Row("root/a", 2)], 0, 10.0) == {}
    alarm = unrest.conditions([Row("root/a", 3)], 0, 20.0)["actor:root/a"]
    assert "3 times" in alarm.text
    assert "KeyError: 3" in alarm.text
    assert unrest.conditions([Row("root/a", 3)], 0, 11 + WINDOW_S) == {}
    assert unrest.conditions([Row("root/a", 3)], 0, 21 + WINDOW_S) == {}
    assert unrest.conditions([Row("root/a", 0)], 0, 22 + WINDOW_S) == {}  # forgotten and made anew


def test_crashes_of_long_ago_are_no_alarm_when_the_monitor_is_restarted() -> None:
    """As at each reload: they are counted since the daemon began."""
    unrest = Unrest()
    assert unrest.conditions([Row("root/a", 7)], 0, 0.0) == {}
    assert unrest.conditions([Row("root/a", 9)], 0, 1.0) == {}
    assert "actor:root/a" in unrest.conditions([Row("root/a", 10)], 0, 2.0)


def test_nothing_is_kept_of_actors_that_are_gone() -> None:
    unrest = Unrest()
    for number in range(3):
        assert unrest.conditions([Row(f"root/cases/{number}", 2)], 0, float(number)) == {}
    assert (len(unrest._known), len(unrest._crashes)) == (1, 1)
    assert "actor:root/cases/0" in unrest.conditions([Row("root/cases/0", 3)], 0, 4.0), "one of the same name is new"


def test_many_dead_letters_are_an_alarm() -> None:
    unrest = Unrest()
    assert unrest.conditions([], 5, 0.0) == {}
    assert "dead-letters" in unrest.conditions([], 5 + MANY_LETTERS, 10.0)
    assert unrest.conditions([], 5 + MANY_LETTERS, 20.0 + WINDOW_S) == {}


def test_the_outbox_sends_the_latest_word_until_it_is_taken() -> None:
    box = Outbox()
    assert box.next(0.0) is None
    box.put("a", RaiseAlarm("a", "1"))
    first = box.next(0.0)
    assert first is not None and first[1] == (RaiseAlarm("a", "1"),)
    box.put("a", ClearAlarm("a"))
    assert box.next(1.0) is None  # an answer is awaited
    box.written(first[0])
    second = box.next(1.0)
    assert second is not None and second[1] == (ClearAlarm("a"),)
    box.refused(second[0])
    third = box.next(2.0)
    assert third is not None and third[1] == second[1]
    box.written(second[0])  # an old answer says nothing
    assert box.next(3.0) is None
    lost = box.next(3.0 + PATIENCE_S)
    assert lost is not None and lost[1] == third[1]
    box.refused("notes-0")
    box.written(lost[0])
    assert box.next(100.0) is None
