"""What the scanner asks the ledger: the part that is missing, and what is new."""

from __future__ import annotations

import pytest

from actors.scanner.questions import OF_INTEREST, Questions
from messages.ledger import CasesReport, GetCases, GetKnownCases, KnownCasesReport
from tests.kit.probe import Probe


@pytest.fixture
def ledger() -> Probe:
    return Probe("ledger")


@pytest.fixture
def questions(ledger: Probe) -> Questions:
    return Questions(ledger, Probe("scanner"), 7)


def asked_after(ledger: Probe, kind: type[GetCases] | type[GetKnownCases]) -> list[int]:
    return [question.after for question in ledger.all(kind)]


def test_what_is_known_is_learned_part_by_part_each_once(ledger: Probe, questions: Questions) -> None:
    first = KnownCasesReport("", (), after=0, upto=1000, more=True)
    last = KnownCasesReport("", (), after=1000, upto=1300)
    questions.ask_known()
    questions.ask_known()  # the answer seemed lost
    assert questions.expected(first)
    assert not questions.known
    assert not questions.expected(first), "the second answer to the same question"
    assert asked_after(ledger, GetKnownCases) == [0, 0, 1000]
    assert questions.expected(last)
    assert questions.known
    assert not questions.expected(last)


def test_news_begin_where_the_last_ended(ledger: Probe, questions: Questions) -> None:
    for report in (CasesReport("", (), upto=40), CasesReport("", (), upto=30)):
        questions.ask_news()
        questions.learned(report)
    questions.ask_news()
    questions.ask_all_anew()
    questions.ask_news()
    assert asked_after(ledger, GetCases) == [0, 40, 40, 0]
    assert {question.states for question in ledger.all(GetCases)} == {OF_INTEREST}
    names = [question.request_id for question in ledger.all(GetCases)]
    assert len(set(names)) == len(names)
