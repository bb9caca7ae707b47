"""Transfers against OpenSSH on the same loopback server, turn by turn; ours are verified at both ends."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from messages.files import FileProof
from tests.kit.lanes import FarHost, ssh_lane
from tests.kit.moves import fetch, moved, put, written

TURNS = 5
ONE_FILE = 400_000_000
CASE_FILES = 224
CASE_BYTES = 45_000_000
SCP_RATE = 1.2
"""Of one large file, ours to scp's: the aim."""
FLOOR = 0.7
"""Below this something is wrong, whatever else the machine does: two hashes more than scp share its processors."""
REST_S = 0.3
"""After each turn: what it left to be done, such as a shell for the next move, is no part of another's time."""
RSYNC_TIME = 0.8
SCP_TIME = 1.0
"""Of a case of small files, ours to theirs, at most."""

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FarHost]:
    with ssh_lane(tmp_path / "workspace") as host:
        warm = written(tmp_path / "warm", {"a": b"1"})
        moved(host, put(host, tmp_path / "warm", host.workspace / "warm/1/1/in", warm))  # as a daemon's lane is
        yield host


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def taken(*ways: Callable[[int], object]) -> list[list[float]]:
    """Seconds of several turns of each, in turns, so that what else the machine does hits all alike."""
    times: list[list[float]] = [[] for _ in ways]
    for turn in range(TURNS):
        for found, way in zip(times, ways, strict=True):
            found.append(timed(lambda way=way, turn=turn: way(turn)))  # type: ignore[misc]
            time.sleep(REST_S)
    return times


def call(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def one_file(folder: Path) -> tuple[FileProof, ...]:
    return written(folder, {"dose.raw": os.urandom(ONE_FILE)})


def test_one_large_file_goes_up_faster_than_with_scp(
    host: FarHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, proofs = tmp_path / "source", one_file(tmp_path / "source")

    def ours(turn: int) -> None:
        target = host.workspace / f"c/{turn}/1/in"
        moved(host, put(host, source, target, proofs), 300)
        shutil.rmtree(target)

    def theirs(turn: int) -> None:
        target = host.workspace / f"scp-{turn}"
        call(*host.server.openssh("scp"), str(source / "dose.raw"), f"127.0.0.1:{target}")
        target.unlink()

    check_rate("up", *taken(ours, theirs), capsys)


def test_one_large_file_comes_down_faster_than_with_scp(
    host: FarHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one_file(host.workspace / "c/1/1/out")

    def ours(turn: int) -> None:
        moved(host, fetch(host, host.workspace / "c/1/1/out", tmp_path / f"back-{turn}"), 300)
        shutil.rmtree(tmp_path / f"back-{turn}")

    def theirs(turn: int) -> None:
        target = tmp_path / f"scp-{turn}"
        call(*host.server.openssh("scp"), f"127.0.0.1:{host.workspace}/c/1/1/out/dose.raw", str(target))
        target.unlink()

    check_rate("down", *taken(ours, theirs), capsys)


def check_rate(way: str, ours: list[float], scp: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    middle, best = median(scp) / median(ours), min(scp) / min(ours)
    with capsys.disabled():
        speeds = f"{_rate(ours):.0f} MB/s verified, scp {_rate(scp):.0f} MB/s unverified"
        print(f"\n400 MB {way}: {speeds}: {middle:.2f} times, the best of each {best:.2f} (aim {SCP_RATE})")
    assert best >= FLOOR


def _rate(seconds: list[float]) -> float:
    """MB/s, of the turn in the middle."""
    return ONE_FILE / median(seconds) / 1e6


def test_a_case_of_small_files_goes_up_faster_than_with_rsync_and_scp(
    host: FarHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("rsync") is None:
        pytest.skip("no rsync here: apt-get install rsync")
    size = CASE_BYTES // CASE_FILES
    source = tmp_path / "source"
    proofs = written(source, {f"log/{n // 50}/{n:03}.ptn": os.urandom(size) for n in range(CASE_FILES)})
    ssh = shlex.join(host.server.openssh("ssh"))

    def ours(turn: int) -> None:
        moved(host, put(host, source, host.workspace / f"c/{turn}/1/in", proofs), 300)

    def rsync(turn: int) -> None:
        call("rsync", "-a", "-e", ssh, f"{source}/", f"127.0.0.1:{host.workspace}/rsync-{turn}")

    def scp(turn: int) -> None:
        call(*host.server.openssh("scp"), "-r", str(source), f"127.0.0.1:{host.workspace}/scp-{turn}")

    ours_s, rsync_s, scp_s = map(min, taken(ours, rsync, scp))
    with capsys.disabled():
        print(
            f"\n224 files, 45 MB up: {ours_s:.2f} s verified; rsync -a {rsync_s:.2f} s ({ours_s / rsync_s:.2f} of its "
            f"time), scp -r {scp_s:.2f} s ({ours_s / scp_s:.2f})"
        )
    assert ours_s <= RSYNC_TIME * rsync_s
    assert ours_s <= SCP_TIME * scp_s
