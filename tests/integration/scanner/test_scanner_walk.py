"""The walk over real folders: what is found, what is not looked at again, what is left alone."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.scanner.looks import Listing, look_at, nothing_new
from actors.scanner.scan import scan
from actors.scanner.walk import COARSE_S, MAX_DEPTH, Walk, Walker

STAMP = "2026030209301512"
INFO = (
    "DICOM_PATIENT_ID,X\nDICOM_STUDY_INS_UID,1.2.3\nDICOM_BEAM_NUMBER,3\n"
    f"TCSC_IRRAD_DATETIME,{STAMP}\nSTART_LAYER_NUMBER,1\nSTOP_LAYER_NUMBER,6\n"
)


class Walks:
    """A walker with a clock to set; all folders' times lie long ago unless a test touches them."""

    def __init__(self, *roots: Path, rolling: int = 0) -> None:
        self.walker = Walker((os.fspath(root) for root in roots), rolling_least=rolling)
        self.now = 1000.0

    def __call__(self, *, after_s: float = 10.0, wall: float = 4e9) -> Walk:
        self.now += after_s
        return self.walker.walk(self.now, wall)


def make_case(folder: Path, stamp: str = STAMP) -> Path:
    (folder / stamp).mkdir(parents=True)
    (folder / "RP.dcm").write_bytes(b"x")
    (folder / stamp / "PlanInfo.txt").write_text(INFO)
    return folder


@pytest.mark.parametrize("above", ["", "patient", "room/patient/study/deeper"])
def test_a_case_is_found_at_any_depth(tmp_path: Path, above: str) -> None:
    case = make_case(tmp_path / above / "study")
    walks = Walks(tmp_path)
    assert walks().changed == {str(case): (STAMP,)}
    assert walks().changed == {}


def test_a_root_may_be_a_case_itself_and_a_link(tmp_path: Path) -> None:
    case = make_case(tmp_path / "real")
    (tmp_path / "link").symlink_to(case)
    assert list(Walks(tmp_path / "link")().changed) == [str(case)]


def test_deliveries_before_the_plan_make_a_case(tmp_path: Path) -> None:
    walks = Walks(tmp_path)
    folder = tmp_path / "study"
    (folder / STAMP).mkdir(parents=True)
    assert list(walks().changed) == [str(folder)], "a folder named as a delivery is one that arrives"
    (folder / STAMP / "02_x_001_002_001.ptn").write_bytes(b"")
    assert walks().changed == {str(folder): (STAMP,)}


def test_a_folder_named_like_a_delivery_may_hold_cases(tmp_path: Path) -> None:
    """A patient number of sixteen digits can look like a time."""
    walks = Walks(tmp_path)
    (tmp_path / STAMP).mkdir()
    walks()
    case = make_case(tmp_path / STAMP / "study")
    assert str(case) in walks().changed


@pytest.mark.promise("P12")
def test_every_change_of_a_folder_s_entries_is_seen(tmp_path: Path) -> None:
    case = make_case(tmp_path / "a")
    walks = Walks(tmp_path)
    walks()
    (case / "2026030309301512").mkdir()
    (case / "2026030309301512" / "PlanRange.txt").touch()
    assert walks().changed == {str(case): (STAMP, "2026030309301512")}
    (tmp_path / "a").rename(tmp_path / "b")
    renamed = walks()
    assert renamed.gone == [str(tmp_path / "a")]
    assert list(renamed.changed) == [str(tmp_path / "b")]


@pytest.mark.promise("P12")
def test_a_share_with_coarse_times_is_listed_once_more(tmp_path: Path) -> None:
    """Two changes within one tick of the share's clock leave the same modification time behind."""
    tick = 2_000_000_000.0
    (tmp_path / "a").mkdir()
    os.utime(tmp_path, (tick, tick))
    walks = Walks(tmp_path)
    walks(wall=tick)
    make_case(tmp_path / "b")
    os.utime(tmp_path, (tick, tick))
    assert walks(after_s=COARSE_S, wall=tick + COARSE_S).changed == {str(tmp_path / "b"): (STAMP,)}
    make_case(tmp_path / "c")
    os.utime(tmp_path, (tick, tick))
    assert walks(after_s=10.0, wall=tick + 13.0).changed == {}, "settled: its time is believed from here on"


