"""Every kind of line that the history has counts the same before it is removed and after."""

from __future__ import annotations

import ast
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from actors.ledger.codec import time_text
from actors.ledger.facts import Known, read_facts
from actors.ledger.pruning import OTHER, counted_as, prune_events
from actors.ledger.reviews import NEXT_STATES
from actors.ledger.transitions import ATTEMPT, BEAM, CASE
from actors.monitor.history import KNOWN, ORDERS, VERDICTS, Tally, tally_of
from messages.hosts import GpuState, HostState
from messages.ledger import INTERPRETATION_SENT, SendingState
from messages.states import CaseState
from tests.integration.ledger.ledger_cases import memory_ledger

ROOM = Path(__file__).resolve().parents[3] / "actors"
LONG_AGO, BEFORE = datetime(2020, 3, 2, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
Lines = list[tuple[str, str]]
"""(what, detail)"""


def lines(*whats: str, detail: str = "because: it → was") -> Lines:
    return [(what, detail) for what in whats]


KINDS: dict[str, Lines] = {
    "case/cleaning.py:_intend": lines("case: its working files are being removed"),
    "case/far_step.py:_of_the_run": lines(INTERPRETATION_SENT),
    "case/workflow.py:_finish": lines("case: is being published"),
    "console/actor.py:_note": lines("folder submitted", "reload ordered"),
    "gpu_worker/attempt.py:_end": lines("beam 2 attempt 1: is being ended"),
    "ledger/attempts.py:move_beam": lines(*(f"beam 12: {now} → {to}" for now in BEAM for to in BEAM[now])),
    "ledger/attempts.py:forgive_beam": lines("beam 2: its 3 attempts count no more"),
    "ledger/attempts.py:open_attempt": lines("beam 2 attempt 1: intended"),
    "ledger/attempts.py:move_attempt": lines(
        *(f"beam 2 attempt 13: {now} → {to}" for now in ATTEMPT for to in ATTEMPT[now]),
        *(f"beam 2 attempt 1: {now}" for now in ATTEMPT),
    ),
    "ledger/cases.py:sight": lines("case: seen, incoming", "case: incoming", "case: incomplete"),
    "ledger/cases.py:admit": lines("case: incoming → queued, admitted", "case: held → held, admitted"),
    "ledger/cases.py:_claim": lines("case: superseded by c-1"),
    "ledger/cases.py:move": lines(*(f"case: {state}" for state in CaseState)),
    "ledger/cases.py:_step": lines(*(f"case: {now} → {to}" for now in CASE for to in CASE[now])),
    "ledger/cases.py:note_interpretation": lines("case: interpreted"),
    "ledger/cases.py:note_verdict": [
        ("case: verdict", detail)
        for detail in (*(f'{{"verdict": "{verdict}"}}' for verdict in sorted(VERDICTS)), "{}", "[]", "torn", "")
    ],
    "ledger/cases.py:set_priority": lines("case: priority 0 → 3", "case: priority -1000 → 1000"),
    "ledger/cases.py:mark_cleaned": lines("case: cleaned"),
    "ledger/halts.py:halt_place": lines("intake: nothing new starts", "host h: nothing new starts"),
    "ledger/halts.py:lift_halt": lines("host h/0: takes work again"),
    "ledger/halts.py:pardon_gpu": lines("gpu h/0: pardoned"),
    "ledger/notes.py:note_event": lines("anything at all", "two\nlines", ""),
    "ledger/notes.py:note_host": lines(
        *(f"host gpu-1.example.org: {now} → {to}" for now in HostState for to in HostState),
        *(f"host h: {state}" for state in HostState),
    ),
    "ledger/notes.py:note_gpu": lines(*(f"gpu h/0: {now} → {to}" for now in GpuState for to in GpuState)),
    "ledger/notes.py:raise_alarm": lines(
        *(f"alarm {name}: raised" for name in ("disk:/a b", "case-failed:c: d", "ledger-write", "actor:root/x\ny")),
    ),
    "ledger/notes.py:clear_alarm": lines("alarm disk:/a b: cleared", "alarm ledger-write: cleared"),
    "ledger/notes.py:order_command": lines(
        *(f"order: {kind}{rest}" for kind in sorted(ORDERS) for rest in ("", " c", " c 3", " c\nd"))
    ),
    "ledger/notes.py:settle_command": lines(*(f"order: {kind} c: settled" for kind in sorted(ORDERS))),
    "ledger/planned.py:want_planned": lines("case: no planned run", "case: is compared with a planned run"),
    "ledger/planned.py:_admit": lines("case: unknown → queued, admitted"),
    "ledger/planned.py:_begin_again": lines("case: failed → queued"),
    "ledger/reports.py:settle_report": lines("report: not made", "report: accepted"),
    "ledger/reviews.py:add_review": lines(*(f"review: {now} → {to}" for now in NEXT_STATES for to in NEXT_STATES[now])),
    "ledger/sendings.py:_recall": lines("sending: rejected where it was sent", detail="pacs has it"),
    "ledger/sendings.py:settle_sending": lines(
        *(f"sending: {state}" for state in SendingState), "sending: in vain", detail="to pacs: 3 files"
    ),
    "scheduler/actor.py:_give": lines("beam given"),
}
"""Function that writes it → lines as it writes them."""

ALL = [line for kind in KINDS.values() for line in kind]


def writers(path: Path) -> Iterator[str]:
    """Functions that write a line of the history."""
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef):
            calls = (ast.unparse(node.func) for node in ast.walk(function) if isinstance(node, ast.Call))
            if any(name in ("journal.event", "NoteEvent") for name in calls):
                yield f"{path.relative_to(ROOM)}:{function.name}"


def test_every_kind_is_among_them() -> None:
    assert {writer for path in ROOM.rglob("*.py") for writer in writers(path)} == KINDS.keys()


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    with closing(memory_ledger()) as opened:
        yield opened


def counted(database: sqlite3.Connection) -> Counter[Tally]:
    """As the metrics count the history."""
    found: Counter[Tally] = Counter()
    facts = read_facts(database, Path("/nowhere"), Known(0, LONG_AGO))
    for happened, times in facts.happened if facts else ():
        if tally := tally_of(happened):
            found[tally] += times
    return found


def test_each_counts_the_same_before_and_after_it_is_removed(database: sqlite3.Connection) -> None:
    add = "INSERT INTO events (at, \"case\", what, detail) VALUES (?, '', ?, ?)"
    database.executemany(add, [(time_text(LONG_AGO), *line) for line in (*ALL, ("the newest stays", ""))])
    before = counted(database)
    assert prune_events(database, BEFORE, 10_000) == len(ALL)
    assert counted(database) == before
    told = {(tally.what, tally.label) for tally in before}
    assert told >= {(what, label) for what, labels in KNOWN for label in labels if what != "beam" or label != "pending"}
    assert {tally.label for tally in before if tally.what == "link-loss"} == {"gpu-1.example.org"}


@pytest.mark.parametrize(("what", "detail"), ALL)
def test_each_alone(what: str, detail: str) -> None:
    kept = counted_as(what, detail)
    if what != "case: verdict":
        assert tally_of(kept) == tally_of(what)
    assert counted_as(kept, detail) == kept or kept.startswith("case: verdict")


def test_names_without_end_are_in_no_total() -> None:
    assert counted_as("case: superseded by c-1", "") == OTHER
