"""The daemon's life under a real supervisord: killed, restarted, reloaded, upgraded, rolled back, while cases run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from actors.demo.factory import write_demo_case
from actors.demo.site import DemoSite, make_site
from actors.ledger.schema import SCHEMA_VERSION
from actors.results import verify_published
from tests.kit.daemon import engine_processes, until
from tests.kit.profiles import profile
from tests.kit.supervisord import Supervisord, needed

ROOT = Path(__file__).resolve().parents[2]
NEXT = SCHEMA_VERSION + 1


class Release:
    """One version of the program in a folder of its own, as an operator unpacks it beside the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("actors", "messages", "conf", "bin"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        shutil.copy(ROOT / "pyproject.toml", folder)

    def change(self, file: str, pattern: str, replacement: str) -> None:
        path = self.folder / file
        text, times = re.subn(pattern, lambda _: replacement, path.read_text(encoding="utf-8"), count=1)
        assert times == 1, f"{file} has no {pattern}"
        path.write_text(text, encoding="utf-8")

    def run(self, *words: str, conf: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "actors.cli", *words, "--conf", str(conf)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def document(self, *words: str, conf: Path) -> Any:
        done = self.run(*words, "--json", conf=conf)
        return json.loads(done.stdout) if done.returncode == 0 else None


def next_release(folder: Path) -> Release:
    """The same with another version, another wrapper, and tables of the next version."""
    release = Release(folder)
    release.change("pyproject.toml", r'(?m)^version = ".*"$', 'version = "99.0.0"')
    release.change("actors/jobs/wrapper.sh", r"\A#!/bin/sh\n", "#!/bin/sh\n# of the next release\n")
    release.change("actors/ledger/schema.py", r"(?m)^SCHEMA_VERSION = \d+$", f"SCHEMA_VERSION = {NEXT}")
    release.change(
        "actors/ledger/migrations.py",
        r"MappingProxyType\(\s*\{",
        f'MappingProxyType({{{NEXT}: lambda database: database.execute("CREATE TABLE novelty (x TEXT)"), ',
    )
    release.change("actors/ledger/schema.sql", r"\A", "CREATE TABLE novelty (x TEXT);\n")
    return release


class Life:
    """A site, two releases, and supervisord over whichever is current."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.starts = folder / "starts"
        self.starts.touch()
        self.go_on = folder / "go-on"
        engine = profile(
            folder,
            name="counted",
            command=f"""["sh", "-c", 'echo "$MQI_ATTEMPT" >>"$1"; while ! [ -e "$2" ]; do sleep 0.1; done; \
exec sh "$3" "$4"', "counted", "{self.starts}", "{self.go_on}", "{ROOT}/actors/demo/quick_engine.sh", "{{input}}"]""",
            grid=(20, 20, 30),
        )
        self.site: DemoSite = make_site(folder, gpus=3, profile=engine, interval_s=0.3, quiet_s=0.2)
        self.old = Release(folder / "releases" / "old")
        self.new = next_release(folder / "releases" / "new")
        self.current = folder / "current"
        self.use(self.old)

    @property
    def release(self) -> Release:
        return self.old if self.current.readlink() == self.old.folder else self.new

    def use(self, release: Release) -> None:
        """Switch the link in one step."""
        aside = self.current.with_name("current.new")
        aside.symlink_to(release.folder)
        aside.replace(self.current)

    def status(self) -> Any:
        return self.release.document("status", conf=self.site.conf)

    def up(self, besides: int = 0) -> int:
        """Wait until a daemon (other than the process ``besides``) answers; its pid."""

        def running() -> int:
            daemon = (self.status() or {}).get("daemon", {})
            pid = int(daemon.get("pid") or 0)
            return pid if daemon.get("state") == "running" and pid != besides else 0

        return int(until(running, 60, "the daemon answers"))

    def cases(self) -> dict[str, Any]:
        listed = self.release.document("cases", conf=self.site.conf) or []
        return {case["case"]: case for case in listed}

    def running_beams(self) -> int:
        return sum(beam["state"] == "running" for case in self.cases().values() for beam in case["beams"])

    def started(self) -> list[str]:
        """Attempts whose engine was started, as the engine itself noted."""
        return sorted(self.starts.read_text().split())

    def all_done(self, number: int) -> bool:
        cases = self.cases()
        return len(cases) == number and all(case["state"] == "done" for case in cases.values())


@pytest.fixture
def life(tmp_path: Path) -> Any:
    needed()
    made = Life(tmp_path / "life")
    yield made
    made.go_on.touch()
    for pid in engine_processes(made.site):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not engine_processes(made.site), 10, "no engine is left")


@pytest.mark.promise("P15")
@pytest.mark.promise("P17")
@pytest.mark.promise("P38")
def test_killed_restarted_reloaded_upgraded_and_rolled_back_while_cases_run(life: Life) -> None:
    site, command = life.site, f"{sys.executable} -m actors.cli start --conf {life.site.conf}"
    with Supervisord(site.folder / "sv", command, life.current) as supervisord:
        first = life.up()
        assert supervisord.pid == first
        write_demo_case(site.incoming / "one", beams=2, layers=2, spots=4, seed=1)
        until(lambda: life.running_beams() == 2, 30, "two beams run")
        runs = life.started()
        assert len(runs) == 2

        # killed: supervisord starts it again, the engines go on and are picked up
        os.kill(first, signal.SIGKILL)
        second = life.up(besides=first)

        # restarted by order
        assert "started" in supervisord.ctl("restart", "mqi-actors")
        third = life.up(besides=second)

        # reloaded: what can be taken over is, and what cannot is said
        conf = site.conf.read_text().replace("quiet_s = 0.2", "quiet_s = 0.25").replace('"Asia/Seoul"', '"UTC"')
        site.conf.write_text(conf)
        supervisord.ctl("signal", "HUP", "mqi-actors")
        until(lambda: "in force now: scan.quiet_s" in site.log.read_text(), 20, "the reload is told")
        assert "these wait for the next start: site.zone" in site.log.read_text()
        assert supervisord.pid == third

        # upgraded, with engines of the old wrapper still running
        supervisord.ctl("stop", "mqi-actors")
        life.use(life.new)
        supervisord.ctl("start", "mqi-actors")
        fourth = life.up(besides=third)
        until(lambda: "mqi-actors 99.0.0 starts" in site.log.read_text(), 20, "the new release says so")
        before = site.state / "backups" / f"before-version-{NEXT}.sqlite"
        with closing(sqlite3.connect(before)) as kept:
            assert kept.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == (str(SCHEMA_VERSION),)
        until(lambda: life.running_beams() == 2, 20, "the engines are picked up")
        assert life.started() == runs, "nothing was started anew"

        # another case begins under the new release; then all of it is rolled back
        write_demo_case(site.incoming / "two", beams=1, layers=2, spots=4, seed=2)
        until(lambda: life.running_beams() == 3, 30, "a beam of the second case runs too")
        supervisord.ctl("stop", "mqi-actors")
        life.use(life.old)
        supervisord.ctl("start", "mqi-actors")
        until(lambda: supervisord.state() == "EXITED", 20, "the old release refuses, and is not started time and again")
        refused = life.old.run("start", conf=site.conf)
        assert refused.returncode == 2
        said = " ".join((refused.stdout + refused.stderr).split())
        assert f"version {NEXT}" in said
        assert "restore" in said
        assert str(before) in said, "the way back is named"
        restored = life.old.run("restore", str(before), conf=site.conf)
        assert restored.returncode == 0, restored.stderr
        supervisord.ctl("start", "mqi-actors")
        life.up(besides=fourth)
        life.go_on.touch()
        until(lambda: life.all_done(2), 60, "both cases are done")
        # the ledger that was restored knows the runs of the first case; that of the second it has forgotten, and the
        # claim on the host keeps it from being started a second time under the same name
        assert set(runs) < set(life.started())
        assert len(life.started()) == len(set(life.started())) == 4
        for case in life.cases():
            assert verify_published(site.results / case) == ()
        assert supervisord.ctl("stop", "mqi-actors")
