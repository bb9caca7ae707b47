"""`backup` and `restore`: the way back that the refusal of a damaged ledger names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from actors.cli.entry import run
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader, next_boot


@pytest.fixture
def site(tmp_path: Path) -> DemoSite:
    made = make_site(tmp_path / "site")
    next_boot(made.ledger, made.state / "backups")
    return made


@pytest.mark.promise("P23")
def test_a_damaged_ledger_goes_back_to_its_backup_by_one_command(site: DemoSite, tmp_path: Path) -> None:
    copy, conf = tmp_path / "copy.sqlite", ["--conf", str(site.conf)]
    assert run(["backup", str(copy), *conf]) == 0
    boot = int(Reader(site.ledger).meta()["boot"])
    site.ledger.write_bytes(b"\x00" * 8192)
    assert run(["restore", str(copy), *conf]) == 0
    assert int(Reader(site.ledger).meta()["boot"]) > boot, "no epoch of before is used again"
    kept = [path for path in site.state.iterdir() if "replaced" in path.name and path.suffix == ".sqlite"]
    assert kept, "what was there is kept"
    assert kept[0].read_bytes().startswith(b"\x00")


def test_a_backup_without_a_name_lies_among_the_others(site: DemoSite) -> None:
    assert run(["backup", "--conf", str(site.conf)]) == 0
    assert list((site.state / "backups").glob("ledger-by-hand-*.sqlite"))


def test_what_cannot_be_done_changes_nothing(site: DemoSite, tmp_path: Path) -> None:
    conf, before = ["--conf", str(site.conf)], site.ledger.read_bytes()
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(b"no ledger")
    assert run(["restore", str(damaged), *conf]) == 2
    assert run(["restore", str(tmp_path / "nowhere"), *conf]) == 2
    assert site.ledger.read_bytes() == before
    assert run(["backup", "/proc/nothing/here", *conf]) == 2
    site.ledger.unlink()
    assert run(["backup", *conf]) == 2


def test_nothing_is_restored_under_a_running_daemon(site: DemoSite, tmp_path: Path) -> None:
    copy, conf = tmp_path / "copy.sqlite", ["--conf", str(site.conf)]
    assert run(["backup", str(copy), *conf]) == 0
    holds = (
        "import sys; from pathlib import Path; from actors.cli.daemon.lock import StateLock\n"
        "with StateLock(Path(sys.argv[1]), Path('s')):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holds, str(site.state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert run(["restore", str(copy), *conf]) == 5
        other.communicate()
