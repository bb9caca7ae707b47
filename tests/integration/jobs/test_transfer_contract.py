"""What every kind of host promises of files: whole and verified under their final name, or nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from messages.files import AbandonMove, FetchFiles, FileProof, FilesMoved, MoveFailed, PutFiles
from tests.kit.hosts import KINDS, Host
from tests.kit.waiting import wait_until

ODD_NAMES = (
    "plain.txt",
    "deep/er/layer 01_70.00MeV.csv",
    "quote'\"$HOME`id`;x",
    "빔:1.raw",
    "new\nline",
    "\udcff\udcfe",
    "-rf",
)


@pytest.fixture(params=sorted(KINDS))
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    with KINDS[request.param](tmp_path / "workspace") as host:
        yield host


def written(root: Path, files: dict[str, bytes]) -> tuple[FileProof, ...]:
    """Write them; their manifest."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return tuple(FileProof(name, len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items())


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def put(
    host: Host, source: Path, target: Path, files: tuple[FileProof, ...], epoch: int = 1
) -> FilesMoved | MoveFailed:
    request_id = host.request_id()
    host.lane.tell(PutFiles(request_id, host.probe, epoch, str(source), str(target), files))
    return answer(host, request_id)


def fetch(host: Host, source: Path, target: Path, names: tuple[str, ...] = ()) -> FilesMoved | MoveFailed:
    request_id = host.request_id()
    host.lane.tell(FetchFiles(request_id, host.probe, 1, str(source), str(target), names))
    return answer(host, request_id)


def answer(host: Host, request_id: str) -> FilesMoved | MoveFailed:
    found = host.probe.expect(object, 20, lambda news: getattr(news, "request_id", "") == request_id)
    assert isinstance(found, FilesMoved | MoveFailed)
    return found


def moved(outcome: FilesMoved | MoveFailed) -> FilesMoved:
    assert isinstance(outcome, FilesMoved), outcome
    return outcome


def refused(outcome: FilesMoved | MoveFailed) -> str:
    assert isinstance(outcome, MoveFailed), outcome
    return outcome.fault.kind


def beside(target: Path) -> list[str]:
    """Names of what lies beside the target: nothing else may be left."""
    return sorted(path.name for path in target.parent.iterdir()) if target.parent.exists() else []


@pytest.mark.promise("P25")
@pytest.mark.promise("P14")
def test_files_with_any_name_arrive_byte_for_byte(host: Host, tmp_path: Path) -> None:
    files = {name: os.urandom(3000 + number) for number, name in enumerate(ODD_NAMES)}
    proofs = written(tmp_path / "source", files)
    there, back = host.workspace / "c/1/1/in", tmp_path / "back"
    assert {file.path for file in moved(put(host, tmp_path / "source", there, proofs)).files} == set(ODD_NAMES)
    assert contents(there) == files
    assert beside(there) == ["in"]
    assert sorted(moved(fetch(host, there, back)).files, key=lambda file: file.path) == sorted(
        proofs, key=lambda file: file.path
    )
    assert contents(back) == files


def test_modification_times_are_kept(host: Host, tmp_path: Path) -> None:
    out = host.workspace / "c/1/1/out"
    written(out, {"dose.raw": b"dose"})
    os.utime(out / "dose.raw", ns=(10**18, 10**18 + 123456789))
    moved(fetch(host, out, tmp_path / "back"))
    assert (tmp_path / "back/dose.raw").stat().st_mtime_ns == 10**18 + 123456789


def test_a_repeated_move_proves_what_is_there_and_changes_nothing(host: Host, tmp_path: Path) -> None:
    proofs = written(tmp_path / "source", {"a": b"1", "b/c": b"22"})
    target = host.workspace / "c/1/1/in"
    first = moved(put(host, tmp_path / "source", target, proofs))
    inode = (target / "a").stat().st_ino
    again = moved(put(host, tmp_path / "source", target, proofs))
    assert again.files == first.files
    assert (target / "a").stat().st_ino == inode
    moved(fetch(host, target, tmp_path / "back"))
    moved(fetch(host, target, tmp_path / "back"))
    assert beside(target) == ["in"]
    ours = {path.name for path in tmp_path.iterdir() if not path.name.startswith("workspace")}
    assert ours == {"back", "source"}


@pytest.mark.promise("P25")
def test_other_files_under_the_final_name_are_never_replaced(host: Host, tmp_path: Path) -> None:
    proofs = written(tmp_path / "source", {"a": b"new"})
    target = host.workspace / "c/1/1/in"
    for present in ({"a": b"old"}, {"a": b"longer"}, {"a": b"new", "b": b"more"}):
        written(target, present)
        assert refused(put(host, tmp_path / "source", target, proofs)) == "target-differs"
        assert contents(target) == present
        for name in present:
            (target / name).unlink()
    moved(put(host, tmp_path / "source", target, proofs))


@pytest.mark.promise("P25")
def test_a_source_that_is_not_what_the_manifest_says_is_refused(host: Host, tmp_path: Path) -> None:
    source, target = tmp_path / "source", host.workspace / "c/1/1/in"
    proofs = written(source, {"a": b"1234", "b": b"5678"})
    for spoil, kind in ((b"1_34", "source-differs"), (b"123", "source-differs"), (None, "source-missing")):
        (source / "a").unlink() if spoil is None else (source / "a").write_bytes(spoil)
        assert refused(put(host, source, target, proofs)) == kind
        assert not target.exists()
    (source / "a").write_bytes(b"1234")
    moved(put(host, source, target, proofs))
    assert beside(target) == ["in"]


