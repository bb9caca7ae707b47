"""A fault that no restart of an actor mends: the daemon leaves with 70, supervisord starts it anew, nothing is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from messages.states import BeamState
from tests.kit.counted import CountedSite, counted_site, judge
from tests.kit.daemon import Daemon, run_cli, until
from tests.kit.fire import Blow, Fire, Kind
from tests.kit.supervisord import ROOT, Supervisord, needed

BUDGETS = 6 * 4
"""Crashes of one child of the pipeline until the pipeline, and then the root, have spent theirs."""


def running(daemon: Daemon) -> int:
    return sum(beam.state is BeamState.RUNNING for row in daemon.rows().values() for beam in row.beams)


@pytest.mark.promise("P15")
@pytest.mark.promise("P35")
def test_a_daemon_that_gives_up_is_started_again_and_every_engine_is_picked_up(tmp_path: Path) -> None:
    needed()
    fire = Fire(tmp_path / "fire")
    with counted_site(tmp_path / "site", seconds=4.0) as counted:
        site, daemon = counted.site, Daemon(counted.site)  # to look only: supervisord runs it
        words = " ".join(f"{name}={value}" for name, value in fire.environment.items())
        command = f"env {words} {sys.executable} -m tests.kit.fire start --conf {site.conf}"
        with Supervisord(tmp_path / "supervisor", command, ROOT) as supervisord:
            first = until(lambda: supervisord.pid, 20, "supervisord starts the daemon")
            for seed in (1, 2):
                write_demo_case(site.incoming / f"p{seed}", beams=2, layers=2, spots=10, seed=seed)
            until(lambda: running(daemon) == 4, 40, "four engines run")
            fire.strike(Blow("root/pipeline/ledger", Kind.START, starts=BUDGETS))
            until(lambda: supervisord.pid not in (0, first), 40, "supervisord starts another daemon")
            rows = until(lambda: daemon.ended(2), 60, "both cases end")
            until(lambda: all(row.cleaned for row in daemon.rows().values()), 30, "cleaned up")
            assert run_cli("status", "--conf", str(site.conf)).returncode == 0
            supervisord.ctl("stop", "mqi-actors")
        assert len(rows) == 2
        assert "exit status 70; not expected" in (tmp_path / "supervisor" / "supervisord.log").read_text()
        _told(counted)
        assert len(counted.starts) == 4, "no engine was started a second time"
        assert judge(counted, 2) == []


def _told(counted: CountedSite) -> None:
    """The log says in one line each what gave up, up to the process."""
    log = counted.site.log.read_text()
    assert "escalates: ledger crashed more than" in log
    assert "the daemon gives up: RestartsSpent" in log
