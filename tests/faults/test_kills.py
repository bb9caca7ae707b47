"""kill -9 of the daemon, of an engine, of its wrapper, of its child: nothing is lost, nothing runs twice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from actors.results import verify_published
from messages.states import CaseState
from tests.kit.daemon import Daemon, claims, engine_processes, run_cli, until
from tests.kit.profiles import profile


def counted_site(folder: Path, *, seconds: float, gpus: int, environment: dict[str, str] | None = None) -> DemoSite:
    """A site whose engine notes every start in ``<site>/starts``: a count that owes nothing to our own books."""
    folder.mkdir()
    starts = folder / "starts"
    starts.touch()
    counted = profile(
        folder,
        command=f"""["sh", "-c", 'echo "$MQI_ATTEMPT" >>"$1"; exec "$2" -m actors.demo.engine "$3"', \
"counted", "{starts}", "{{python}}", "{{input}}"]""",
        environment={"MQI_ENGINE_SECONDS": str(seconds), **(environment or {})},
    )
    return make_site(folder, gpus=gpus, profile=counted, interval_s=0.5, quiet_s=0.2)


def starts(site: DemoSite) -> list[str]:
    return sorted((site.folder / "starts").read_text().split())


def running_beams(daemon: Daemon, at_least: float = 0.0) -> int:
    return sum(
        beam.state == "running" and beam.progress >= at_least for row in daemon.rows().values() for beam in row.beams
    )


def engines(site: DemoSite) -> dict[int, str]:
    """pid → run directory of every engine process proper."""
    found = {}
    for pid in engine_processes(site):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            folder = str(Path(f"/proc/{pid}/cwd").readlink())
        except OSError:
            continue
        if b"actors.demo.engine" in command and b"counted" not in command and b"wrapper" not in command:
            found[pid] = folder
    return found


@pytest.mark.promise("P15")
@pytest.mark.promise("P17")
def test_a_killed_daemon_picks_up_the_same_four_engines(tmp_path: Path) -> None:
    site = counted_site(tmp_path / "site", seconds=12.0, gpus=4)
    for n in (1, 2):
        write_demo_case(site.incoming / f"p{n}", beams=2, layers=3, spots=20, seed=n)
    with Daemon(site) as daemon:
        until(lambda: running_beams(daemon, at_least=0.05) == 4, 40, "four beams run and tell their progress")
        before = engines(site)
        progress = {(row.case, b.number): b.progress for row in daemon.rows().values() for b in row.beams}
        daemon.kill()
        assert engines(site) == before, "engines outlive the daemon"
        daemon.start()
        until(lambda: running_beams(daemon, at_least=0.06) == 4, 20, "all four are picked up with their progress")
        assert engines(site) == before, "the same processes"
        assert len(claims(site)) == 4
        for row in daemon.rows().values():
            assert all(beam.progress >= progress[row.case, beam.number] for beam in row.beams)
        rows = daemon.until_ended(2)
    assert {row.state for row in rows.values()} == {CaseState.DONE}
    assert len(starts(site)) == 4
    assert len(set(starts(site))) == 4
    assert all(verify_published(site.results / case) == () for case in rows)


def one_beam(tmp_path: Path, environment: dict[str, str] | None = None) -> DemoSite:
    site = counted_site(tmp_path / "site", seconds=3.0, gpus=1, environment=environment)
    write_demo_case(site.incoming / "p1", beams=1, layers=3, spots=20, seed=1)
    return site


def retried_once(site: DemoSite, daemon: Daemon, *, words: str) -> None:
    rows = daemon.until_ended(1)
    (row,) = rows.values()
    assert row.state == CaseState.DONE
    assert [key.rsplit("/", 1)[1] for key in starts(site)] == ["1", "2"], "a new attempt, each started once"
    first, second = Reader(site.ledger).attempts(row.case)
    assert first.state == "failed"
    assert words in first.evidence
    assert second.state == "verified"


@pytest.mark.promise("P18")
def test_a_killed_engine_is_retried(tmp_path: Path) -> None:
    site = one_beam(tmp_path)
    with Daemon(site) as daemon:
        until(lambda: running_beams(daemon) == 1 and engines(site), 40)
        (pid,) = engines(site)
        os.kill(pid, signal.SIGKILL)
        retried_once(site, daemon, words="signal")


@pytest.mark.promise("P28")
def test_a_killed_wrapper_keeps_the_gpu_until_its_engine_is_gone(tmp_path: Path) -> None:
    """The engine goes on without its wrapper: its lock is the proof, and no second engine shares the GPU meanwhile."""
    site = one_beam(tmp_path)
    with Daemon(site) as daemon:
        until(lambda: running_beams(daemon) == 1 and engines(site), 40)
        (pid,) = engines(site)
        wrapper = _wrapper(site)
        os.kill(wrapper, signal.SIGKILL)
        seen = set()
        deadline = time.monotonic() + 60
        while len(starts(site)) < 2:
            seen.add(len(engines(site)))
            assert time.monotonic() < deadline, daemon.output()
            time.sleep(0.02)
        assert max(seen) == 1, "never two engines on one GPU"
        assert pid not in engines(site), "the first engine was gone before the second began"
        retried_once(site, daemon, words="kill")


def _wrapper(site: DemoSite) -> int:
    for pid in engine_processes(site):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if command[0].endswith(b"sh") and b"wrapper-" in command[1]:
            return pid
    raise AssertionError("no wrapper runs")


@pytest.mark.promise("P28")
def test_a_child_of_a_killed_engine_is_gone_before_the_next_run(tmp_path: Path) -> None:
    site = one_beam(tmp_path, {"MQI_ENGINE_SPAWN_CHILD": "1"})
    with Daemon(site) as daemon:
        until(lambda: running_beams(daemon) == 1 and engines(site) and _sleepers(site), 40)
        (pid,) = engines(site)
        (child,) = _sleepers(site)
        os.kill(pid, signal.SIGKILL)
        until(lambda: len(starts(site)) == 2, 60)
        assert child not in _sleepers(site)
        retried_once(site, daemon, words="signal")


@pytest.mark.promise("P18")
def test_a_killed_child_harms_nobody(tmp_path: Path) -> None:
    site = one_beam(tmp_path, {"MQI_ENGINE_SPAWN_CHILD": "1"})
    with Daemon(site) as daemon:
        (child,) = until(lambda: running_beams(daemon) == 1 and _sleepers(site), 40)
        os.kill(child, signal.SIGKILL)
        (row,) = daemon.until_ended(1).values()
        assert row.state == CaseState.DONE
        assert len(starts(site)) == 1


def _sleepers(site: DemoSite) -> list[int]:
    found = []
    for pid in engine_processes(site):
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"sleep\0" + b"900"):
                found.append(pid)
        except OSError:
            continue
    return found


@pytest.mark.promise("P38")
def test_sigterm_leaves_engines_running_and_stops_soon(tmp_path: Path) -> None:
    site = one_beam(tmp_path)
    with Daemon(site) as daemon:
        until(lambda: running_beams(daemon) == 1 and engines(site), 40)
        before = engines(site)
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 10
        assert engines(site) == before
        assert run_cli("status", "--conf", str(site.conf)).returncode == 0
        daemon.start()
        (row,) = daemon.until_ended(1).values()
        assert row.state == CaseState.DONE
        assert len(starts(site)) == 1
