"""Transfers to hosts with hostile names, full disks, missing tools, few sessions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.ssh_connection import route, upload
from messages.faults import Blame
from tests.kit.disks import fill, small_disk
from tests.kit.lanes import FarHost, another_lane, proxied_lane, ssh_lane
from tests.kit.moves import beside, contents, fetch, gathered, moved, noise, put, refused, written
from tests.kit.waiting import wait_until

HOSTILE = (
    "$(touch executed)",
    "`touch executed`",
    "; touch executed;",
    "a'b\"c",
    "new\nline",
    "trailing\n",
    "back\\slash\\n",
    "-rf",
    "--help",
    "빔 1.raw",
    "\udcff\udcfe",
    "%s%n\\0",
    "*",
    "~root",
    "!x",
    "{a,b}",
    ".hidden",
    "..dots",
    " ",
    "=0",
    "n" * 255,
    "$HOME/`id`/$(id)/-x",
)
TOOLS = (
    "env",
    "sh",
    "bash",
    "cat",
    "dd",
    "head",
    "stat",
    "mkdir",
    "rm",
    "mv",
    "ln",
    "cp",
    "chmod",
    "touch",
    "ls",
    "cut",
    "sleep",
    "base64",
)


@pytest.fixture(params=["pieces of all sizes", "all by themselves", "all as streams"])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarHost]:
    """However the files travel."""
    if request.param == "all by themselves":
        monkeypatch.setattr(upload, "BIG", 1)
    if request.param != "pieces of all sizes":
        monkeypatch.setattr(route, "LITTLE", 0)
        monkeypatch.setattr(upload, "LITTLE", 0)
    with ssh_lane(tmp_path / "workspace") as host:
        yield host


@pytest.mark.promise("P14")
@pytest.mark.promise("P25")
def test_hostile_names_make_the_round_trip_and_execute_nothing(host: FarHost, tmp_path: Path) -> None:
    files = {name: name.encode("utf-8", "surrogateescape") * 50 for name in HOSTILE}
    proofs = written(tmp_path / "source", files)
    there, back = host.workspace / "c $(touch executed)/1\n/in'", tmp_path / "back"
    assert set(moved(host, put(host, tmp_path / "source", there, proofs)).files) == set(proofs)
    assert contents(there) == files
    assert set(moved(host, fetch(host, there, back)).files) == set(proofs)
    assert contents(back) == files
    moved(host, fetch(host, there, tmp_path / "named", HOSTILE))
    assert contents(tmp_path / "named") == files
    moved(host, put(host, tmp_path / "source", there, proofs))
    assert not list(tmp_path.rglob("executed"))
    assert not (Path.home() / "executed").exists()


def test_modes_and_times_are_kept_both_ways(host: FarHost, tmp_path: Path) -> None:
    source, there, back = tmp_path / "source", host.workspace / "c/1/1/in", tmp_path / "back"
    proofs = written(source, {"a/engine.sh": b"#!/bin/sh\n", "b.raw": b"b"})
    (source / "a/engine.sh").chmod(0o750)
    (source / "b.raw").chmod(0o640)
    os.utime(source / "a/engine.sh", ns=(10**18, 10**18 + 987_654_321))
    os.utime(source / "b.raw", ns=(10**18, 10**18))
    moved(host, put(host, source, there, proofs))
    moved(host, fetch(host, there, back))
    for root in (there, back):
        script, raw = (root / "a/engine.sh").stat(), (root / "b.raw").stat()
        assert (script.st_mode & 0o777, script.st_mtime_ns) == (0o750, 10**18 + 987_654_321)
        assert (raw.st_mode & 0o777, raw.st_mtime_ns) == (0o640, 10**18)


@pytest.mark.parametrize("tools", [(), ("sha256sum",), ("tar",), ("sha256sum", "tar")], ids=str)
def test_a_host_needs_little(host: FarHost, tmp_path: Path, tools: tuple[str, ...]) -> None:
    """Without tar the pack is taken apart by hand; without sha256sum files are read back and hashed here."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for tool in (*TOOLS, *tools):
        found = shutil.which(tool)
        assert found is not None
        (programs / tool).symlink_to(found)
    files = noise({"a": 9_000_000, "b/c $(x)": 5000, "b/d": 200_000, "e": 0})
    proofs = written(tmp_path / "source", files)
    os.utime(tmp_path / "source/b/d", ns=(10**18, 10**18 + 5))
    with ssh_lane(tmp_path / "bare", environment={"PATH": str(programs)}, login_shell="/bin/sh") as bare:
        there = bare.workspace / "c/1/1/in"
        moved(bare, put(bare, tmp_path / "source", there, proofs))
        moved(bare, put(bare, tmp_path / "source", there, proofs))
        moved(bare, fetch(bare, there, tmp_path / "back"))
        assert (there / "b/d").stat().st_mtime_ns == 10**18 + 5
        assert beside(there) == ["in"]
    assert contents(tmp_path / "back") == files


@pytest.mark.parametrize("sessions", [1, 2])
def test_a_server_with_few_sessions_is_enough(tmp_path: Path, sessions: int) -> None:
    files = noise({"a": 6_000_000, "b": 300_000, "c": 100})
    proofs = written(tmp_path / "source", files)
    with ssh_lane(tmp_path / "workspace", options=(f"MaxSessions {sessions}",)) as host:
        there = host.workspace / "c/1/1/in"
        moved(host, put(host, tmp_path / "source", there, proofs))
        moved(host, fetch(host, there, tmp_path / "back"))
    assert contents(tmp_path / "back") == files