@pytest.mark.promise("P12")
def test_what_a_share_s_clock_hides_is_found_in_turn(tmp_path: Path) -> None:
    make_case(tmp_path / "a")
    os.utime(tmp_path, (1e9, 1e9))
    walks = Walks(tmp_path, rolling=1)
    walks()
    hidden = make_case(tmp_path / "b")
    os.utime(tmp_path, (1e9, 1e9))
    assert str(hidden) in [path for _ in range(4) for path in walks().changed]


def test_only_what_changed_is_listed_again(tmp_path: Path) -> None:
    for number in range(20):
        make_case(tmp_path / f"{number}")
    walks = Walks(tmp_path)
    assert walks().listed == 41  # the root, 20 cases, 20 deliveries
    (tmp_path / "7" / "CT.dcm").touch()
    assert walks().listed == 1
    assert walks.walker.folders == 21


def test_a_hint_visits_one_folder_and_what_is_new_below(tmp_path: Path) -> None:
    make_case(tmp_path / "p" / "a")
    walks = Walks(tmp_path)
    walks()
    make_case(tmp_path / "p" / "b")
    make_case(tmp_path / "q" / "c")
    hinted = walks.walker.visit([str(tmp_path / "p" / "b" / STAMP)], walks.now, 4e9)
    assert list(hinted.changed) == [str(tmp_path / "p" / "b")]
    assert walks.walker.visit(["/somewhere/else"], walks.now, 4e9).changed == {}
    assert list(walks.walker.visit([str(tmp_path / "q")], walks.now, 4e9).changed) == [str(tmp_path / "q" / "c")]


def test_a_root_that_is_not_mounted_takes_nothing_away(tmp_path: Path) -> None:
    case = make_case(tmp_path / "share" / "a")
    walks = Walks(tmp_path / "share")
    walks()
    (tmp_path / "share").rename(tmp_path / "away")
    lost = walks()
    assert (lost.missing_roots, lost.gone) == ([str(tmp_path / "share")], [])
    found = scan(walks.walker, [str(case)], frozenset(), "", lambda: False)
    assert found.gone == frozenset()
    (tmp_path / "away").rename(tmp_path / "share")
    assert walks().missing_roots == []


def test_a_case_folder_that_is_gone_is_told(tmp_path: Path) -> None:
    case = make_case(tmp_path / "a")
    walks = Walks(tmp_path)
    walks()
    (case / STAMP / "PlanInfo.txt").unlink()
    (case / STAMP).rmdir()
    (case / "RP.dcm").unlink()
    case.rmdir()
    assert walks().gone == [str(case)]
    assert scan(walks.walker, [str(case)], frozenset(), "", lambda: False).gone == {str(case)}


def test_copies_that_a_file_server_keeps_are_skipped(tmp_path: Path) -> None:
    make_case(tmp_path / ".snapshot" / "hourly" / "a")
    assert Walks(tmp_path)().changed == {}


@pytest.mark.promise("P14")
def test_links_pipes_and_sockets_are_left_alone_with_one_line_each(tmp_path: Path) -> None:
    outside = make_case(tmp_path / "outside" / "secret")
    root = tmp_path / "root"
    case = make_case(root / "a")
    (root / "link").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (case / "2026030309301512").symlink_to(outside / STAMP)
    os.mkfifo(case / "RP2.dcm")
    os.mkfifo(case / STAMP / "PlanRange.txt")
    here = Path.cwd()
    server = socket.socket(socket.AF_UNIX)
    try:
        os.chdir(root)  # the path of a socket is short
        server.bind("sock")
    finally:
        os.chdir(here)
        server.close()
    walks = Walks(root)
    found = scan(walks.walker, (), frozenset(), "", lambda: False)
    (look,) = found.looks
    assert look.deliveries == (STAMP,)
    lines = sorted(str(complaint).removeprefix(str(root)) for complaint in found.complaints)
    assert lines == [
        f"/a/{STAMP}/PlanRange.txt: neither a file nor a folder; it is not opened.",
        "/a/2026030309301512: a symbolic link; it is not followed.",
        "/a/RP2.dcm: neither a file nor a folder; it is not opened.",
        "/link: a symbolic link; it is not followed.",
        "/loop: a symbolic link; it is not followed.",
        "/sock: neither a file nor a folder; it is not opened.",
    ]


HOSTILE = [
    b"new\nline",
    b"..x..",
    b"...",
    b"$(touch pwned)",
    b"`touch pwned`; rm -rf *",
    b"-rf",
    b"\xff\xfe\x80",
    b"n" * 255,
    "김환자 é\u202e".encode(),
    b" lead and trail ",
    b"\x1b[31mred",
]