@pytest.mark.promise("P14")
@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", "a//b", "", ".", "a\0b"])
def test_paths_that_lead_astray_are_refused(host: Host, tmp_path: Path, path: str) -> None:
    proofs = written(tmp_path / "source", {"a": b"1"})
    astray = FileProof(path, 1, proofs[0].sha256)
    assert refused(put(host, tmp_path / "source", host.workspace / "c/1/1/in", (*proofs, astray))) == "path-unsafe"
    assert refused(fetch(host, host.workspace / "c", tmp_path / "back", (path,))) == "path-unsafe"


@pytest.mark.promise("P14")
def test_only_the_workspace_is_written_and_read_on_the_host(host: Host, tmp_path: Path) -> None:
    proofs = written(tmp_path / "source", {"a": b"1"})
    (host.workspace / "link").symlink_to(tmp_path)
    for target in (tmp_path / "elsewhere", host.workspace, host.workspace / "../elsewhere", host.workspace / "link/x"):
        assert refused(put(host, tmp_path / "source", target, proofs)) == "outside-workspace"
        assert refused(fetch(host, target, tmp_path / "back")) == "outside-workspace"
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "x").exists()


@pytest.mark.promise("P14")
def test_links_devices_and_pipes_are_never_followed(host: Host, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    out = host.workspace / "c/1/1/out"
    written(out, {"dose.raw": b"dose", "deep/x": b"x"})
    (out / "link").symlink_to(secret)
    (out / "folder").symlink_to(tmp_path)
    os.mkfifo(out / "pipe")
    moved(fetch(host, out, tmp_path / "back"))
    assert contents(tmp_path / "back") == {"dose.raw": b"dose", "deep/x": b"x"}
    moved(fetch(host, out, tmp_path / "named", ("link", "folder/secret", "pipe", "dose.raw", "absent")))
    assert contents(tmp_path / "named") == {"dose.raw": b"dose"}
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").symlink_to(secret)
    proof = FileProof("a", 6, hashlib.sha256(b"secret").hexdigest())
    assert refused(put(host, source, host.workspace / "c/2/1/in", (proof,))) == "source-unreadable"
    (host.workspace / "c/3/1").mkdir(parents=True)
    (host.workspace / "c/3/1/out").symlink_to(tmp_path)
    assert refused(fetch(host, host.workspace / "c/3/1/out", tmp_path / "led")) == "source-unreadable"


def test_named_files_and_folders_are_fetched_and_absent_ones_left_out(host: Host, tmp_path: Path) -> None:
    run = host.run_dir("c/1/1")
    written(run, {"out/a.raw": b"a", "out/b/c.raw": b"c", "in/x": b"x", "engine.log": b"log", "exit.json": b"{}"})
    fetched = moved(fetch(host, run, tmp_path / "back", ("out", "engine.log", "exit.json", "core")))
    assert [file.path for file in fetched.files] == ["engine.log", "exit.json", "out/a.raw", "out/b/c.raw"]
    assert contents(tmp_path / "back" / "out") == {"a.raw": b"a", "b/c.raw": b"c"}


def test_a_folder_that_is_not_there_cannot_be_fetched(host: Host, tmp_path: Path) -> None:
    assert refused(fetch(host, host.workspace / "c/1/1/out", tmp_path / "back")) == "source-unreadable"
    assert not (tmp_path / "back").exists()


def test_nothing_to_move_makes_an_empty_folder(host: Host, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for _ in range(2):
        assert moved(put(host, tmp_path / "source", host.workspace / "c/1/1/in", ())).files == ()
    assert list((host.workspace / "c/1/1/in").iterdir()) == []


def test_an_abandoned_move_is_not_answered_and_leaves_nothing(host: Host, tmp_path: Path) -> None:
    source, target = tmp_path / "source", host.workspace / "c/1/1/in"
    big = {f"big-{number}": bytes(48_000_000) for number in range(3)}
    proofs = written(source, big)
    small = written(tmp_path / "small", {"a": b"1"})
    host.lane.tell(PutFiles("long", host.probe, 1, str(source), str(target), proofs))
    host.lane.tell(PutFiles("waiting", host.probe, 1, str(source), str(host.workspace / "c/2/1/in"), proofs))
    wait_until(lambda: any(name.startswith(".in.part-") for name in beside(target)))
    host.lane.tell(AbandonMove("waiting"))
    host.lane.tell(AbandonMove("long"))
    host.lane.tell(AbandonMove("unknown"))
    moved(put(host, tmp_path / "small", host.workspace / "c/3/1/in", small))
    assert {getattr(news, "request_id", "") for news in host.probe.received}.isdisjoint({"long", "waiting"})
    assert beside(target) == []
    assert not (host.workspace / "c/2/1").exists()


def test_orders_of_a_former_life_are_dropped(host: Host, tmp_path: Path) -> None:
    proofs = written(tmp_path / "source", {"a": b"1"})
    moved(put(host, tmp_path / "source", host.workspace / "c/1/1/in", proofs, epoch=5))
    host.lane.tell(PutFiles("old", host.probe, 4, str(tmp_path / "source"), str(host.workspace / "c/2/1/in"), proofs))
    moved(put(host, tmp_path / "source", host.workspace / "c/3/1/in", proofs, epoch=6))
    assert not (host.workspace / "c/2/1/in").exists()
