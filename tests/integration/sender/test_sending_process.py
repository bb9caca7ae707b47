"""The process that sends one result: what it answers, and that whatever ends it is told in words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from test_real_nodes import not_sent, order, sent

from actors.sender.__main__ import answer_to
from actors.sender.order import NotSent, SendResult, Sent, Why
from actors.sender.process import run_process
from actors.supervision import TaskScope
from tests.integration.reporter.published_cases import PublishedCase
from tests.kit.dicom_nodes import node, storescp
from tests.kit.waiting import wait_until


class Scope(TaskScope):
    """A task's scope without an actor."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]


def told(outcome: Sent | NotSent | None) -> Sent | NotSent:
    assert outcome is not None
    return outcome


def test_it_sends_and_answers(case: PublishedCase, tmp_path: Path) -> None:
    with storescp(tmp_path / "scp") as port:
        first = order(case, node(port))
        assert sent(told(run_process(Scope(), first))).sentence == "3 files"
    assert len(list((tmp_path / "scp").iterdir())) == 3
    not_sent(told(run_process(Scope(), first)), Why.NODE, "cannot be reached")


def test_a_result_that_changed_or_is_gone_is_told(case: PublishedCase) -> None:
    changed = replace(order(case, node(1)), result_sha256="ab" * 32)
    not_sent(answer_to(changed), Why.CHANGED, "manifest.json is not the file that was published")
    not_sent(answer_to(replace(changed, result="/nowhere")), Why.OURS, "No such file")
    broken: SendResult = replace(changed, result=None)  # type: ignore[arg-type]
    not_sent(answer_to(broken), Why.OURS, "a fault of ours: TypeError")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import os; os.kill(os.getpid(), 9)", "Its process ended with -9"),
        ("import sys; print('x'); sys.exit('out of luck')", "its last words: out of luck"),
        ("print('{}')", "Its process ended with 0"),
    ],
)
def test_a_process_that_dies_is_told(case: PublishedCase, script: str, words: str) -> None:
    outcome = told(run_process(Scope(), order(case, node(1)), (sys.executable, "-c", script)))
    not_sent(outcome, Why.OURS, words)


def test_one_that_hangs_is_ended_and_one_that_is_cancelled_says_nothing(case: PublishedCase) -> None:
    sleeping = (sys.executable, "-c", "import time; time.sleep(600)")
    not_sent(told(run_process(Scope(), order(case, node(1)), sleeping, limit_s=0.3)), Why.NODE, "longer than 0.3 s")
    scope = Scope()
    outcomes: list[object] = ["under way"]
    thread = threading.Thread(
        target=lambda: outcomes.append(run_process(scope, order(case, node(1)), sleeping)), daemon=True
    )
    thread.start()
    wait_until(lambda: scope._closers, 10)
    scope._cancel()
    thread.join(10)
    assert outcomes[1:] == [None]


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    started = """
import subprocess, sys, os
child = subprocess.Popen([sys.executable, "-m", "actors.sender", str(os.getpid())], stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.read()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", started], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert parent.stdin is not None and parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_until(lambda: _ties_itself(child), 20, "it has read who its parent is")
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: not _lives(child), 10, "it is gone")
    parent.stdin.close()
    parent.stdout.close()


def _ties_itself(pid: int) -> bool:
    """It ignores the signals that ask the daemon to stop: that comes after it has tied itself to its parent."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn:"))
    return bool(ignored & (1 << (signal.SIGTERM - 1)))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
