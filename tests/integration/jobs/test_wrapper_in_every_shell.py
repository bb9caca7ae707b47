"""The wrapper itself, in every POSIX shell that is here: its claim, its evidence, its signals, its fall-backs."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.jobs import ATTEMPT, RUN_DIR, Lock, job_files, parse_engine, parse_exit, parse_started, wrapper_script
from actors.local_host.looking import look, probe
from actors.local_host.processes import boot_id
from messages.jobs import JobExit, JobSpec, Observation
from tests.kit.disks import fill, small_disk
from tests.kit.hosts import end_all, processes_in
from tests.kit.waiting import wait_until

SHELLS = {
    "sh": ("sh",),
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
    "mksh": ("mksh",),
}
HERE = {name: command for name, command in SHELLS.items() if shutil.which(command[0])}
DUMP = "import os, sys, json; json.dump([sys.argv[1:], dict(os.environ)], open('dump', 'w'))"


@dataclass(frozen=True)
class Bench:
    """A shell and a folder to run in."""

    shell: tuple[str, ...]
    folder: Path

    def prepare(self, name: str, *command: str, environment: dict[str, str] | None = None, limit_s: int = 30) -> Path:
        run_dir = self.folder / name
        run_dir.mkdir()
        job = JobSpec(f"k/{name}", str(run_dir), 5, command, tuple((environment or {}).items()), limit_s)
        for file, content in job_files(job, grace_s=1).items():
            (run_dir / file).write_bytes(content)
        (self.folder / "wrapper.sh").write_bytes(wrapper_script())
        return run_dir

    def begin(self, run_dir: Path, path: str | None = None) -> subprocess.Popen[bytes]:
        """Not detached, so that the test knows its end."""
        environment = {**os.environ, **({"PATH": path} if path else {})}
        shell = shutil.which(self.shell[0])
        assert shell
        return subprocess.Popen(
            [shell, *self.shell[1:], str(self.folder / "wrapper.sh"), str(run_dir)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )

    def run(self, run_dir: Path, path: str | None = None) -> tuple[str, str, int]:
        """To the end: standard output, error output, exit code."""
        with self.begin(run_dir, path) as wrapper:
            out, err = wrapper.communicate(timeout=20)
        return out.decode(), err.decode(), wrapper.returncode

    def exit(self, run_dir: Path) -> JobExit:
        return parse_exit((run_dir / "exit.json").read_text(), f"k/{run_dir.name}")


@pytest.fixture(params=sorted(HERE))
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield Bench(HERE[request.param], tmp_path)
    end_all(tmp_path)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Bench]:
    yield Bench(("sh",), tmp_path)
    end_all(tmp_path)


def started(wrapper: subprocess.Popen[bytes]) -> None:
    assert wrapper.stdout is not None
    assert wrapper.stdout.readline() == b"started\n"


def test_at_least_one_shell_is_here() -> None:
    assert HERE


def test_a_run_leaves_its_whole_evidence(bench: Bench) -> None:
    run_dir = bench.prepare("1", "sh", "-c", "echo hello; pwd; exit 9")
    assert bench.run(run_dir) == ("started\n", "", 0)
    begun = parse_started((run_dir / "claim/started.json").read_text())
    engine = parse_engine((run_dir / "claim/engine").read_text())
    ending = bench.exit(run_dir)
    assert begun is not None
    assert engine is not None
    assert (begun.key, begun.epoch, begun.boot_id, begun.locks) == ("k/1", 5, boot_id(), True)
    assert (ending.epoch, ending.exit_code, ending.boot_id) == (5, 9, boot_id())
    assert ending.started == begun.started
    assert ending.started.endswith("+00:00") or ending.started[-6] in "+-"
    assert (run_dir / "engine.log").read_text() == f"hello\n{run_dir}\n"
    assert sorted(path.name for path in (run_dir / "claim").iterdir()) == ["engine", "lock", "started.json"]


@pytest.mark.promise("P14")
@pytest.mark.promise("P32")
def test_hostile_words_reach_the_engine_byte_for_byte(bench: Bench) -> None:
    words = (
        "$(touch pwned)",
        "`touch pwned`",
        "'; touch pwned; '",
        '"',
        "\\",
        "\n",
        "-e",
        "a=b",
        "",
        "*",
        "~",
        "\t",
        "빔",
        "\udcff\x81\x82\x88",
    )
    environment = {"ODD": "'; touch pwned; '\n$HOME", "EMPTY": "", "engine": "1", "IFS": "x", "code": "7"}
    environment["RAW"] = "\udcff\udc81\udc88"
    run_dir = bench.prepare("1", sys.executable, "-c", DUMP, *words, environment=environment)
    assert bench.run(run_dir)[0] == "started\n"
    arguments, variables = json.loads((run_dir / "dump").read_text())
    assert tuple(arguments) == words
    assert {name: variables[name] for name in environment} == environment
    assert (variables[ATTEMPT], variables[RUN_DIR]) == ("k/1", str(run_dir))
    assert not (run_dir / "pwned").exists()


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=30)
BYTES = st.binary(max_size=30).map(lambda raw: os.fsdecode(raw.replace(b"\0", b"")))
WORD = st.one_of(TEXT, BYTES)
NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).map(lambda name: f"X_{name}")


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
@given(st.lists(WORD, max_size=12), st.dictionaries(NAME, WORD, max_size=8))
def test_any_argument_and_any_value_survives_the_shell(bench: Bench, words: list[str], values: dict[str, str]) -> None:
    run_dir = bench.prepare("any", sys.executable, "-c", DUMP, *words, environment=values)
    try:
        assert bench.run(run_dir)[0] == "started\n"
        arguments, variables = json.loads((run_dir / "dump").read_text())
        assert arguments == words
        assert {name: variables.get(name) for name in values} == values
    finally:
        shutil.rmtree(run_dir)


@pytest.mark.promise("P26")
def test_the_limit_ends_it_and_says_so(bench: Bench) -> None:
    run_dir = bench.prepare("1", "sh", "-c", "trap '' TERM; sleep 71 & while :; do sleep 72; done", limit_s=1)
    begun = time.monotonic()
    bench.run(run_dir)
    assert 0.9 < time.monotonic() - begun < 6
    ending = bench.exit(run_dir)
    assert ending.timed_out
    assert not ending.cancelled
    assert ending.signal == signal.SIGKILL
    wait_until(lambda: not processes_in(run_dir), 1)


def test_a_cancel_ends_it_and_says_so(bench: Bench) -> None:
    run_dir = bench.prepare("1", "sleep", "73")
    with bench.begin(run_dir) as wrapper:
        started(wrapper)
        wrapper.send_signal(signal.SIGUSR2)
        wrapper.wait(5)
    ending = bench.exit(run_dir)
    assert ending.cancelled
    assert not ending.timed_out
    assert ending.signal in (signal.SIGTERM, signal.SIGKILL), "TERM is lost on an engine that is not quite there yet"


@pytest.mark.promise("P21")
def test_a_shutdown_ends_it_and_leaves_no_evidence_of_an_end(bench: Bench) -> None:
    run_dir = bench.prepare("1", "sh", "-c", "setsid sleep 74 & sleep 75")
    with bench.begin(run_dir) as wrapper:
        started(wrapper)
        wrapper.terminate()
        wrapper.wait(5)
    assert not (run_dir / "exit.json").exists()
    assert look(run_dir, "k/1", boot_id()).observation is Observation.KILLED
    wait_until(lambda: not processes_in(run_dir), 1)


@pytest.mark.promise("P26")
def test_the_limit_holds_even_without_the_wrapper(bench: Bench) -> None:
    run_dir = bench.prepare("1", "sleep", "76", limit_s=1)
    with bench.begin(run_dir) as wrapper:
        started(wrapper)
        wrapper.kill()
    assert look(run_dir, "k/1", boot_id()).observation is Observation.RUNNING
    wait_until(lambda: probe(run_dir / "claim/lock") is Lock.FREE, 5)
    assert look(run_dir, "k/1", boot_id()).observation is Observation.KILLED
    wait_until(lambda: not processes_in(run_dir), 2)


@pytest.mark.promise("P28")
def test_the_lock_is_held_by_any_child_that_lives(bench: Bench) -> None:
    run_dir = bench.prepare("1", "sh", "-c", "sleep 77 & echo $! > child; exec sleep 78")
    with bench.begin(run_dir) as wrapper:
        started(wrapper)
        child = int(wait_until(lambda: (run_dir / "child").exists() and (run_dir / "child").read_text()))
        engine = parse_engine((run_dir / "claim/engine").read_text())
        assert engine is not None
        wrapper.kill()
    os.kill(engine.pid, signal.SIGKILL)
    assert probe(run_dir / "claim/lock") is Lock.HELD
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: probe(run_dir / "claim/lock") is Lock.FREE)


@pytest.mark.promise("P28")
def test_those_who_fled_are_found_by_their_mark_and_nobody_else(bench: Bench) -> None:
    """Two systems on one host may have attempts of the same key: the run directory tells them apart."""
    near = {ATTEMPT: "k/1", RUN_DIR: f"{bench.folder}/11"}
    stranger = subprocess.Popen(["sleep", "79"], env={**os.environ, **near}, start_new_session=True)
    try:
        flight = "import subprocess; subprocess.Popen(['sleep', '80'], start_new_session=True)"
        run_dir = bench.prepare("1", sys.executable, "-c", flight)
        bench.run(run_dir)
        assert bench.exit(run_dir).exit_code == 0
        # the wrapper's own guard may still be on its way out; who fled would sleep for much longer
        wait_until(lambda: not processes_in(run_dir), 10)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.promise("P28")
def test_a_second_start_finds_the_claim_and_does_nothing(bench: Bench) -> None:
    run_dir = bench.prepare("1", "sh", "-c", "echo run >> runs; sleep 0.3")
    wrappers = [bench.begin(run_dir) for _ in range(8)]
    answers = sorted(wrapper.communicate(timeout=20)[0] for wrapper in wrappers)
    assert answers == [b"started\n"] + [b"taken\n"] * 7
    assert (run_dir / "runs").read_text() == "run\n"
    assert bench.run(run_dir) == ("taken\n", "", 0)


def test_a_voided_claim_is_never_begun(bench: Bench) -> None:
    """The observer was faster between the claim and the lock: here it is made to wait for that moment."""
    run_dir = bench.prepare("1", "touch", "ran")
    tools = bench.folder / "tools"
    tools.mkdir()
    (tools / "flock").write_text(f'#!/bin/sh\ntouch {run_dir}/claim/void\nexec {shutil.which("flock")} "$@"\n')
    (tools / "flock").chmod(0o755)
    assert bench.run(run_dir, f"{tools}:{os.environ['PATH']}")[0] == "void\n"
    assert not (run_dir / "ran").exists()
    assert look(run_dir, "k/1", boot_id()).observation is Observation.KILLED


def test_a_launcher_that_is_gone_hurts_nothing(bench: Bench) -> None:
    run_dir = bench.prepare("1", "sh", "-c", "sleep 0.1; exit 4")
    with bench.begin(run_dir) as wrapper:
        assert wrapper.stdout is not None
        wrapper.stdout.close()
        wrapper.wait(10)
    assert bench.exit(run_dir).exit_code == 4


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda run_dir: (run_dir / "job.sh").unlink(), "no job.sh"),
        (shutil.rmtree, "no run directory"),
        (lambda run_dir: (run_dir / "claim").write_text(""), "cannot make the claim"),
        (lambda run_dir: (run_dir / "out").write_text(""), "cannot make out/"),
        (lambda run_dir: (run_dir / "engine.log").mkdir(), "cannot write engine.log"),
    ],
)
def test_what_cannot_start_is_refused_with_the_reason(bench: Bench, spoil: Callable[[Path], object], why: str) -> None:
    run_dir = bench.prepare("1", "touch", "ran")
    spoil(run_dir)
    out, _, code = bench.run(run_dir)
    assert out.startswith("refused ")
    assert why in out
    assert code == 73
    assert not (run_dir / "ran").exists()


def test_a_relative_run_directory_is_refused(plain: Bench) -> None:
    plain.prepare("1", "true")
    assert plain.run(Path("1"))[0].startswith("refused the run directory must be absolute")


def tools_without(folder: Path, *missing: str) -> str:
    """A PATH with all that the wrapper may use but these."""
    tools = folder / "bin"
    tools.mkdir()
    wanted = ["sh", "mkdir", "mv", "date", "env", "sleep", "grep", "sync", "flock", "setsid", "stdbuf", "touch", "perl"]
    for name in set(wanted) - set(missing):
        if found := shutil.which(name):
            (tools / name).symlink_to(found)
    if "python3" not in missing:
        (tools / "python3").symlink_to(sys.executable)
    return str(tools)


def test_without_locks_pid_and_start_time_decide(plain: Bench) -> None:
    path = tools_without(plain.folder, "flock")
    run_dir = plain.prepare("1", "sh", "-c", "while [ ! -e go ]; do sleep 0.05; done")
    with plain.begin(run_dir, path) as wrapper:
        started(wrapper)
        begun = parse_started((run_dir / "claim/started.json").read_text())
        assert begun is not None
        assert not begun.locks
        assert look(run_dir, "k/1", boot_id()).observation is Observation.RUNNING
        assert look(run_dir, "k/1", "").observation is Observation.UNKNOWN
        assert look(run_dir, "k/1", "another-boot").observation is Observation.KILLED
        wrapper.kill()
        wrapper.wait()
        assert look(run_dir, "k/1", boot_id()).observation is Observation.RUNNING
        (run_dir / "go").touch()
        wait_until(lambda: look(run_dir, "k/1", boot_id()).observation is Observation.KILLED)


@pytest.mark.parametrize("missing", [("stdbuf",), ("setsid",), ("setsid", "python3", "stdbuf"), ("grep",), ("sync",)])
def test_fall_backs_keep_the_promise(plain: Bench, missing: tuple[str, ...]) -> None:
    if missing == ("setsid", "python3", "stdbuf") and not shutil.which("perl"):
        pytest.skip("no perl here")
    path = tools_without(plain.folder, *missing)
    run_dir = plain.prepare("1", "sh", "-c", "sleep 81 & echo said; exit 3")
    assert plain.run(run_dir, path)[0] == "started\n"
    assert plain.exit(run_dir).exit_code == 3
    assert (run_dir / "engine.log").read_text() == "said\n"
    assert not processes_in(run_dir)


def test_without_a_way_to_a_session_of_its_own_the_run_is_refused(plain: Bench) -> None:
    run_dir = plain.prepare("1", "touch", "ran")
    out, _, _ = plain.run(run_dir, tools_without(plain.folder, "setsid", "python3", "perl"))
    assert "util-linux" in out
    assert not (run_dir / "claim").exists()


@pytest.mark.promise("P20")
def test_a_disk_that_fills_up_during_the_run_cannot_swallow_the_end(plain: Bench) -> None:
    with small_disk(plain.folder / "disk", 400) as disk:
        bench = Bench(plain.shell, disk)
        run_dir = bench.prepare(
            "1", "sh", "-c", "while [ ! -e /proc/$PPID/nothing ] && [ ! -e go ]; do sleep 0.05; done"
        )
        with bench.begin(run_dir) as wrapper:
            started(wrapper)
            os.mkfifo(run_dir / "go")
            fill(disk)
            wrapper.wait(10)
        assert bench.exit(run_dir).exit_code == 0


@pytest.mark.promise("P20")
def test_on_a_full_disk_nothing_begins(plain: Bench) -> None:
    with small_disk(plain.folder / "disk", 400) as disk:
        bench = Bench(plain.shell, disk)
        run_dir = bench.prepare("1", "touch", "ran")
        ballast = fill(disk)
        out, _, _ = bench.run(run_dir)
        assert out.startswith("refused ")
        ballast.unlink()
        assert not (run_dir / "ran").exists()
        assert look(run_dir, "k/1", boot_id()).observation in (Observation.KILLED, Observation.ABSENT)


@pytest.mark.promise("P20")
def test_an_end_that_cannot_be_written_waits_for_room(plain: Bench) -> None:
    """The room taken in advance is lost too: the run stays "running", with its lock, until there is room."""
    with small_disk(plain.folder / "disk", 400) as disk:
        bench = Bench(plain.shell, disk)
        run_dir = bench.prepare("1", "sh", "-c", "while [ ! -e go ]; do sleep 0.05; done")
        with bench.begin(run_dir) as wrapper:
            started(wrapper)
            wait_until(lambda: (run_dir / "claim/engine").exists() and (run_dir / "claim/engine").read_text())
            (run_dir / "claim/exit.tmp").unlink()
            os.mkfifo(run_dir / "go")
            ballast = fill(disk)
            engine = parse_engine((run_dir / "claim/engine").read_text())
            assert engine is not None
            wait_until(lambda: not Path(f"/proc/{engine.pid}").exists())
            assert look(run_dir, "k/1", boot_id()).observation is Observation.RUNNING
            ballast.unlink()
            wrapper.wait(10)
        assert bench.exit(run_dir).exit_code == 0


def test_an_observers_question_never_spoils_a_start(plain: Bench) -> None:
    """A shared lock held at the moment of the start only delays it."""
    run_dir = plain.prepare("1", "true")
    tools = plain.folder / "slow"
    tools.mkdir()
    (tools / "mkdir").write_text(f'#!/bin/sh\n{shutil.which("mkdir")} "$@" || exit\n[ "$1" != claim ] || sleep 0.3\n')
    (tools / "mkdir").chmod(0o755)
    with plain.begin(run_dir, f"{tools}:{os.environ['PATH']}") as wrapper:
        wait_until((run_dir / "claim").exists)
        with (run_dir / "claim/lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            assert look(run_dir, "k/1", boot_id()).observation is Observation.UNKNOWN
            time.sleep(0.5)
        assert wrapper.communicate(timeout=10)[0] == b"started\n"
    assert plain.exit(run_dir).exit_code == 0
