"""Launching, ending, watching and moving when the machine does not play along."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.errors import MqiError
from actors.jobs import wrapper_name
from actors.local_host import ending, launching, looking, moving, watching
from actors.local_host.ending import Ending
from actors.local_host.launching import launch
from actors.local_host.processes import boot_id, process
from actors.local_host.tailing import read_news
from messages.files import FilesMoved, MoveFailed, PutFiles
from messages.jobs import JobObserved, JobSpec, KillFailed, KillJob, Observation
from tests.kit.hosts import Host, end_all, local_host
from tests.kit.waiting import wait_until

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    yield folder
    end_all(folder)


@pytest.fixture
def host(workspace: Path) -> Iterator[Host]:
    with local_host(workspace) as host:
        yield host


def job(workspace: Path, *command: str) -> JobSpec:
    return JobSpec("c/1/1", str(workspace / "c/1/1"), 1, command or ("touch", "ran"), (), 60)


def kind_of_launch(order: JobSpec, workspace: Path) -> str:
    with pytest.raises(MqiError) as caught:
        launch(order, workspace)
    return caught.value.fault.kind


@contextmanager
def wrapper_of(text: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another wrapper on this host."""
    with monkeypatch.context() as patch:
        patch.setattr(launching, "wrapper_script", text.encode)
        yield


@pytest.mark.promise("P15")
@pytest.mark.promise("P17")
def test_a_run_survives_its_launcher_and_the_launchers_whole_group(workspace: Path) -> None:
    """As when the daemon is killed, with all that its process supervisor counts to it, the instant after a launch."""
    program = (
        "import os, signal, sys; from pathlib import Path\n"
        "from actors.local_host.launching import launch; from messages.jobs import JobSpec\n"
        f"root = Path({str(workspace)!r})\n"
        "command = ('sh', '-c', 'echo begun; while [ ! -e go ]; do sleep 0.02; done; exit 5')\n"
        "launch(JobSpec('c/1/1', str(root / 'c/1/1'), 1, command, (), 60), root)\n"
        "os.killpg(0, signal.SIGKILL)\n"
    )
    died = subprocess.run([sys.executable, "-c", program], cwd=ROOT, start_new_session=True, check=False)
    assert died.returncode == -signal.SIGKILL
    run_dir = workspace / "c/1/1"
    assert looking.look(run_dir, "c/1/1", boot_id()).observation is Observation.RUNNING
    wait_until(lambda: "begun" in (run_dir / "engine.log").read_text())
    (run_dir / "go").touch()
    wait_until(lambda: looking.look(run_dir, "c/1/1", boot_id()).observation is Observation.ENDED)
    ended = looking.look(run_dir, "c/1/1", boot_id()).exit
    assert ended is not None
    assert ended.exit_code == 5


