"""Transfers over links that are cut, stall, or are slow: nothing lost, nothing twice, on from where it stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from actors.jobs import progress
from actors.ssh_connection import lane
from actors.ssh_connection.route import CHUNK
from actors.supervision import Backoff
from messages.faults import Blame
from messages.files import AbandonMove, MoveProgress
from tests.kit.lanes import IMPATIENT, FarHost, another_lane, proxied_lane
from tests.kit.moves import beside, contents, fetch, gathered, moved, noise, put, refused, written
from tests.kit.waiting import wait_until

SIZES = {"ct/big.raw": 4_300_000, **{f"log/{n:02}.csv": 30_000 + n for n in range(40)}, "empty": 0}
TOTAL = sum(SIZES.values())
ONE_LOGIN = 20_000
"""Bytes of a connection up to its first command, and of the commands, generously."""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarHost]:
    monkeypatch.setattr(lane, "REOPENED", Backoff(0.2, 1.0))
    with proxied_lane(tmp_path / "workspace") as host:
        yield host


@pytest.fixture(params=["up", "down"])
def move(request: pytest.FixtureRequest, host: FarHost, tmp_path: Path) -> Move:
    return Move(host, request.param, tmp_path)


class Move:
    """One transfer, there or back."""

    def __init__(self, host: FarHost, way: str, folder: Path) -> None:
        self.host = host
        self.way = way
        self.files = noise(SIZES)
        self.source = folder / "source" if way == "up" else host.workspace / "c/1/1/out"
        self.target = host.workspace / "c/1/1/in" if way == "up" else folder / "back/out"
        self.proofs = written(self.source, self.files)

    def begin(self) -> str:
        if self.way == "up":
            return put(self.host, self.source, self.target, self.proofs)
        return fetch(self.host, self.source, self.target)

    def reaches(self, share: float) -> None:
        wait_until(lambda: gathered(self.target) >= share * TOTAL, 20, f"{share:g} of the files")

    def check(self) -> None:
        """All is there, under its name, and nothing else."""
        assert contents(self.target) == self.files
        assert beside(self.target) == [self.target.name]


@pytest.mark.promise("P16")
@pytest.mark.promise("P25")
@pytest.mark.parametrize("every", [1_200_000, 2_600_000])
def test_a_link_that_is_cut_time_and_again_carries_little_twice(move: Move, every: int) -> None:
    link = move.host.link
    link.cut_every = every
    moved(move.host, move.begin(), 60)
    assert link.cuts >= TOTAL // every
    assert link.carried <= TOTAL * 1.02 + (link.cuts + 1) * (CHUNK + ONE_LOGIN)
    move.check()


@pytest.mark.promise("P16")
@pytest.mark.parametrize("share", [0.0, 0.2, 0.6, 0.95])
def test_a_cut_costs_less_than_a_chunk(move: Move, share: float) -> None:
    link = move.host.link
    link.bytes_per_s = 8e6
    request = move.begin()
    move.reaches(share)
    link.cut()
    link.bytes_per_s = None
    moved(move.host, request)
    assert link.carried <= TOTAL * 1.02 + CHUNK + 2 * ONE_LOGIN
    move.check()


@pytest.mark.promise("P16")
def test_a_link_on_which_nothing_moves_is_given_up_and_the_move_goes_on(move: Move) -> None:
    link = move.host.link
    link.bytes_per_s = 8e6
    request = move.begin()
    move.reaches(0.3)
    link.stall()
    wait_until(lambda: link.connections == 2, 20, "another connection")
    link.bytes_per_s = None
    link.go_on()
    moved(move.host, request)
    move.check()


@pytest.mark.promise("P16")
def test_a_slow_link_is_not_taken_for_a_lost_one(tmp_path: Path) -> None:
    """Either way takes longer than nothing may move for; that is seconds, for the tests' machine pauses, too."""
    files = noise({"a": 700_000, "b": 700_000})
    proofs = written(tmp_path / "source", files)
    with proxied_lane(tmp_path / "workspace", replace(IMPATIENT, silence_s=3.0)) as host:
        host.link.bytes_per_s = 400_000
        moved(host, put(host, tmp_path / "source", host.workspace / "c/1/1/in", proofs))
        moved(host, fetch(host, host.workspace / "c/1/1/in", tmp_path / "back"))
        assert host.link.connections == 1
    assert contents(tmp_path / "back") == files


