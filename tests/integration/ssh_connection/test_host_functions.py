"""The host's side in every shell that a host may have as /bin/sh: the same answers, run without any link."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.jobs import job_files, wrapper_name, wrapper_script
from actors.mounts import mount_of
from actors.ssh_connection import framing, launching
from actors.ssh_connection.remote import facts_of, lines_of, prelude, watch_loop
from actors.ssh_connection.troubles import LinkError
from messages.jobs import JobSpec, Observation
from tests.kit.disks import small_disk
from tests.kit.hosts import end_all
from tests.kit.waiting import wait_until

SHELLS = {
    "dash": ("dash",),
    "bash": ("bash", "--posix"),
    "busybox": ("busybox", "sh"),
    "zsh": ("zsh", "--emulate", "sh"),
}
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@dataclass
class Shell:
    """One shell, and a workspace whose name is as odd as it may be."""

    words: tuple[str, ...]
    workspace: Path

    @property
    def prelude(self) -> str:
        return prelude(str(self.workspace), BOOT)

    def say(self, function: str, *words: str, before: str = "") -> tuple[tuple[str, str], ...]:
        """The answer of one function, framed as it goes over a link."""
        script = f"{before}{function} {' '.join(map(shlex.quote, words))}"
        text = framing.command(script, "w", self.prelude)
        done = subprocess.run(self.words, input=text, capture_output=True, check=True, timeout=30)
        found = framing.answered(done.stdout, "w")
        assert found is not None, done.stderr
        return lines_of(found[0].decode("utf-8", "surrogateescape"))

    def job(self, key: str, *command: str) -> JobSpec:
        return JobSpec(key, str(self.workspace / key), 1, command, (), 60)

    def launch(self, job: JobSpec) -> str:
        """Evidence of the launch."""
        texts = {name: content.decode() for name, content in job_files(job).items()}
        words = (job.run_dir, wrapper_name(), texts["job.json"], texts["job.sh"])
        answer = self.say("launch", *words)
        if ("no", "wrapper") in answer:
            assert self.say("install_wrapper", wrapper_name(), wrapper_script().decode().rstrip("\n")) == ()
            answer = self.say("launch", *words)
        return launching.judge(job, answer, BOOT)

    def seen(self, job: JobSpec) -> Observation:
        return facts_of(self.say("facts", job.run_dir), job.key, BOOT).verdict.observation


@pytest.fixture(params=sorted(SHELLS))
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    words = SHELLS[request.param]
    if shutil.which(words[0]) is None:
        pytest.skip(f"no {words[0]} here: apt-get install {words[0]}")
    workspace = tmp_path / "a $(touch x) 'odd' 한 \"name\" -rf"
    workspace.mkdir()
    yield Shell(words, workspace)
    end_all(tmp_path)
    assert not (tmp_path / "x").exists()


@pytest.mark.promise("P17")
def test_a_run_from_launch_to_removal(shell: Shell, tmp_path: Path) -> None:
    job = shell.job("c/1/1", "sh", "-c", f"while [ ! -e {tmp_path}/go ]; do sleep 0.02; done")
    shell.say("standing")
    assert shell.seen(job) is Observation.ABSENT
    evidence = shell.launch(job)
    assert evidence.startswith("pid ")
    assert shell.launch(job) == evidence
    assert shell.seen(job) is Observation.RUNNING
    assert shell.say("remove", str(shell.workspace / "c")) == (("alive", job.run_dir),)
    (tmp_path / "go").touch()
    wait_until(lambda: shell.seen(job) is Observation.ENDED, 10)
    wait_until(lambda: facts_of(shell.say("facts", job.run_dir), job.key, BOOT).gone, 10)
    assert shell.say("remove", str(shell.workspace / "c")) == ()
    assert not (shell.workspace / "c").exists()


@pytest.mark.promise("P28")
def test_a_run_is_ended_with_all_its_processes(shell: Shell) -> None:
    job = shell.job("c/1/1", "sh", "-c", "setsid sleep 94 9>&- & sleep 95 & exec sleep 96")
    shell.launch(job)
    wait_until(lambda: len(facts_of(shell.say("facts", job.run_dir, "all"), job.key, BOOT).left or ()) >= 4, 10)
    shell.say("end_run", job.run_dir, "KILL")
    wait_until(lambda: facts_of(shell.say("facts", job.run_dir, "all"), job.key, BOOT).gone, 10)
    assert shell.seen(job) is Observation.ENDED  # the wrapper is spared, and tells the end


def test_what_is_voided_never_begins(shell: Shell) -> None:
    job = shell.job("c/1/1", "true")
    (shell.workspace / "c/1/1").mkdir(parents=True)
    assert shell.say("void", job.run_dir) == (("voided", ""),)
    assert facts_of(shell.say("facts", job.run_dir, "all"), job.key, BOOT).gone
    with pytest.raises(Exception, match="voided"):
        shell.launch(job)


def test_links_out_of_the_workspace_are_not_followed(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (shell.workspace / "link").symlink_to(tmp_path / "outside")
    assert shell.say("remove", str(shell.workspace / "link" / "c")) == (("outside", ""),)
    assert shell.say("remove", str(shell.workspace / "link"))[0][0] == "error"
    assert (tmp_path / "outside").is_dir()


def test_the_watch_tells_only_what_is_new(shell: Shell, tmp_path: Path) -> None:
    jobs = [
        shell.job(f"c/{n}/1", "sh", "-c", f"echo one; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo two")
        for n in (1, 2)
    ]
    for job in jobs:
        shell.launch(job)
        wait_until(lambda job=job: Path(job.run_dir, "engine.log").stat().st_size, 10)  # type: ignore[misc]
    script = framing.stream(f"{shell.prelude}\n{watch_loop()}", "w")
    with subprocess.Popen(shell.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(script)
        assert process.stdout.readline() == framing.begin_mark("w")

        def tick(orders: str) -> list[bytes]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(orders.encode("utf-8", "surrogateescape"))
            return list(iter(process.stdout.readline, b";\n"))

        first = tick("".join(f"w {n} 0 {job.run_dir}/\n" for n, job in enumerate(jobs, 1)) + "t\n")
        assert [line for line in first if line.startswith((b"run", b"log"))] == [
            b"run 1\n",
            b"log 1 0\n",
            b"run 2\n",
            b"log 2 0\n",
        ]
        assert tick("o 1 4\no 2 4\nT\n") == []
        assert tick("u 2\nx nonsense\nt\n") == []
        (tmp_path / "go").touch()
        last: list[bytes] = []
        begun = time.monotonic()
        while not last and time.monotonic() - begun < 10:
            last = tick("t\n")
        assert last[0] == b"run 1\n"
        assert b"log 1 4\n" in last
        assert any(line.startswith(b"exit ") for line in last)
        process.stdin.close()
        assert process.wait(10) == 0


@pytest.mark.promise("P21")
def test_a_workspace_whose_disk_is_not_mounted_says_nothing_of_a_run_and_gets_nothing(shell: Shell) -> None:
    before = f"mqi_mount={shlex.quote(str(shell.workspace))}\n"
    assert shell.say("standing")[0][0] != "away"
    shutil.rmtree(shell.workspace / ".wrappers")
    job = shell.job("c/1/1", "true")
    assert shell.say("standing", before=before)[0] == ("away", str(shell.workspace))
    assert ("claim", "unknown") in shell.say("facts", job.run_dir, before=before)
    texts = {name: content.decode() for name, content in job_files(job).items()}
    answer = shell.say("launch", job.run_dir, wrapper_name(), texts["job.json"], texts["job.sh"], before=before)
    with pytest.raises(LinkError):  # it may be claimed: done again, and never taken for refused
        launching.judge(job, answer, BOOT)
    assert shell.say("remove", str(shell.workspace / "c"), before=before)[0][0] == "error"
    assert list(shell.workspace.iterdir()) == []


def test_where_the_disk_of_a_workspace_is_mounted(shell: Shell) -> None:
    assert ("mount", mount_of(shell.workspace)) in shell.say("standing")
    with small_disk(shell.workspace, 100):
        assert ("mount", str(shell.workspace)) in shell.say("standing")
        before = f"mqi_mount={shlex.quote(str(shell.workspace))}\n"
        assert ("claim", "absent") in shell.say("facts", f"{shell.workspace}/c/1/1", before=before)
