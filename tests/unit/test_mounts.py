"""On which mount a folder lies, and whether it is the one that is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import mounts
from actors.errors import MqiError
from actors.mounts import AWAY, Ground, check_mounted, deepest, expected_mount

TABLE = r"""
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/dose\040files rw - nfs4 server:/dose rw
31 30 0:41 / /mnt/dose\040files/deep rw - nfs4 server:/deep rw
no such line
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/mnt/dose files", "/mnt/dose files"),
        ("/mnt/dose files/results/a", "/mnt/dose files"),
        ("/mnt/dose files/deep/a", "/mnt/dose files/deep"),
        ("/mnt/dose filesystem", "/"),
        ("/", "/"),
    ],
)
def test_the_deepest_mount_above_a_path(path: str, place: str) -> None:
    assert deepest(path, TABLE) == place
    assert deepest(path, "") == ""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is mounted below the folder now: its last entry."""
    now = ["/mnt/share"]
    monkeypatch.setattr(mounts, "mount_of", lambda _folder: now[-1])
    return now


@pytest.mark.promise("P20")
def test_what_is_expected_outlives_a_restart_and_follows_what_an_operator_changes(
    tmp_path: Path, world: list[str]
) -> None:
    note, folder = tmp_path / "note", Path("/mnt/share/results")
    assert expected_mount(folder, note) == "/mnt/share"
    world.append("/")
    assert expected_mount(folder, note) == "/mnt/share", "after a reboot it is not mounted"
    assert expected_mount(Path("/srv/results"), note) == "/", "another folder lies elsewhere"
    world.append("/mnt/share/results")
    assert expected_mount(folder, note) == "/mnt/share/results"
    note.unlink()
    world.append("/")
    assert expected_mount(folder, note) == "/", "an operator removed the note"


def test_a_note_that_cannot_be_read_or_written_stops_nothing(tmp_path: Path, world: list[str]) -> None:
    note = tmp_path / "note"
    note.write_bytes(b"\xff\nx\ny\n")
    assert expected_mount(Path("/r"), note) == world[-1]
    assert expected_mount(Path("/r"), tmp_path / "no" / "folder") == world[-1]


def test_only_a_share_that_is_known_and_gone_is_away(world: list[str]) -> None:
    folder = Path("/mnt/share/results")
    check_mounted(folder, "")
    check_mounted(folder, "/mnt/share")
    check_mounted(folder, "/mnt")
    world.append("/")
    with pytest.raises(MqiError, match="/mnt/share is not mounted") as caught:
        check_mounted(folder, "/mnt/share")
    assert caught.value.fault.kind == AWAY


@pytest.mark.promise("P21")
def test_the_disk_of_a_workspace_is_missed_once_it_was_seen(tmp_path: Path, world: list[str]) -> None:
    ground = Ground.of("gpu1", "/mnt/share/ws", tmp_path)
    assert ground.away() == "", "nothing is known yet"
    assert ground.saw("/mnt/share") == ground.expected() == "/mnt/share"
    assert ground.saw("/") == "/mnt/share"
    assert ground.away() == ""
    world.append("/")
    assert "/mnt/share is not mounted" in ground.away()
    assert "remove workspace-gpu1.mount" in ground.away()
    assert Ground.of("gpu1", "/srv/ws", tmp_path).away() == "", "another workspace"
    (tmp_path / "workspace-gpu1.mount").unlink()
    assert ground.away() == "", "an operator removed the note"


def test_a_workspace_on_the_systems_own_disk_needs_no_note(tmp_path: Path) -> None:
    assert Ground.of("gpu1", "/ws", tmp_path).saw("/") == ""
    assert Ground("/ws").saw("/mnt") == ""
    assert not list(tmp_path.iterdir())