@pytest.mark.promise("P16")
def test_a_link_that_takes_one_block_in_longer_than_silence_is_slow_not_lost(tmp_path: Path) -> None:
    """What counts is whether anything moves, not whether a whole block did."""
    files = noise({"a": 400_000})
    proofs = written(tmp_path / "source", files)
    with proxied_lane(tmp_path / "workspace", replace(IMPATIENT, silence_s=4.0)) as host:
        moved(host, put(host, tmp_path / "source", host.workspace / "warm/1/1/in", proofs))
        host.link.bytes_per_s = 60_000  # 256 KiB in more than 4 s, the server's word of 96 KiB taken in 1.6 s
        moved(host, put(host, tmp_path / "source", host.workspace / "c/1/1/in", proofs), 60)
        assert host.link.connections == 1


@pytest.mark.promise("P33")
def test_a_long_move_says_how_far_it_is(move: Move, monkeypatch: pytest.MonkeyPatch, log_lines: list[str]) -> None:
    monkeypatch.setattr(progress, "FIRST_AFTER_S", 0.2)
    monkeypatch.setattr(progress, "EVERY_S", 0.2)
    move.host.link.bytes_per_s = 3e6
    moved(move.host, move.begin())
    told = move.host.probe.all(MoveProgress)
    assert len(told) >= 3
    assert [news.landed for news in told] == sorted(news.landed for news in told)
    assert all(0 < news.landed <= news.size for news in told)
    assert TOTAL <= told[0].size <= TOTAL * 1.1
    assert any("moving files" in line and "MB/s" in line for line in log_lines if line.startswith("INFO"))


@pytest.mark.promise("P16")
def test_a_server_that_is_killed_and_comes_back_is_used_again(move: Move) -> None:
    move.host.link.bytes_per_s = 8e6
    request = move.begin()
    move.reaches(0.3)
    move.host.server.restart()
    move.host.link.bytes_per_s = None
    moved(move.host, request)
    move.check()


@pytest.mark.promise("P16")
@pytest.mark.promise("P31")
def test_a_host_that_stays_away_is_told_of_and_not_stormed(move: Move) -> None:
    move.host.link.bytes_per_s = 8e6
    request = move.begin()
    move.reaches(0.3)
    move.host.link.close_port()
    fault = refused(move.host, request).fault
    assert fault.blame is Blame.HOST
    assert fault.remedy
    assert move.host.link.connections <= 1
    assert not move.target.exists()
    had = gathered(move.target)
    assert had >= 0.3 * TOTAL
    move.host.link.go_on()
    move.host.link.bytes_per_s = None
    carried = move.host.link.carried
    moved(move.host, move.begin())
    assert move.host.link.carried - carried <= (TOTAL - had) * 1.02 + 4 * ONE_LOGIN
    move.check()


@pytest.mark.promise("P16")
def test_a_connection_that_died_unnoticed_costs_nothing(host: FarHost, tmp_path: Path) -> None:
    for number, harm in enumerate((host.link.cut, host.server.cut, lambda: None)):
        proofs = written(tmp_path / f"source-{number}", noise({"a": 1000}))
        moved(host, put(host, tmp_path / f"source-{number}", host.workspace / f"c/{number}/1/in", proofs))
        harm()


@pytest.mark.promise("P32")
def test_an_unknown_host_key_is_refused_at_once(host: FarHost, tmp_path: Path) -> None:
    host.server.known_hosts.write_text("")
    proofs = written(tmp_path / "source", noise({"a": 1000}))
    fault = refused(host, put(host, tmp_path / "source", host.workspace / "c/1/1/in", proofs)).fault
    assert fault.kind == "host-key-unknown"
    assert fault.blame is Blame.HOST
    assert host.link.connections == 1
    assert not (host.workspace / "c").exists()


def test_a_lane_that_is_stopped_in_the_middle_leaves_no_thread(tmp_path: Path) -> None:
    with proxied_lane(tmp_path / "workspace") as host:
        host.link.bytes_per_s = 1e6
        move = Move(host, "up", tmp_path)
        move.begin()
        move.reaches(0.05)
    assert not move.target.exists()


@pytest.mark.promise("P25")
def test_what_spoils_on_the_host_is_detected_and_sent_again(host: FarHost, tmp_path: Path) -> None:
    move = Move(host, "up", tmp_path)
    host.link.bytes_per_s = 8e6
    request = move.begin()
    move.reaches(0.5)
    host.link.close_port()
    refused(host, request)
    host.link.bytes_per_s = None
    (part,) = move.target.parent.glob(".in.part-*")
    _flip(part / "big-0")
    host.link.go_on()
    fault = refused(host, move.begin()).fault
    assert (fault.kind, fault.blame) == ("hash-mismatch", Blame.HOST)
    assert "ct/big.raw" in fault.what
    assert not move.target.exists()
    moved(host, move.begin())
    move.check()


