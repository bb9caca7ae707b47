"""Whatever the login shell is, prints, or waits for: scripts run under /bin/sh, and their output is theirs."""

from __future__ import annotations

import shlex
import shutil
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.errors import MqiError
from actors.ssh_connection.link import open_link
from tests.kit.sshd import Sshd

START_FILES = {
    "sh": (),
    "dash": (),
    "bash": (".bashrc",),
    "zsh": (".zshenv", ".zshrc"),
    "fish": (".config/fish/config.fish",),
    "csh": (".cshrc", ".login"),
    "tcsh": (".tcshrc", ".login"),
}
SCRIPT = (
    "printf 'one\\n'; printf 'two' ; echo 'noise' >&2; cd /tmp && x=$(echo \"a b\"); case $x in 'a b') exit 7 ;; esac"
)

WORDS = st.binary(max_size=200).map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))


def server_with(shell: str, folder: Path, lines: str) -> Sshd:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here: apt-get install {shell}")
    home = folder / "home"
    for name in START_FILES[shell]:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(lines)
    return Sshd(folder / "sshd", login_shell=program, home=home)


@pytest.mark.parametrize("shell", sorted(START_FILES))
def test_every_login_shell_and_its_banner(shell: str, tmp_path: Path) -> None:
    with server_with(
        shell, tmp_path, "echo 'Welcome to GPU-1 !'\necho mqi-begin-\necho 'and to its errors' >&2\n"
    ) as server:
        link = open_link(server.target())
        for _ in range(2):
            outcome = link.run(SCRIPT, timeout_s=20)
            assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (7, b"one\ntwo", b"noise\n")
        assert link.run("cat; exit 3", stdin=b"a\0b\xff\n\n", timeout_s=20).stdout == b"a\0b\xff\n\n"
        channel = link.channel("cat")
        channel.write(b"hello\n", 5)
        channel.end_input()
        assert channel.read(100, 5) == b"hello\n"
        assert channel.read(100, 5) == b""
        assert channel.exit_code(5) == 0
        channel.close()
        link.close()


def test_a_slow_login_costs_its_time_once(tmp_path: Path) -> None:
    with server_with("bash", tmp_path, "sleep 2\n") as server:
        link = open_link(server.target())
        begun = time.monotonic()
        assert link.run("echo 1", timeout_s=20).text == "1\n"
        first_s = time.monotonic() - begun
        begun = time.monotonic()
        for number in range(5):
            assert link.run(f"echo {number}", timeout_s=20).text == f"{number}\n"
        assert time.monotonic() - begun < 8.0, "five logins would take ten seconds"
        assert first_s >= 2.0
        link.close()


def test_a_login_shell_that_runs_nothing_says_so(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", options=["ForceCommand echo This account is not available."]) as server:
        link = open_link(server.target())
        with pytest.raises(MqiError) as caught:
            link.run("echo 1", timeout_s=10)
        link.close()
    assert caught.value.fault.kind == "shell-unfit"
    assert "This account is not available." in caught.value.fault.what


@pytest.mark.promise("P31")
@pytest.mark.parametrize("most", [1, 2])
def test_no_more_sessions_than_the_server_grants(tmp_path: Path, most: int) -> None:
    with Sshd(tmp_path / "sshd", options=[f"MaxSessions {most}"]) as server:
        link = open_link(server.target())
        if most == 2:
            watching = link.channel("cat")
        for number in range(6):
            assert link.run(f"echo {number}", timeout_s=20).text == f"{number}\n"
        assert link.run("cat", stdin=b"data", timeout_s=20).stdout == b"data"
        if most == 2:
            second = link.channel("cat")  # the idle shell makes room
            with pytest.raises(MqiError) as caught:
                link.run("echo", timeout_s=0.5)
            assert caught.value.fault.kind == "command-timeout"
            second.close()
            watching.close()
        assert link.run("echo again", timeout_s=20).text == "again\n"
        link.close()


def test_a_command_that_takes_too_long_and_one_that_is_cut(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd") as server:
        link = open_link(server.target())
        with pytest.raises(MqiError) as slow:
            link.run("sleep 30", timeout_s=0.5)
        assert slow.value.fault.kind == "command-timeout"
        assert link.run("echo on", timeout_s=10).text == "on\n"
        server.cut()
        with pytest.raises(MqiError) as lost:
            link.run("echo off", timeout_s=10)
        assert lost.value.fault.kind == "link-lost"
        assert not link.alive
        link.close()


@pytest.mark.promise("P14")
def test_no_word_is_ever_evaluated(tmp_path: Path) -> None:
    tell = "tell() { for word do printf '%s\\0' \"$word\"; done; }\n"
    with Sshd(tmp_path / "sshd") as server:
        link = open_link(server.target())

        @settings(max_examples=150)
        @given(st.lists(WORDS, max_size=4))
        @example(["$(touch /tmp/x)", "`id`", "'; exit 9; '", "-rf", "a\nb", "한글", "\udcff\udc80", "x" * 255])
        def all_words_come_back(words: list[str]) -> None:
            outcome = link.run(f"{tell}tell {' '.join(map(shlex.quote, words))}", timeout_s=10)
            assert outcome.stdout == b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)

        try:
            all_words_come_back()
        finally:
            link.close()
