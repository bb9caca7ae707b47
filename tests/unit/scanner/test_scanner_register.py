"""What the scanner keeps of the ledger, and what it tells the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from actors.scanner.assessment import Assessment, Standing
from actors.scanner.readiness import Act, Decision
from actors.scanner.records import records_of
from actors.scanner.register import Entry, Register
from messages.cases import CaseSource, DeliverySource
from messages.ledger import AdmitCase, BeamName, CaseRow, KnownCase, MoveBeam, MoveCase, SightCase
from messages.states import BeamState, CaseState
from tests.unit.scanner.making import MORNING, NOW


def known(case: str, state: CaseState, *keys: str, partial: bool = False, path: str = "/root/x") -> KnownCase:
    return KnownCase(case, "identity", state, path, keys, NOW, partial, "because")


def learned(*cases: KnownCase) -> Register:
    register = Register()
    register.learn_known(cases)
    return register


def source(case: str, *keys: str, partial: bool = False, supersedes: str = "") -> CaseSource:
    deliveries = tuple(DeliverySource(f"/root/x/{key}", key, 3, MORNING, 1, 6) for key in keys)
    return CaseSource(
        case, "identity", "/root/x", "/root/x/RP.dcm", "1.2", "1", "G2", deliveries, partial, supersedes=supersedes
    )


@pytest.mark.promise("P13")
def test_only_what_the_scanner_may_still_change_is_kept() -> None:
    register = learned(
        known("done", CaseState.DONE, "k1"),
        known("waits", CaseState.INCOMING, "k2"),
        known("failed", CaseState.FAILED, "k3"),
        known("partial", CaseState.DONE, "k4", partial=True),
        known("cancelled", CaseState.CANCELLED, "k5"),
    )
    assert register.entry("done") is None
    assert register.owner("k1") == "done"
    assert [key for key in ("k1", "k2", "k3", "k4", "k5", "k6") if key in register.settled()] == ["k1", "k4", "k5"]
    assert [key for key in ("k1", "k2", "k3", "k4", "k5", "k6") if register.is_settled(key)] == ["k1", "k4", "k5"]
    assert register.closed(["k1", "k2", "k3", "k4", "k5", "k6"]) == {"k1", "k5"}
    assert register.pinned(["k1", "k2", "k3", "k4"]) == {"k1": "done", "k3": "failed", "k4": "partial"}
    assert register.partial(["done", "partial"]) == {"partial"}
    assert [entry.case for entry in register.waiting()] == ["waits"]
    assert [entry.case for entry in register.restless()] == ["waits", "failed"]
    assert [entry.case for entry in register.at("/root/x")] == ["failed", "partial", "waits"]
    assert register.at("/root/y") == ()


class Watched(dict[str, str]):
    """Owners of deliveries, of which every change is looked at as a scan in another thread may see it."""

    def __init__(self, register: Register) -> None:
        super().__init__(register._owners)
        self.settled, self.seen = register.settled(), list[tuple[str, bool]]()

    def __setitem__(self, key: str, case: str) -> None:
        super().__setitem__(key, case)
        self.seen.append((key, key in self.settled))

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("a round must not cost the more, the more cases ever were")


def test_what_is_settled_is_asked_of_the_register_itself_and_never_copied() -> None:
    register = learned(known("done", CaseState.DONE, "k1"))
    watched = register._owners = Watched(register)
    settled = register.settled()
    assert ("k1" in settled, "k2" in settled) == (True, False)
    register.learn_known([known("waits", CaseState.INCOMING, "k2"), known("failed", CaseState.FAILED, "k3")])
    assert ("k2" in settled, "k3" in settled) == (False, False)
    assert watched.seen == [("k2", False), ("k3", False)], "not even between two steps of learning it"
    register.admitted(source("waits", "k2"), NOW)
    assert "k2" in settled
    with pytest.raises(AssertionError, match="must not cost"):
        frozenset(watched)


def test_a_superseding_case_takes_the_deliveries() -> None:
    register = learned(known("old", CaseState.DONE, "k1", partial=True), known("new", CaseState.DONE, "k1", "k2"))
    assert register.owner("k1") == "new"
    register = learned(known("old", CaseState.DONE, "k1", partial=True))
    register.admitted(source("new", "k1", "k2", supersedes="old"), NOW)
    assert register.owner("k1") == "new"
    assert register.closed(["k1", "k2"]) == {"k1", "k2"}


def test_a_sighting_takes_no_delivery_from_an_admitted_case() -> None:
    register = learned(known("done", CaseState.DONE, "k1"))
    register.sighted(SightCase("other", "i", "/root/y", "no RTPLAN yet", delivery_keys=("k1", "k2")), NOW)
    assert (register.owner("k1"), register.owner("k2")) == ("done", "other")


def test_a_failed_partial_does_not_take_back_what_was_superseded() -> None:
    register = Register()
    register.admitted(source("old", "k1", partial=True), NOW)
    register.admitted(source("new", "k1", "k2", supersedes="old"), NOW)
    register.moved("old", CaseState.FAILED, "engine")
    assert register.owner("k1") == "new"


def test_a_moved_case_is_what_it_became() -> None:
    register = learned(known("waits", CaseState.INCOMING, "k1"))
    register.moved("waits", CaseState.INCOMPLETE, "not complete after 24 h")
    entry = register.entry("waits")
    assert entry is not None
    assert (entry.state, entry.open) == (CaseState.INCOMPLETE, True)
    register.moved("waits", CaseState.CANCELLED, "belongs to another")
    assert register.entry("waits") is None
    register.moved("nobody", CaseState.FAILED, "x")
    assert register.entry("nobody") is None


def test_a_held_case_stays_held_when_it_is_seen_again() -> None:
    register = Register()
    held = replace(known("case", CaseState.INCOMING, "k1"), state=CaseState.INCOMING)
    register.learn_known([held])
    register.moved("case", CaseState.HELD, "held by kim")
    register.sighted(SightCase("case", "i", "/root/x", "no RTPLAN yet", delivery_keys=("k1",)), NOW)
    entry = register.entry("case")
    assert entry is not None
    assert entry.state is CaseState.HELD


CASE = Assessment(
    "case", "identity", "/root/x", Standing.LACKING, "no RTPLAN yet", keys=("k1",), source=source("case", "k1")
)
ENTRY = Entry("case", CaseState.INCOMING, "/root/x", ("k1",), NOW, "no RTPLAN yet", admitted=False)
WAIT = Decision(Act.WAIT, "no RTPLAN yet")


@pytest.mark.parametrize(
    ("entry", "decision", "kinds"),
    [
        (None, WAIT, [SightCase]),
        (ENTRY, WAIT, []),
        (ENTRY, Decision(Act.WAIT, "something else"), [SightCase]),
        (replace(ENTRY, keys=()), WAIT, [SightCase]),
        (replace(ENTRY, path="/root/y"), WAIT, [SightCase]),
        (replace(ENTRY, state=CaseState.HELD), WAIT, []),
        (replace(ENTRY, state=CaseState.FAILED), WAIT, [MoveCase, SightCase]),
        (replace(ENTRY, state=CaseState.INCOMPLETE, reason="late"), WAIT, [MoveCase, SightCase]),
        (None, Decision(Act.GIVE_UP, "late"), [SightCase, MoveCase]),
        (ENTRY, Decision(Act.GIVE_UP, "late"), [SightCase, MoveCase]),
        (replace(ENTRY, state=CaseState.INCOMPLETE, reason="late"), Decision(Act.GIVE_UP, "late"), []),
        (replace(ENTRY, state=CaseState.HELD), Decision(Act.GIVE_UP, "late"), []),
        (replace(ENTRY, state=CaseState.FAILED), Decision(Act.GIVE_UP, "late"), [MoveCase, SightCase, MoveCase]),
        (None, Decision(Act.FAIL, "wrong"), [SightCase, MoveCase]),
        (replace(ENTRY, state=CaseState.FAILED, reason="wrong"), Decision(Act.FAIL, "wrong"), []),
        (replace(ENTRY, state=CaseState.FAILED, reason="other"), Decision(Act.FAIL, "wrong"), [SightCase, MoveCase]),
        (None, Decision(Act.ADMIT), [AdmitCase]),
        (ENTRY, Decision(Act.ADMIT), [AdmitCase]),
    ],
)
def test_the_ledger_is_told_what_it_does_not_know(entry: Entry | None, decision: Decision, kinds: list[type]) -> None:
    assert [type(record) for record in records_of(CASE, decision, entry)] == kinds


def test_a_failed_case_with_new_files_goes_back_to_the_queue() -> None:
    again = replace(CASE, failed_before=True, beams=(BeamName(3, "B3"),))
    entry = replace(ENTRY, state=CaseState.FAILED, admitted=True, failed_beams=(3,))
    assert records_of(again, Decision(Act.ADMIT), entry) == (
        MoveBeam("case", 3, BeamState.PENDING, "its files changed"),
        MoveCase("case", CaseState.QUEUED, "its files changed"),
    )
    assert records_of(again, WAIT, entry) == ()
    assert records_of(again, Decision(Act.GIVE_UP, "late"), entry) == ()


@pytest.mark.promise("P13")
def test_a_recalculation_takes_over_from_the_case_that_it_follows_and_from_no_other() -> None:
    register = learned(known("c", CaseState.DONE, "k1", partial=True))
    again = replace(source("c-v2", "k1", supersedes="c"), recalculated_because="why", recalculated_by="kim")
    register.learn_row(queued(again))
    assert register.owner("k1") == "c-v2"
    register.learn_row(queued(replace(again, case="c-v3", supersedes="c-v2")))
    register.learn_row(queued(again))  # read late: what came after it stays
    assert register.owner("k1") == "c-v3"
    register.learn_row(queued(replace(again, case="x", recalculated_because="")))
    assert register.owner("k1") == "c-v3", "without an order nothing takes over"


def queued(of: CaseSource) -> CaseRow:
    fields = (of.case, CaseState.QUEUED, "", 0, of.path, "1.2", "1", "identity", NOW, NOW, None, None, of, "", "")
    return CaseRow(*fields, cleaned=False, beams=())  # type: ignore[arg-type, misc]
