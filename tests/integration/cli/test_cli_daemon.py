"""The daemon's life with a small tree: signals, reload, giving up, stopping in time (P22, P36, P38)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.cli.daemon.engine import engine_program, engine_version
from actors.cli.daemon.lock import holder
from actors.formats import load_profile
from actors.settings import SHIPPED
from messages.engine import EngineProfile
from tests.kit import wait_until

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import os, sys, threading, time
from pathlib import Path
from actors.cli.daemon.run import run_daemon
from actors.cli.entry import run as run_command
from actors.supervision import Actor, Spec, System, supervisor

mode = sys.argv[2]

class Worker(Actor):
    def started(self):
        if mode == "crashes": raise RuntimeError("boom")
    def receive(self, message): pass
    def stopped(self):
        if mode == "hangs": time.sleep(60)

class Small:
    def build(self, daemon, boot):
        children = [Spec("worker", Worker, stop_timeout_s=100.0 if mode == "hangs" else 5.0)]
        print("boot", boot, flush=True)
        return System(supervisor("root", children, max_restarts=1), boot=boot)
    def take_over(self, daemon, running):
        if mode == "fails": raise ValueError("cannot")
        print("quiet", daemon.settings.scan.quiet_s, flush=True)

sys.exit(run_daemon(Path(sys.argv[1]), os.environ, Small()))
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    path = tmp_path / "mqi-actors.toml"
    path.write_text(
        '[daemon]\nstate_dir = "state"\nlog_dir = "log"\n[scan]\nroots = ["in"]\nquiet_s = 1\n'
        '[results]\ndir = "results"\n[engine]\nprofile = "reference"\n'
        '[[hosts]]\nname = "here"\nkind = "local"\nworkspace = "runs"\ngpus = 2\n'
    )
    return path


@contextmanager
def daemon(conf: Path, mode: str = "good") -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, str(conf), mode]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def log(conf: Path) -> str:
    path = conf.parent / "log" / "operators.log"
    return path.read_text() if path.exists() else ""


def says(conf: Path, words: str) -> None:
    wait_until(lambda: words in log(conf), 10.0, what=words)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.promise("P38")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_in_order_and_leaves_nothing_behind(conf: Path, number: signal.Signals) -> None:
    with daemon(conf) as process:
        assert line(process) == "boot 1"
        says(conf, "hosts here")
        found = holder(conf.parent / "state")
        assert found is not None
        assert (found.pid, found.boot) == (process.pid, 1)
        assert found.socket.endswith("control.sock")
        process.send_signal(number)
        assert process.wait(10) == 0
    assert f"ordered by {number.name}" in log(conf)
    assert log(conf).splitlines()[-1].endswith("| stopped")
    assert holder(conf.parent / "state") is None
    with daemon(conf) as process:
        assert line(process) == "boot 2"
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@pytest.mark.promise("P38")
def test_a_hanging_actor_does_not_keep_it_from_ending_within_ten_seconds(conf: Path) -> None:
    with daemon(conf, "hangs") as process:
        says(conf, "hosts here")
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(12) == 0
        assert time.monotonic() - began < 10.0
    assert "not every actor ended in order" in log(conf)


@pytest.mark.promise("P35")
def test_a_tree_that_gave_up_ends_the_process_with_70(conf: Path) -> None:
    with daemon(conf, "crashes") as process:
        assert process.wait(20) == 70
    (last,) = [text for text in log(conf).splitlines() if "the daemon gives up" in text]
    assert "boom" in last or "RestartsSpent" in last
    assert holder(conf.parent / "state") is None


@pytest.mark.promise("P38", "P36")
def test_sighup_takes_over_what_it_can_and_says_what_it_cannot(conf: Path) -> None:
    with daemon(conf) as process:
        assert line(process) == "boot 1"
        says(conf, "hosts here")
        good = conf.read_text()
        conf.write_text(good.replace("quiet_s = 1", "quiet_s = 9").replace('"results"', '"other"'))
        process.send_signal(signal.SIGHUP)
        assert line(process) == "quiet 9.0"
        says(conf, "in force now: scan.quiet_s")
        says(conf, "these wait for the next start: results.dir")
        conf.write_text(good.replace("quiet_s", "quite_s"))
        process.send_signal(signal.SIGHUP)
        says(conf, 'did you mean "quiet_s"')
        assert process.poll() is None
        conf.write_text(good.replace("quiet_s = 1", "quiet_s = 9"))
        process.send_signal(signal.SIGHUP)
        says(conf, "in force now: nothing new")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_reload_that_fails_is_told_and_the_daemon_goes_on(conf: Path) -> None:
    with daemon(conf, "fails") as process:
        says(conf, "hosts here")
        conf.write_text(conf.read_text().replace("quiet_s = 1", "quiet_s = 9"))
        process.send_signal(signal.SIGHUP)
        says(conf, "the configuration was not taken over: ValueError: cannot")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


@pytest.mark.promise("P22")
def test_kill_9_and_start_again(conf: Path) -> None:
    with daemon(conf) as process:
        assert line(process) == "boot 1"
        says(conf, "hosts here")
        process.kill()
        process.wait()
    with daemon(conf) as process:
        assert line(process) == "boot 2"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def cli(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "actors.cli", *words],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.promise("P22")
def test_start_beside_a_running_daemon_exits_5_and_says_who(conf: Path) -> None:
    with daemon(conf) as process:
        says(conf, "hosts here")
        second = cli("start", "--conf", str(conf))
        assert second.returncode == 5
        assert f"pid {process.pid}" in second.stderr
        assert len(second.stderr.splitlines()) <= 3
        process.send_signal(signal.SIGTERM)
        process.wait(10)


@pytest.mark.promise("P36")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("quiet_s = 1", 'quite_s = 1\nmarkr = "x"'), 'did you mean "marker"'),
        (('"state"', '"/proc/nothing/state"'), "daemon.state_dir cannot be made"),
        (('"reference"', '"broken.toml"'), "engine profile"),
    ],
)
def test_nothing_starts_half_configured(conf: Path, change: tuple[str, str], words: str) -> None:
    (conf.parent / "broken.toml").write_text('dialect = "moqui"\n')
    conf.write_text(conf.read_text().replace(*change))
    done = cli("start", "--conf", str(conf))
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not (conf.parent / "state" / "ledger.sqlite").exists()


def test_a_damaged_ledger_is_refused_with_the_way_back(conf: Path) -> None:
    (conf.parent / "state").mkdir()
    (conf.parent / "state" / "ledger.sqlite").write_bytes(b"no database at all" * 1000)
    done = cli("start", "--conf", str(conf))
    assert done.returncode == 2
    assert "The ledger is damaged" in done.stderr
    assert cli("cases", "--conf", str(conf), "--json").returncode == 2


def test_the_engine_is_named_by_its_version_or_its_hash(tmp_path: Path) -> None:
    profile = load_profile("moqui-smc", SHIPPED / "engines")
    assert engine_program(profile) == "/opt/moqui/bin/tps_env"
    assert engine_version(profile).startswith("unknown: there is no program")

    def version(*command: str) -> str:
        return engine_version(profile.model_copy(update={"version_command": command}))

    assert version("{python}", "-c", "print('v  7\\n')") == "v 7"
    assert version("{python}", "-c", "exit(3)").endswith("ended with 3")
    assert version(str(tmp_path / "none")).startswith("unknown:")
    program = tmp_path / "engine"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    hashed: EngineProfile = profile.model_copy(update={"command": ("nice", str(program))})
    assert engine_version(hashed).startswith("sha256:")
    assert len(engine_version(hashed)) == 7 + 64
    assert engine_program(profile.model_copy(update={"command": ("stdbuf",)})) == "stdbuf"


def test_it_runs_where_the_standard_streams_are_closed(conf: Path) -> None:
    """Some process supervisors close them; what is printed must not go into the ledger's file."""
    process = subprocess.Popen(
        ["sh", "-c", 'exec "$0" -m actors.cli start --conf "$1" <&- >&- 2>&-', sys.executable, str(conf)], cwd=ROOT
    )
    try:
        wait_until(lambda: (found := holder(conf.parent / "state")) and found.boot, 20.0)
        assert {str(Path(f"/proc/{process.pid}/fd/{number}").readlink()) for number in range(3)} == {os.devnull}
        assert cli("status", "--conf", str(conf)).returncode == 0
    finally:
        process.terminate()
        assert process.wait(12) == 0


def test_a_command_runs_where_stdout_is_closed(conf: Path) -> None:
    words = ["sh", "-c", 'exec "$0" -m actors.cli status --conf "$1" >&-', sys.executable, str(conf)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.promise("P37")
def test_both_logs_of_a_run_have_the_same_events(conf: Path) -> None:
    with daemon(conf) as process:
        says(conf, "hosts here")
        process.send_signal(signal.SIGTERM)
        process.wait(10)
        assert process.stderr is not None
        printed = process.stderr.read()
    twins = [json.loads(text)["text"] for text in (conf.parent / "log" / "events.jsonl").read_text().splitlines()]
    assert [text.split(" | ", 1)[1] for text in log(conf).splitlines()] == twins
    assert printed == log(conf)
