"""What a worker answers, without the process around it."""

from __future__ import annotations

import io
import os
import pickle

import pytest

from actors.compute.frames import Call, Raised, Ready, Returned, receive, send
from actors.compute.worker import serve
from messages.faults import Blame

FUNCTIONS = "tests.integration.compute.compute_functions"


def answers(*calls: Call) -> list[object]:
    asked, told = io.BytesIO(), io.BytesIO()
    for call in calls:
        send(asked, call)
    asked.seek(0)
    serve(asked, told)
    told.seek(0)
    return [receive(told) for _ in range(len(calls) + 1)]


def call(function: str, argument: object) -> Call:
    return Call(function if ":" in function else f"{FUNCTIONS}:{function}", pickle.dumps(argument))


def test_it_is_ready_then_answers_in_order():
    ready, first, second = answers(call("double", 4), call("double", 5))
    assert ready == Ready(os.getpid())
    assert isinstance(first, Returned) and isinstance(second, Returned)
    assert [pickle.loads(first.value), pickle.loads(second.value)] == [8, 10]
    assert first.rss_mb > 10


@pytest.mark.promise("P20")
def test_a_full_disk_is_named_with_its_place():
    _, full = answers(call("full_disk", "/results/case/sum.dcm"))
    assert isinstance(full, Raised) and full.fault.kind == "disk-full" and full.fault.blame is Blame.OURS
    assert (full.fault.where, full.fault.remedy) == (
        "/results/case/sum.dcm",
        "Make room on that disk; it is tried again.",
    )


def test_our_errors_keep_their_fault_and_others_become_ours():
    _, wrong, bug, left, unknown = answers(
        call("wrong_case", "/share/case"), call("our_bug", 0), call("leave", 1), call("no.such:function", 1)
    )
    assert isinstance(wrong, Raised) and wrong.fault.blame is Blame.INPUT
    assert isinstance(bug, Raised) and "KeyError: 'beam 7' at compute_functions.py:" in bug.fault.what
    assert bug.fault.blame is Blame.OURS and bug.fault.kind == "compute-error"
    assert isinstance(left, Raised) and "SystemExit: 1" in left.fault.what
    assert isinstance(unknown, Raised) and "ModuleNotFoundError" in unknown.fault.what
