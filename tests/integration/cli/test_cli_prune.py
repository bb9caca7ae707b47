"""``prune``: a dry run shows what would go and touches nothing; then the real daemon removes that and nothing else."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.cli.entry import run
from actors.demo.site import DemoSite, make_site
from actors.ledger import Ledger, Reader, next_boot
from messages.cases import CaseSource, DeliverySource
from messages.ledger import AdmitCase, BeamName, MoveCase, NoteEvent, Record, Write, Written
from messages.states import CaseState
from tests.kit import Probe, running
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import quick_profile

NOW = datetime.now(UTC)
OLD, YOUNG, OPEN = "20200301-120000-aaaa1111", "20260301-120000-bbbb2222", "20200302-120000-cccc3333"


def failed(name: str) -> tuple[Record, ...]:
    delivery = DeliverySource(f"/in/{name}/1", f"key-{name}", 3, NOW, 1, 4)
    source = CaseSource(name, f"id-{name}", f"/in/{name}", f"/in/{name}/RP.dcm", "1.2", "1", "G1", (delivery,))
    return (AdmitCase(source, (BeamName(3, "A"),)), MoveCase(name, CaseState.FAILED, "its plan is damaged"))


def keep(site: DemoSite, when: datetime, *records: Record) -> None:
    """Written at that time."""
    probe = Probe()
    with running(
        Ledger, path=site.ledger, backups=site.state / "backups", backup_hours=0.0, clock=lambda: when
    ) as ledger:
        ledger.tell(Write("w", probe, "test", 1, records))
        probe.expect(Written)


@pytest.fixture
def site(tmp_path: Path) -> DemoSite:
    made = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path))
    next_boot(made.ledger, made.state / "backups")
    keep(made, NOW - timedelta(days=4000), *failed(OLD), NoteEvent("", "an old line"))
    keep(made, NOW - timedelta(days=4000), failed(OPEN)[0], MoveCase(OPEN, CaseState.HELD, "held by kim"))
    keep(made, NOW - timedelta(days=5), *failed(YOUNG))
    for case in (OLD, YOUNG, OPEN):
        folder = made.state / "work" / case / "input" / "3"
        folder.mkdir(parents=True)
        (folder / "input.txt").write_bytes(b"x" * 1000)
    log = made.log.parent / "cases" / f"{OLD}.log"
    log.parent.mkdir(parents=True)
    log.write_text("long ago\n")
    os.utime(log, (time.time() - 400 * 86400,) * 2)
    return made


def work(site: DemoSite) -> set[str]:
    return {path.name for path in (site.state / "work").iterdir()}


def test_a_dry_run_and_then_the_daemon(site: DemoSite, capsys: pytest.CaptureFixture[str]) -> None:
    conf = ["--conf", str(site.conf)]
    assert run(["prune", "--dry-run", "--json", *conf]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [(one["case"], one["bytes"]) for one in shown["cases"]] == [(OLD, 1000)]
    assert shown["events"] == 1, "the old case's own history goes after its files"
    assert [Path(one["path"]).name for one in shown["logs"]] == [f"{OLD}.log"]
    assert run(["prune", "--dry-run", *conf]) == 0
    assert "nothing was removed" in capsys.readouterr().out
    assert work(site) == {OLD, YOUNG, OPEN}

    assert run(["prune", *conf]) == 0, "with the daemon down the order stands in the ledger"
    assert "when the daemon starts" in capsys.readouterr().out
    reader = Reader(site.ledger)
    with Daemon(site) as daemon:
        until(lambda: work(site) == {YOUNG, OPEN}, 30, "old working files go")
        until(lambda: (row := reader.case(OLD)) is not None and row.cleaned, 20, "the ledger says so")
        assert "case: its working files are being removed" in [event.what for event in reader.events(OLD)]
        assert run(["prune", *conf]) == 0
        until(lambda: not any(event.what == "case: seen" for event in reader.events(OLD)), 20, "its old history goes")
        assert daemon.stop() == 0
    row = reader.case(OLD)
    assert row is not None
    assert row.state is CaseState.FAILED, "the row stays"
    assert {row.case: row.cleaned for row in reader.cases()} == {OLD: True, YOUNG: False, OPEN: False}
    assert reader.events(OPEN)[0].at < NOW - timedelta(days=3999), "the history of an open case stays"
    assert work(site) == {YOUNG, OPEN}


def test_nothing_to_remove(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path))
    assert run(["prune", "--dry-run", "--conf", str(made.conf)]) == 0
    assert capsys.readouterr().out == "there is nothing to remove\n"


@pytest.mark.promise("P21")
def test_a_dry_run_tells_of_a_clock_that_is_in_doubt_as_the_daemon_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing has happened for years: either nobody worked, or the clock jumped: the daemon removes nothing then."""
    made = make_site(tmp_path, gpus=1, profile=quick_profile(tmp_path))
    next_boot(made.ledger, made.state / "backups")
    keep(made, NOW - timedelta(days=4000), NoteEvent("", "an old line"), NoteEvent("", "the newest line"))
    assert run(["prune", "--dry-run", "--json", "--conf", str(made.conf)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["events"] == 1
    assert "nothing has happened since" in shown["clock_doubt"]
    assert run(["prune", "--dry-run", "--conf", str(made.conf)]) == 0
    assert "no history is removed as long as the clock says" in capsys.readouterr().out
