"""A result in a drop folder: whole or not there, whatever was there before."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from test_real_nodes import not_sent, order, sent

from actors import unfinished
from actors.results import verify_published
from actors.sender import dropping, look_at
from actors.sender.order import Why
from actors.sender.result import read_result
from actors.sender.send import send
from actors.settings import SendNode
from tests.integration.reporter.published_cases import PublishedCase


@pytest.fixture
def drop(tmp_path: Path) -> SendNode:
    (tmp_path / "out").mkdir()
    return SendNode(name="drop", kind="folder", folder=tmp_path / "out", when="accepted")


def dropped(node: SendNode) -> list[str]:
    assert node.folder is not None
    return sorted(path.name for path in node.folder.iterdir())


def test_the_whole_result_appears_and_is_there_once(case: PublishedCase, drop: SendNode) -> None:
    first = sent(send(order(case, drop)))
    assert drop.folder is not None
    final = drop.folder / case.folder.name
    assert first.sentence == f"6 files in {final}"
    assert verify_published(final) == ()
    for file in case.folder.iterdir():
        assert (final / file.name).read_bytes() == file.read_bytes()
    again = sent(send(order(case, drop)))
    assert "they were there" in again.sentence
    assert dropped(drop) == [case.folder.name]


def test_what_stands_in_its_place_is_left_as_it_is(case: PublishedCase, drop: SendNode) -> None:
    assert drop.folder is not None
    final = drop.folder / case.folder.name
    final.mkdir()
    (final / "sum.dcm").write_text("another")
    not_sent(send(order(case, drop)), Why.REFUSED, "is not this result: move it away")
    assert (final / "sum.dcm").read_text() == "another"
    assert dropped(drop) == [case.folder.name]


def test_a_share_that_is_not_mounted_is_never_made(case: PublishedCase, drop: SendNode) -> None:
    assert drop.folder is not None
    drop.folder.rmdir()
    assert look_at(drop) == f"there is no folder {drop.folder}"
    not_sent(send(order(case, drop)), Why.NODE, "is its share mounted")
    assert not drop.folder.exists()
    drop.folder.mkdir()
    assert look_at(drop) == ""
    sent(send(order(case, drop)))


def test_a_full_disk_leaves_nothing(case: PublishedCase, drop: SendNode, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    not_sent(send(order(case, drop)), Why.NODE, "No space left on device")
    assert dropped(drop) == []


def test_a_file_that_changes_before_it_is_copied_is_not_dropped(
    case: PublishedCase, drop: SendNode, tmp_path: Path
) -> None:
    folder = tmp_path / "results" / case.folder.name
    shutil.copytree(case.folder, folder)
    proven = read_result(folder, folder.name)
    (folder / "sum.dcm").write_bytes(b"another")
    assert drop.folder is not None
    not_sent(dropping.drop(drop.folder, proven), Why.NODE, "sum.dcm changed as it was copied")
    assert dropped(drop) == []


def test_what_a_process_that_is_gone_left_is_cleared_and_no_other(case: PublishedCase, drop: SendNode) -> None:
    assert drop.folder is not None
    gone = drop.folder / f".{case.folder.name}.{unfinished.machine()}~999999~1.partial"
    writing = drop.folder / f".{case.folder.name}.{unfinished.writer(os.getppid())}.partial"
    for folder in (gone, writing):
        folder.mkdir()
    sent(send(order(case, drop)))
    assert dropped(drop) == sorted([writing.name, case.folder.name])