@pytest.mark.promise("P14")
@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_a_name(tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    case = make_case(folder / os.fsdecode(name))
    (folder / os.fsdecode(b"l" + name[:200])).symlink_to("/etc")
    found = scan(Walks(tmp_path).walker, (), frozenset(), "", lambda: False)
    assert [look.path for look in found.looks] == [str(case)]
    (complaint,) = found.complaints
    line = str(complaint)
    assert line.isprintable()
    line.encode("utf-8")
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.promise("P14")
def test_a_folder_that_cannot_be_listed_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests run as a user who may read everything, so the refusal is put where the system would give it."""
    make_case(tmp_path / "fine")
    (tmp_path / "locked").mkdir()
    real = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith(("/locked", "/vanishing")):
            raise PermissionError(13, "Permission denied") if "locked" in path else FileNotFoundError(2, "gone")
        return real(path)  # type: ignore[return-value]  # a context manager all the same

    monkeypatch.setattr(os, "scandir", scandir)
    walks = Walks(tmp_path)
    (tmp_path / "vanishing").mkdir()
    found = walks()
    assert list(found.changed) == [str(tmp_path / "fine")]
    assert sorted(str(complaint) for complaint in found.complaints) == [
        f"{tmp_path}/locked: cannot be read: Permission denied. Check the share and the folder's rights.",
        f"{tmp_path}/vanishing: vanished while it was looked at.",
    ]
    monkeypatch.undo()
    assert walks().complaints == []


@pytest.mark.promise("P14")
def test_a_folder_below_itself_is_a_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a bind mount makes it: the same device and inode again on the way down."""
    case = make_case(tmp_path / "a" / "b")
    place = os.lstat(tmp_path / "a")
    real = os.lstat

    def lstat(path: str) -> os.stat_result:
        return place if str(path) == str(case) else real(path)

    monkeypatch.setattr(os, "lstat", lstat)
    found = Walks(tmp_path)()
    assert [str(complaint) for complaint in found.complaints] == [
        f"{case}: a loop: this folder holds itself; it is not followed."
    ]


@pytest.mark.promise("P14")
def test_depth_has_an_end(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(MAX_DEPTH + 3):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (complaint,) = Walks(tmp_path)().complaints
    assert f"more than {MAX_DEPTH} folders deep" in str(complaint)
    assert sys.getrecursionlimit() > 10 * MAX_DEPTH


def test_a_cancelled_walk_ends(tmp_path: Path) -> None:
    make_case(tmp_path / "a")
    with pytest.raises(InterruptedError):
        Walker([str(tmp_path)]).walk(0.0, 0.0, lambda: True)


def test_a_look_changes_with_any_file(tmp_path: Path) -> None:
    case = make_case(tmp_path / "a")
    looks = [look_at(str(case), "_CASE_READY")]
    for change in (
        lambda: (case / STAMP / "x.ptn").write_bytes(b"1234"),
        lambda: (case / STAMP / "x.ptn").write_bytes(b"12345"),
        lambda: os.utime(case / STAMP / "x.ptn", (1e9, 1e9)),
        lambda: (case / STAMP / "x.ptn").rename(case / STAMP / "y.ptn"),
        (case / "_CASE_READY").touch,
        (case / "2026030309301512").mkdir,
    ):
        change()
        looks.append(look_at(str(case), "_CASE_READY"))
    assert len({look.digest for look in looks}) == len(looks)
    assert [look.marker for look in looks] == [False] * 5 + [True] * 2
    assert len(looks[0].keys) == 1
    assert looks[-1].deliveries == (STAMP, "2026030309301512")


def test_settled_deliveries_need_no_look(tmp_path: Path) -> None:
    case = make_case(tmp_path / "a")
    (key,) = look_at(str(case), "").keys
    assert nothing_new(str(case), [STAMP], {key}.__contains__)
    assert not nothing_new(str(case), [STAMP], {"other"}.__contains__)
    assert not nothing_new(str(case), [STAMP, "absent"], {key}.__contains__)
    assert not nothing_new(str(case), [], {key}.__contains__)
    found = scan(Walks(tmp_path).walker, (), frozenset({key}), "", lambda: False)
    assert found.looks == ()


def test_a_listing_knows_what_a_folder_is() -> None:
    assert Listing("/x/2026030209301512").announced
    assert not Listing("/x/2026030209301512", folders=["y"]).announced
    assert Listing("/x/y", files={"PLANINFO.TXT": None}).delivered
    assert Listing("/x/y", files={"ct.DCM": None}).dicom