@pytest.mark.promise("P28")
def test_a_wrapper_that_dies_without_a_word_makes_the_attempt_void(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with wrapper_of("exit 3\n", monkeypatch):
        assert kind_of_launch(job(workspace), workspace) == "launch-refused"
    assert (workspace / "c/1/1/claim/void").exists()
    assert kind_of_launch(job(workspace), workspace) == "run-void"
    assert not (workspace / "c/1/1/ran").exists()


@pytest.mark.promise("P28")
def test_a_wrapper_that_stalls_is_ended_and_the_attempt_void(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launching, "ANSWER_WITHIN_S", 0.1)
    with wrapper_of("sleep 61\necho started\n", monkeypatch):
        assert kind_of_launch(job(workspace), workspace) == "launch-refused"
    assert looking.look(workspace / "c/1/1", "c/1/1", boot_id()).observation is Observation.KILLED


def test_a_void_answer_is_certain(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with wrapper_of("echo void\n", monkeypatch):
        assert kind_of_launch(job(workspace), workspace) == "run-void"


def test_a_wrapper_that_began_and_then_fell_silent_counts_as_launched(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the claim's lock, so nobody may say that it does not run."""
    monkeypatch.setattr(launching, "ANSWER_WITHIN_S", 0.3)
    monkeypatch.setattr(launching, "_BEGINS_WITHIN_S", 0.1)
    script = 'cd "$1"; mkdir claim; exec 9>claim/lock; flock 9; setsid sleep 62 >/dev/null & sleep 62\n'
    with wrapper_of(script, monkeypatch):
        assert "not begun yet" in launch(job(workspace), workspace)
    assert looking.look(workspace / "c/1/1", "c/1/1", boot_id()).observation is Observation.RUNNING


@pytest.mark.parametrize("claimed", [False, True])
def test_where_nothing_can_be_voided_the_claim_itself_decides(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, claimed: bool
) -> None:
    def full(run_dir: Path) -> bool:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(looking, "void", full)
    monkeypatch.setattr(launching, "_BEGINS_WITHIN_S", 0.1)
    with wrapper_of('mkdir "$1/claim"\n' if claimed else "exit 1\n", monkeypatch):
        if claimed:
            assert "not begun yet" in launch(job(workspace), workspace)
        else:
            assert kind_of_launch(job(workspace), workspace) == "launch-refused"


def test_the_wrapper_is_installed_once_and_mended(workspace: Path) -> None:
    installed = workspace / launching.WRAPPERS / wrapper_name()
    installed.parent.mkdir()
    installed.write_text("exit 1\n")
    launch(job(workspace), workspace)
    assert installed.read_bytes() == launching.wrapper_script()
    assert [path.name for path in installed.parent.iterdir()] == [wrapper_name()]


@pytest.mark.promise("P28")
def test_what_cannot_be_killed_is_never_called_gone(
    host: Host, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    """A process that no signal ends, as one that is stuck in a driver: here the signals are lost."""
    monkeypatch.setattr(ending, "GIVE_UP_AFTER_S", 0.2)
    with monkeypatch.context() as patch:
        patch.setattr(ending.processes, "tell_all", lambda pids, number: None)
        host.launch(host.job("c/1/1", "sleep", "63"))
        host.control.tell(KillJob("k", host.probe, "c/1/1", str(host.run_dir("c/1/1")), "a test"))
        fault = host.probe.expect(KillFailed).fault
    assert fault.kind == "kill-failed"
    engine = looking.read_engine(host.run_dir("c/1/1"))
    assert engine is not None
    assert str(engine.pid) in fault.what


@pytest.mark.promise("P28")
def test_a_wrapper_that_does_not_listen_is_not_waited_for(workspace: Path) -> None:
    """Stopped, it neither ends its engine nor writes exit.json; the engine is ended all the same."""
    evidence = launch(job(workspace, sys.executable, "-c", "import time; time.sleep(64)"), workspace)
    wrapper = int(evidence.split(",")[0].removeprefix("pid "))
    os.kill(wrapper, signal.SIGSTOP)
    run_dir = workspace / "c/1/1"
    engine = wait_until(lambda: looking.read_engine(run_dir))
    end = Ending(run_dir, "c/1/1", boot_id(), grace_s=0.1)
    waits = iter(range(1000))

    def pause(seconds: float) -> bool:
        if process(engine.pid) is None:
            os.kill(wrapper, signal.SIGCONT)
        subprocess.run(["sleep", str(seconds)], check=True)
        return next(waits) > 900

    assert "No process" in end.run(pause)


def test_a_kill_outside_the_workspace_is_refused(host: Host, tmp_path: Path) -> None:
    host.control.tell(KillJob("k", host.probe, "c/1/1", str(tmp_path), "a test"))
    assert host.probe.expect(KillFailed).fault.kind == "outside-workspace"


def test_an_order_to_end_that_cannot_write_gives_no_proof(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(run_dir: Path) -> bool:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(looking, "void", full)
    monkeypatch.setattr(ending, "GIVE_UP_AFTER_S", 0.05)
    (workspace / "c/1/1").mkdir(parents=True)
    with pytest.raises(MqiError):
        Ending(workspace / "c/1/1", "c/1/1", boot_id()).run(lambda _seconds: False)


@pytest.mark.promise("P28")
def test_a_claim_that_never_begins_is_voided_after_a_while(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BEGINS_WITHIN_S", 0.1)
    host.run_dir("c/1/1").mkdir(parents=True)
    (host.run_dir("c/1/1") / "claim").mkdir()
    host.watch("c/1/1")
    assert host.probe.expect(JobObserved).observation is Observation.UNKNOWN
    assert host.last("c/1/1").observation is Observation.KILLED
    assert (host.run_dir("c/1/1") / "claim/void").exists()


def test_without_pidfds_the_end_is_still_noticed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(pid: int) -> int:
        raise OSError(errno.ENOSYS, "no pidfd")

    monkeypatch.setattr(os, "pidfd_open", absent)
    host.launch(host.job("c/1/1", "sleep", "0.1"))
    assert host.last("c/1/1").observation is Observation.ENDED


def test_what_cannot_be_read_is_unknown_and_not_absent(workspace: Path) -> None:
    (workspace / "c").write_text("no folder")
    assert looking.look(workspace / "c/1/1", "c/1/1", boot_id()).observation is Observation.UNKNOWN
    assert looking.read_started(workspace / "c/1/1") is None
    assert looking.read_engine(workspace / "c/1/1") is None


def test_nothing_is_voided_once_it_is_held_or_begun(workspace: Path) -> None:
    run_dir = workspace / "c/1/1"
    (run_dir / "claim").mkdir(parents=True)
    with (run_dir / "claim/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not looking.void(run_dir)
    (run_dir / "claim/started.json").write_text("{}")
    assert not looking.void(run_dir)
    assert not (run_dir / "claim/void").exists()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EIO])
def test_a_file_system_without_locks_is_voided_by_its_claim_alone(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(descriptor: int, order: int) -> None:
        raise OSError(number, "no locks")

    (workspace / "c/1/1").mkdir(parents=True)
    monkeypatch.setattr(fcntl, "flock", refuse)
    if number == errno.ENOLCK:
        assert looking.void(workspace / "c/1/1")
    else:
        with pytest.raises(OSError, match="no locks"):
            looking.void(workspace / "c/1/1")
    assert looking.look(workspace / "c/1/1", "c/1/1", boot_id()).observation is Observation.UNKNOWN


def test_a_log_that_cannot_be_read_has_no_news(tmp_path: Path) -> None:
    assert read_news(str(tmp_path / "absent"), 5, ended=True).offset == 5
    assert read_news(str(tmp_path), 0, ended=True).text == ""


@pytest.mark.promise("P35")
def test_a_move_that_breaks_is_answered_and_the_next_goes_on(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(move: Any) -> Any:
        raise RuntimeError("a fault of ours")

    (tmp_path / "source").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(moving, "run", broken)
        host.lane.tell(PutFiles("a", host.probe, 1, str(tmp_path / "source"), str(host.workspace / "c/1/1/in"), ()))
        fault = host.probe.expect(MoveFailed).fault
    assert fault.kind == "move-broken"
    assert "a fault of ours" in fault.what
    host.lane.tell(PutFiles("b", host.probe, 1, str(tmp_path / "source"), str(host.workspace / "c/1/1/in"), ()))
    assert host.probe.expect(FilesMoved).request_id == "b"
