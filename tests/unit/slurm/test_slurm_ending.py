"""When a run on a cluster is proven over: one answer without its job is not enough where its lock tells nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.errors import MqiError
from actors.slurm.cluster import Cluster
from actors.slurm.ending import Ending, proof
from actors.slurm.queue import QueuedJob
from actors.slurm.shell import Said
from actors.slurm.verdict import Patience, RunFiles

BEGUN = {lock: RunFiles("made", started=True, lock=lock) for lock in ("held", "free", "unknown")}
OVER = QueuedJob("7", "mqi-x", "CANCELLED")


class Facts:
    """A shell that says the same of every look."""

    def __init__(self, facts: str) -> None:
        self._facts = facts

    def run(
        self, script: str, *, timeout_s: float, cancel: Callable[[], bool] = lambda: False, prelude: str = ""
    ) -> Said:
        del timeout_s, cancel, prelude
        return Said(self._facts if script.startswith("queue") else "")

    def cut(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.promise("P28")
@pytest.mark.parametrize(
    ("lock", "job", "forgotten", "proven"),
    [
        ("held", None, True, False),
        ("held", OVER, True, False),
        ("unknown", None, False, False),
        ("unknown", None, True, True),
        ("unknown", OVER, False, True),
        ("free", None, False, True),
    ],
)
def test_what_proves_that_a_run_that_began_is_over(
    lock: str, job: QueuedJob | None, forgotten: bool, proven: bool
) -> None:
    assert bool(proof(BEGUN[lock], job, forgotten=forgotten)) is proven


@pytest.mark.promise("P28")
def test_a_controller_that_lost_its_state_proves_nothing_at_once() -> None:
    shell = Facts("job-code 0\nrun 0\nclaim made\nstarted {}\nlock unknown\n")
    looks = [False, False, True]
    with pytest.raises(MqiError) as caught:
        Ending(Cluster(shell, "/w"), "/w/c/1/1", "c/1/1", Patience(forgotten_s=1000)).run(lambda _s: looks.pop(0))
    assert caught.value.fault.kind == "kill-failed"
    told = Ending(Cluster(shell, "/w"), "/w/c/1/1", "c/1/1", Patience(forgotten_s=0)).run(lambda _s: True)
    assert "Slurm has no job of it" in told
