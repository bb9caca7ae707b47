"""Operators' orders to the real daemon: while it runs, right before it is killed, and while it is down (P34)."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite
from actors.ledger import Reader
from actors.results import verify_published
from messages.states import BeamState, CaseState
from tests.faults.test_kills import counted_site, engines, running_beams
from tests.kit.daemon import Daemon, run_cli, until


def cli(site: DemoSite, *words: str, code: int = 0) -> dict[str, Any]:
    """A command with ``--json``."""
    done = run_cli(*words, "--json", "--conf", str(site.conf))
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def state(daemon: Daemon, case: str) -> CaseState:
    return daemon.rows()[case].state


@pytest.mark.promise("P34")
@pytest.mark.promise("P28")
def test_orders_while_it_runs_and_right_before_it_is_killed(tmp_path: Path) -> None:
    site = counted_site(tmp_path / "site", seconds=150.0, gpus=1)
    for n in (1, 2):
        write_demo_case(site.incoming / f"p{n}", beams=1, layers=3, spots=20, seed=n)
    with Daemon(site) as daemon:
        until(lambda: running_beams(daemon) == 1 and len(daemon.rows()) == 2 and engines(site), 40)
        first = next(row.case for row in daemon.rows().values() if row.beams[0].state is BeamState.RUNNING)
        second = next(case for case in daemon.rows() if case != first)
        number = daemon.rows()[first].beams[0].number
        # while it runs: what runs is ended, and only then the GPU is the other case's
        answer = cli(site, "cancel", first)
        assert answer["outcome"].startswith(f"done: it is cancelled; beam {number} on this/gpu-0 is being ended")
        until(lambda: running_beams(daemon) == 1 and daemon.rows()[second].beams[0].state is BeamState.RUNNING, 20)
        assert [Path(folder).parts[-3] for folder in engines(site).values()] == [second]
        assert state(daemon, first) is CaseState.CANCELLED
        until(lambda: daemon.rows()[first].cleaned, 20, "nothing of it is left")
        assert not (site.workspace / first).exists()
        assert cli(site, "cancel", first)["outcome"] == "nothing to do: it is cancelled already"
        # its beginning names a case; what is wrong says so
        assert cli(site, "priority", second[:-2], "7")["outcome"] == "done: its priority is 7, it was 0"
        cli(site, "hold", "nobody", code=4)
        cli(site, "retry", second, "9", code=4)
        cli(site, "priority", second, "much", code=2)
        cli(site, "drain", "that", code=4)
        drained = cli(site, "drain", "this/0")
        assert drained["outcome"].startswith("done: nothing new starts on this/0")
        until(lambda: daemon.cli("status")["hosts"][0]["gpus"][0]["state"] == "draining", 10)
        assert f"{second} beam {number} " in daemon.cli("why", "this/0")["why"]
        assert engines(site), "what runs goes on"
        # killed right after the command returned
        answer = cli(site, "cancel", second)
        daemon.kill()
        daemon.start()
        until(lambda: state(daemon, second) is CaseState.CANCELLED and not engines(site), 20)
        until(lambda: Reader(site.ledger).order(answer["order"]).outcome, 10)  # type: ignore[union-attr]
    assert not engines(site)


@pytest.mark.promise("P34")
def test_orders_given_while_it_is_down_take_effect_at_the_next_start(tmp_path: Path) -> None:
    site = counted_site(tmp_path / "site", seconds=150.0, gpus=1)
    write_demo_case(site.incoming / "p1", beams=1, layers=3, spots=20, seed=1)
    with Daemon(site) as daemon:
        until(lambda: running_beams(daemon) == 1 and engines(site), 40)
        (case,) = daemon.rows()
        daemon.kill()
        answers = [
            cli(site, "drain", "this"),
            cli(site, "cancel", case),
            cli(site, "pause"),
            cli(site, "submit", str(site.incoming / "p1")),
        ]
        assert all(answer["outcome"] is None for answer in answers)
        assert "it takes effect when the daemon starts" in answers[0]["text"]
        assert engines(site), "nothing is done before"
        status = daemon.cli("status")
        assert status["daemon"]["state"] == "stopped"
        assert [order["kind"] for order in status["orders"]] == ["drain", "cancel", "pause", "submit"]
        daemon.start()

        def outcomes() -> list[str]:
            rows = [Reader(site.ledger).order(answer["order"]) for answer in answers]
            return [row.outcome for row in rows if row is not None and row.outcome]

        until(lambda: len(outcomes()) == len(answers), 30, "all are carried out")
        assert outcomes()[1].startswith("done: it is cancelled; beam")
        until(lambda: state(daemon, case) is CaseState.CANCELLED and not engines(site), 20)
        status = daemon.cli("status")
        assert status["paused"].startswith(f"by {getpass.getuser()}")
        until(lambda: daemon.cli("status")["hosts"][0]["state"] == "drained", 10)
        assert cli(site, "resume", "this")["outcome"] == "done: this may take work again"


@pytest.mark.promise("P34")
@pytest.mark.promise("P18")
def test_a_held_case_runs_to_its_end_and_is_published_once_it_is_released(tmp_path: Path) -> None:
    site = counted_site(tmp_path / "site", seconds=12.0, gpus=1)
    write_demo_case(site.incoming / "p1", beams=2, layers=3, spots=20, seed=1)
    with Daemon(site) as daemon:
        until(lambda: running_beams(daemon) == 1 and engines(site), 40)
        (case,) = daemon.rows()
        assert cli(site, "hold", case)["outcome"].startswith("done: it is held")
        assert "runs on to its end" in daemon.cli("why", case)["why"]
        until(lambda: BeamState.DONE in {beam.state for beam in daemon.rows()[case].beams}, 20)
        done, other = sorted(daemon.rows()[case].beams, key=lambda beam: beam.state is not BeamState.DONE)
        assert other.state is BeamState.INTERPRETED
        daemon.kill()
        daemon.start()
        assert state(daemon, case) is CaseState.HELD
        assert not engines(site)
        assert cli(site, "release", case)["outcome"] == "done: it goes on from where it was: running"
        row = daemon.until_ended(1)[case]
        assert row.state is CaseState.DONE
        assert verify_published(site.results / case) == ()
        assert cli(site, "retry", case, str(done.number), code=1)["outcome"].startswith("refused: it is done")
        history = [event.detail for event in Reader(site.ledger).events(case) if event.what.startswith("order: hold")]
        assert history[0] == f"by {getpass.getuser()}", "who gave it"
