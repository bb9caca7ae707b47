"""The scanner's small parts: folders, agenda, queues, complaints, sentences."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from actors.scanner.complaints import Complaints, MissingRoots
from actors.scanner.facts import SurveyRequest
from actors.scanner.folder import Agenda, Folder
from actors.scanner.hints import NoHints, describe, file_system_of
from actors.scanner.looks import Complaint, Look, stamp_of_name
from actors.scanner.outbox import Outbox, Pending
from actors.scanner.paths import base, below, parent
from actors.scanner.rounds import DEEP_LOOKS, Rounds
from actors.scanner.sentences import hours_text, joined, layers_text
from actors.scanner.surveys import AT_ONCE, FUNCTION, Surveys
from messages.compute import Compute
from messages.ledger import ClearAlarm, Write
from messages.metrics import RootsScanned
from messages.operators import AlarmCleared, AlarmRaised
from tests.kit import Probe

LOOK = Look("/root/case", b"one", 1_000_000.0, True, False, ("2026030209301512",), ("k1",))


def folder(**changes: object) -> Folder:
    return Folder(replace(LOOK, **changes), looked_at=100.0, changed_at=100.0)  # type: ignore[arg-type]  # by name


def test_quiet_is_what_two_looks_saw() -> None:
    one = folder(newest=2_000_000.0)
    assert one.quiet_for_s(wall=2_000_001.0) == 0.0
    one.see(one.look, 131.0)
    assert one.quiet_for_s(wall=2_000_032.0) == 31.0
    one.see(replace(one.look, digest=b"two"), 140.0)
    assert one.quiet_for_s(wall=2_000_041.0) == 0.0
    assert one.stale


def test_old_files_are_quiet_at_the_first_look() -> None:
    """A restart costs an old folder nothing, even if the share's clock is off by minutes."""
    assert folder().quiet_for_s(wall=1_000_000.0 + 3600.0 + 45.0) == 45.0
    assert folder().quiet_for_s(wall=1_000_000.0 + 1800.0) == 0.0


def test_once_it_changed_a_folder_s_own_times_prove_nothing() -> None:
    """A share whose clock is a day behind: what was copied now looks old."""
    changed = folder()
    changed.see(replace(LOOK, digest=b"two"), 110.0)
    assert changed.quiet_for_s(wall=1_000_000.0 + 86_400.0) == 0.0


def test_a_survey_counts_for_the_state_that_it_met() -> None:
    one = folder()
    assert not one.survey_met(b"older", 0.01, 100.0)
    assert one.stale
    assert one.survey_met(b"one", 0.01, 100.0)
    assert not one.stale
    assert one.survey_due == 100.04
    one.survey_met(b"one", 60.0, 100.0)
    assert one.survey_due == 102.0


def test_failed_surveys_are_asked_for_less_and_less_often() -> None:
    one = folder()
    waits = []
    for _ in range(10):
        one.survey_failed(0.0)
        waits.append(one.survey_due)
    assert waits[:3] == [5.0, 10.0, 20.0]
    assert waits[-1] == 300.0


def test_the_agenda_keeps_the_soonest_time_of_each_folder() -> None:
    agenda = Agenda()
    assert agenda.soonest() is None
    agenda.put("a", 5.0)
    agenda.put("a", 9.0)
    agenda.put("b", 3.0)
    agenda.put("b", 1.0)
    agenda.put("c", 2.0)
    agenda.drop("c")
    assert agenda.soonest() == 1.0
    assert agenda.take(4.0) == ["b"]
    assert agenda.take(5.0) == ["a"]
    assert agenda.soonest() is None


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.floats(0, 100), st.booleans())))
def test_the_agenda_forgets_nothing(steps: list[tuple[str, float, bool]]) -> None:
    agenda, model = Agenda(), dict[str, float]()
    for name, due, drop in steps:
        if drop:
            agenda.drop(name)
            model.pop(name, None)
        else:
            agenda.put(name, due)
            model[name] = min(due, model.get(name, due))
    assert agenda.soonest() == min(model.values(), default=None)
    assert sorted(agenda.take(50.0)) == sorted(name for name, due in model.items() if due <= 50.0)


def test_a_complaint_is_said_once_until_it_has_ended() -> None:
    complaints, one, two = Complaints(), Complaint("/a", "cannot be read"), Complaint("/b", "a symbolic link")
    assert complaints.news([one], all_there_are=True) == [one]
    assert complaints.news([one, two], all_there_are=False) == [two]
    assert complaints.news([one, two], all_there_are=True) == []
    assert complaints.news([two], all_there_are=True) == []
    assert complaints.news([one, two], all_there_are=True) == [one]


def test_a_missing_root_is_told_once_and_its_return_too(log_lines: list[str]) -> None:
    monitor = Probe("monitor")
    roots = MissingRoots(monitor, logger)
    for missing in (["/mnt/a"], ["/mnt/a"], [], [], ["/mnt/a"]):
        roots.tell(missing)
    alarms = [type(message) for message in monitor.received if not isinstance(message, RootsScanned)]
    assert alarms == [AlarmRaised, AlarmRaised, AlarmCleared, AlarmRaised], "raised for as long as it is missing"
    assert len(monitor.all(RootsScanned)) == 5, "every round that ends is told"
    assert "Mount the share" in monitor.expect(AlarmRaised).text
    assert len(log_lines) == 3