@pytest.mark.promise("P25")
def test_a_hash_that_was_taken_too_early_is_taken_once_more(host: FarHost, tmp_path: Path) -> None:
    """A second mover of the same files ends the first one's hashing on the way."""
    move = Move(host, "up", tmp_path)
    host.link.bytes_per_s = 8e6
    request = move.begin()
    move.reaches(0.3)
    (busy,) = move.target.parent.glob(".in.part-*/busy-*")
    busy.unlink()
    moved(host, request)
    assert host.link.carried <= TOTAL * 1.02 + 2 * ONE_LOGIN
    move.check()


@pytest.mark.promise("P25")
def test_what_is_longer_than_it_may_be_is_begun_anew(host: FarHost, tmp_path: Path) -> None:
    move = Move(host, "up", tmp_path)
    host.link.bytes_per_s = 8e6
    request = move.begin()
    move.reaches(0.5)
    host.link.close_port()
    refused(host, request)
    host.link.bytes_per_s = None
    (part,) = move.target.parent.glob(".in.part-*")
    with (part / "big-0").open("ab") as file:
        file.write(bytes(SIZES["ct/big.raw"]))
    host.link.go_on()
    moved(host, move.begin())
    move.check()


@pytest.mark.promise("P25")
def test_what_spoils_here_is_detected_and_fetched_again(host: FarHost, tmp_path: Path) -> None:
    move = Move(host, "down", tmp_path)
    host.link.bytes_per_s = 8e6
    request = move.begin()
    move.reaches(0.5)
    host.link.close_port()
    refused(host, request)
    host.link.bytes_per_s = None
    (part,) = move.target.parent.glob(".out.part-*")
    _flip(part / "ct/big.raw")
    host.link.go_on()
    assert refused(host, move.begin()).fault.kind == "hash-mismatch"
    assert not move.target.exists()
    moved(host, move.begin())
    move.check()


def test_an_abandoned_move_leaves_nothing_on_either_side(move: Move) -> None:
    move.host.link.bytes_per_s = 4e6
    request = move.begin()
    move.reaches(0.2)
    move.host.lane.tell(AbandonMove(request))
    wait_until(lambda: beside(move.target) == [], 20, "what it left is gone")
    move.host.link.bytes_per_s = None
    moved(move.host, move.begin())
    move.check()
    assert not [news for news in move.host.probe.received if getattr(news, "request_id", "") == request]


@pytest.mark.promise("P25")
@pytest.mark.parametrize("harm", [lambda path: os.truncate(path, 10), lambda path: path.write_bytes(bytes(7_000_000))])
def test_a_file_that_changes_while_it_is_fetched_is_not_taken(
    host: FarHost, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    move = Move(host, "down", tmp_path)
    # more than all buffers on the way can hold, or it would have left the disk before it is changed
    (move.source / "ct/big.raw").write_bytes(os.urandom(60_000_000))
    host.link.bytes_per_s = 2e7
    request = move.begin()
    move.reaches(0.2)
    harm(move.source / "ct/big.raw")
    fault = refused(host, request).fault
    assert fault.kind in ("source-differs", "hash-mismatch")
    assert not move.target.exists()
    host.link.bytes_per_s = None
    moved(host, move.begin())
    assert contents(move.target) == contents(move.source)


@pytest.mark.promise("P25")
def test_a_file_that_shrinks_while_it_is_sent_is_not_taken(host: FarHost, tmp_path: Path) -> None:
    move = Move(host, "up", tmp_path)
    host.link.bytes_per_s = 4e6
    request = move.begin()
    move.reaches(0.2)
    os.truncate(move.source / "ct/big.raw", 10)
    assert refused(host, request).fault.kind == "source-differs"
    assert not move.target.exists()


@pytest.mark.promise("P25")
def test_what_was_fetched_before_is_proven_and_never_replaced(host: FarHost, tmp_path: Path) -> None:
    move = Move(host, "down", tmp_path)
    first = moved(host, move.begin())
    carried = host.link.carried
    assert moved(host, move.begin()).files == first.files
    assert host.link.carried - carried < 2 * ONE_LOGIN
    _flip(move.target / "ct/big.raw")
    assert refused(host, move.begin()).fault.kind == "target-differs"
    (move.target / "more").write_text("more")
    assert refused(host, move.begin()).fault.kind == "target-differs"


@pytest.mark.promise("P25")
def test_two_lanes_that_fetch_to_one_place_do_not_hurt_each_other(host: FarHost, tmp_path: Path) -> None:
    move = Move(host, "down", tmp_path)
    with another_lane(host) as other:
        for request in [(lane, fetch(lane, move.source, move.target)) for lane in (host, other)]:
            moved(*request)
    move.check()


def _flip(path: Path) -> None:
    with path.open("r+b") as file:
        byte = file.read(1)
        file.seek(0)
        file.write(bytes([byte[0] ^ 1]))
        os.fsync(file.fileno())