@pytest.mark.promise("P20")
def test_no_room_on_the_host_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    proofs = written(tmp_path / "source", noise({"a": 9_000_000}))
    with small_disk(tmp_path / "workspace", 8_000), proxied_lane(tmp_path / "workspace") as host:
        fault = refused(host, put(host, tmp_path / "source", host.workspace / "c/1/1/in", proofs)).fault
        assert (fault.kind, fault.blame) == ("no-space", Blame.HOST)
        assert host.link.up < 1_000_000


@pytest.mark.promise("P20")
@pytest.mark.parametrize("sizes", [{"a": 6_000_000}, {f"{n}": 100_000 for n in range(40)}], ids=["one", "many"])
def test_a_disk_that_fills_up_meanwhile_stops_the_move_until_there_is_room(
    tmp_path: Path, sizes: dict[str, int]
) -> None:
    files = noise(sizes)
    proofs = written(tmp_path / "source", files)
    with small_disk(tmp_path / "workspace", 12_000), proxied_lane(tmp_path / "workspace") as host:
        there = host.workspace / "c/1/1/in"
        host.link.bytes_per_s = 4e6
        request = put(host, tmp_path / "source", there, proofs)
        wait_until(lambda: gathered(there) > 1_000_000, 20, "some of it")
        ballast = fill(host.workspace)
        fault = refused(host, request).fault
        assert (fault.kind, fault.blame) == ("no-space", Blame.HOST)
        assert not there.exists()
        ballast.unlink()
        host.link.bytes_per_s = None
        moved(host, put(host, tmp_path / "source", there, proofs))
        assert contents(there) == files


@pytest.mark.promise("P20")
def test_no_room_here_is_told_too(tmp_path: Path) -> None:
    with small_disk(tmp_path / "here", 4_000), ssh_lane(tmp_path / "workspace") as host:
        written(host.workspace / "c/1/1/out", noise({"a": 9_000_000}))
        fault = refused(host, fetch(host, host.workspace / "c/1/1/out", tmp_path / "here/back")).fault
        assert (fault.kind, fault.blame) == ("no-space", Blame.OURS)


def test_a_workspace_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    proofs = written(tmp_path / "source", {"a": b"1"})
    with ssh_lane(tmp_path / "workspace") as host:
        host.workspace.rmdir()
        fault = refused(host, put(host, tmp_path / "source", host.workspace / "c/1/1/in", proofs)).fault
        assert (fault.kind, fault.blame) == ("workspace-missing", Blame.HOST)
        assert not host.workspace.exists()
        host.workspace.mkdir()
        moved(host, put(host, tmp_path / "source", host.workspace / "c/1/1/in", proofs))


@pytest.mark.promise("P25")
def test_two_lanes_that_move_the_same_files_do_not_hurt_each_other(tmp_path: Path) -> None:
    files = noise({"a": 5_000_000, "b": 500_000})
    proofs = written(tmp_path / "source", files)
    with ssh_lane(tmp_path / "workspace") as one, another_lane(one) as two:
        for turn in range(3):
            target = one.workspace / f"c/1/{turn}/in"
            for request in [(lane, put(lane, tmp_path / "source", target, proofs)) for lane in (one, two)]:
                moved(*request)
            assert contents(target) == files
            assert beside(target) == ["in"]


@pytest.mark.promise("P25")
def test_a_mover_whose_tree_is_taken_away_while_it_is_read_back_finds_what_the_other_one_left(tmp_path: Path) -> None:
    files = noise({"a": 500_000, "b": 100})
    proofs = written(tmp_path / "source", files)
    programs = tmp_path / "programs"
    programs.mkdir()
    rival = programs / "sha256sum"  # called in the tree: the other mover ends at this instant
    rival.write_text(
        f'#!/bin/sh\n[ -e {tmp_path}/once ] && exec {shutil.which("sha256sum")} "$@"\ntouch {tmp_path}/once\n'
        "cd ../.. && mv .in.part-*/tree-* in && rm -rf .in.part-*\nexit 1\n"
    )
    rival.chmod(0o755)
    with ssh_lane(tmp_path / "workspace", environment={"PATH": f"{programs}:{os.environ['PATH']}"}) as host:
        target = host.workspace / "c/1/1/in"
        moved(host, put(host, tmp_path / "source", target, proofs))
        assert (tmp_path / "once").exists()
        assert contents(target) == files
        assert beside(target) == ["in"]


def test_something_that_is_no_folder_in_the_way_is_named(tmp_path: Path) -> None:
    proofs = written(tmp_path / "source", {"a": b"1"})
    with ssh_lane(tmp_path / "workspace") as host:
        (host.workspace / "c").write_text("a file")
        assert refused(host, put(host, tmp_path / "source", host.workspace / "c/1/in", proofs)).fault.kind == (
            "target-unwritable"
        )
        (host.workspace / "d").mkdir()
        (host.workspace / "d/in").symlink_to(tmp_path)
        assert refused(host, put(host, tmp_path / "source", host.workspace / "d/in", proofs)).fault.kind == (
            "target-unwritable"
        )
        assert not (tmp_path / "a").exists()