def test_one_write_per_case_is_on_its_way() -> None:
    ledger, written = Probe("ledger"), list[str]()
    outbox = Outbox(ledger, Probe("root/scanner"), 7)
    outbox.send(Pending("case", "/root/case", lambda: written.append("case")), (ClearAlarm("x"),))
    write = ledger.expect(Write)
    assert (write.writer, write.epoch) == ("root/scanner", 7)
    assert outbox.busy("case")
    assert not outbox.busy("other")
    pending = outbox.answered(write.request_id)
    assert pending is not None
    pending.then()
    assert written == ["case"]
    assert not outbox.busy("case")
    assert outbox.answered(write.request_id) is None


def test_few_surveys_are_asked_for_at_a_time() -> None:
    compute = Probe("compute")
    surveys = Surveys(compute, Probe("root/scanner"), "root/scanner/7")
    for number in range(AT_ONCE + 2):
        surveys.want(f"/root/{number}")
    surveys.want("/root/now", first=True)
    surveys.forget("/root/0")
    surveys.ask(lambda path: None if path == "/root/1" else SurveyRequest(path, "UTC"))
    asked = compute.all(Compute)
    paths = [request.argument.path for request in asked if isinstance(request.argument, SurveyRequest)]
    assert paths == ["/root/now", "/root/2", "/root/3", "/root/4"]
    assert {(request.function, request.urgent) for request in asked} == {(FUNCTION, True)}
    assert "/root/2" in surveys
    assert "/root/5" in surveys
    assert "/root/1" not in surveys
    assert surveys.answered(asked[1].request_id) == "/root/2"
    assert surveys.answered("another's") == ""


def test_rounds_come_one_at_a_time(tmp_path: Path) -> None:
    rounds = Rounds([tmp_path], "")
    rounds.full()
    assert rounds.next({}, frozenset, 0.0) is None, "not before it has begun"
    assert rounds.roots == ()
    rounds.begin()
    first = rounds.next({}, frozenset, 0.0)
    assert first is not None
    rounds.hint([str(tmp_path / "x")])
    assert rounds.next({}, frozenset, 0.0) is None, "one is under way"
    assert first(lambda: False).full
    rounds.done()
    second = rounds.next({}, frozenset, 0.0)
    assert second is not None
    assert not second(lambda: False).full
    rounds.done()
    assert rounds.next({}, frozenset, 0.0) is None, "nothing is to be done"


def test_every_open_folder_has_its_turn(tmp_path: Path) -> None:
    """Folders that have not changed for long are looked into in turn; those that changed lately at each round."""
    folders = {}
    for number in range(3 * DEEP_LOOKS):
        path = tmp_path / f"{number}"
        path.mkdir()
        (path / "RP.dcm").touch()
        folders[str(path)] = Folder(replace(LOOK, path=str(path)), looked_at=0.0, changed_at=0.0)
    folders[str(tmp_path / "0")].changed_at = 9_990.0
    rounds = Rounds([], "")
    rounds.begin()
    seen: set[str] = set()
    for _ in range(4):
        rounds.full()
        work = rounds.next(folders, frozenset, 10_000.0)
        assert work is not None
        looks = [look.path for look in work(lambda: False).looks]
        rounds.done()
        assert str(tmp_path / "0") in looks
        assert len(looks) == DEEP_LOOKS + 1
        seen.update(looks)
    assert seen == set(folders)


def test_sentences() -> None:
    assert layers_text([4]) == "layer 4"
    assert layers_text([6, 2, 4, 5]) == "layers 2, 4 to 6"
    assert joined(["a", "b", "a"]) == "a; b"
    assert joined(["a", "b", "c", "d", "e"]) == "a; b; c; and 2 more"
    assert [hours_text(hours) for hours in (24.0, 1.5, 0.5, 30 / 3600)] == ["24 h", "1.5 h", "30 min", "30 s"]


def test_paths() -> None:
    assert (below("/", "a"), below("/a", "b")) == ("/a", "/a/b")
    assert (parent("/a"), parent("/a/b"), base("/a/b")) == ("/", "/a", "b")


def test_a_delivery_folder_s_name_is_a_time() -> None:
    assert stamp_of_name("2026030209301512") is not None
    assert stamp_of_name("2026139909301512") is None
    assert stamp_of_name("55000001") is None


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:40 / /mnt/share\\040one rw,relatime shared:20 - cifs //server/share rw
41 22 0:41 / /mnt rw - tmpfs tmpfs rw
broken line
"""


def test_a_root_s_file_system_is_known() -> None:
    assert file_system_of("/srv/cases", MOUNTS) == "ext4"
    assert file_system_of("/mnt/share one/room", MOUNTS) == "cifs"
    assert file_system_of("/mnt/other", MOUNTS) == "tmpfs"
    assert file_system_of("/mnt/other", "") == ""


def test_a_root_without_events_is_one_clear_line() -> None:
    line = describe(NoHints("/mnt/a", "a network file system (cifs) does not tell what other machines write"), 10.0)
    assert line == (
        "/mnt/a: a network file system (cifs) does not tell what other machines write."
        " Cases are found by the scan every 10 s."
    )
