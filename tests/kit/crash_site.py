"""A small site for crash runs: two cases, an engine of no time that counts its starts, on this machine or over SSH."""

from __future__ import annotations

import re
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.demo.factory import write_demo_case
from actors.demo.loopback import Loopback
from actors.demo.recipe import CaseFault
from actors.demo.site import DemoSite, make_site
from actors.ledger.backups import KEEP
from tests.kit.profiles import profile
from tests.kit.proxy import Proxy
from tests.kit.sshd import Sshd

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "tests" / "integration" / "ledger" / "schema_1.sql"
BEAMS = (2, 1)
"""Of the cases."""
GRID = (20, 20, 30)

# it runs in <site>/workspace/<case>/<beam>/<attempt>, notes its start if it has its claim, and fills the grid with a
# byte that follows from its input
ENGINE = f"""\
[ -d claim ] && echo "$MQI_ATTEMPT" >>../../../../starts
letter=$(cat in/*/* in/* 2>/dev/null | cksum | awk '{{printf "%c", 65 + $1 % 50}}')
[ ! -e ../../../../slow ] || sleep 600
echo "Generating particles for (1 of 1 batches) in CPU .."
head -c $(({GRID[0]} * {GRID[1]} * {GRID[2]} * 8)) /dev/zero | tr '\\0' "$letter" >out/crash_1_Dose.raw
"""
HOST_PYTHON = f"""\
#!/bin/sh
[ -d claim ] && echo "$MQI_ATTEMPT" >>../../../../starts
PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"
"""
CLUSTER = 'launcher = "slurm"\n[hosts.slurm]\npartition = "gpu"\nmax_queued = 2\ninterval_s = 0.2\n'
"""Of a host."""


@dataclass(frozen=True, slots=True)
class Blow:
    """At the ``nth`` passing of a point in one process: SIGKILL for the daemon, or, with ``cut``, all links cut."""

    point: str
    nth: int = 1
    cut: bool = False

    def __str__(self) -> str:
        return f"{'cut' if self.cut else 'kill'} at {self.point}#{self.nth}"


@dataclass(frozen=True, slots=True)
class Workload:
    """What a run has to do."""

    name: str
    ssh: bool = False
    slurm: bool = False
    """Its host hands runs to the tests' cluster, which SLURM_CONF names."""
    far: bool = False
    """Cases are interpreted on the host too."""
    beams: tuple[int, ...] = BEAMS
    """Of the cases that there are."""
    first: Blow | None = None
    """Falls in a life of the daemon before the one that counts."""
    cancelled: bool = False
    """While the daemon is down after that blow, every case is ordered to be cancelled; engines would run for long."""
    claimed: bool = False
    """While it is down, a wrapper makes its claim for every run that was staged, and is gone before it begins."""
    alarmed: bool = False
    """There is one case more, which fails, and a command that tells of alarms."""
    old: bool = False
    """There is a ledger of the first release, with more backups than are kept."""
    reported: bool = False
    """Each case gets the physicist's report."""

    @property
    def host(self) -> str:
        """Kind of its host."""
        return "ssh" if self.ssh else "slurm" if self.slurm else "local"


@dataclass(slots=True)
class CrashSite:
    """A site with its cases, and the way to its host."""

    site: DemoSite
    workload: Workload
    proxy: Proxy | None = None

    lives: int = 0
    """Starts of the daemon."""

    @property
    def notes(self) -> Path:
        """Of the present life: who passed which point."""
        return self.site.folder / f"notes-{self.lives}"

    def starts(self) -> Counter[str]:
        """Attempt → how often its engine was started under a claim."""
        return Counter((self.site.folder / "starts").read_text().split())

    def told(self) -> list[str]:
        """Documents that the command for alarms was given."""
        return _lines(self.site.folder / "told")

    def passed(self) -> Counter[str]:
        """Point → how often one process passed it at most, in the last life of the daemon."""
        counted = Counter(line for line in _lines(self.notes) if not line.startswith("!"))
        found: Counter[str] = Counter()
        for line, times in counted.items():
            name = line.split()[0]
            found[name] = max(found[name], times)
        return found

    def struck(self) -> list[str]:
        """Points at which a blow fell, in all lives."""
        lines = (line for file in sorted(self.site.folder.glob("notes-*")) for line in _lines(file))
        return [line.split()[0][1:] for line in lines if line.startswith("!")]


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


@dataclass(frozen=True, slots=True)
class Stock:
    """What all runs share, so that their results can be compared byte by byte: cases, engines, a server."""

    folder: Path
    server: Sshd | None = None

    def case(self, beams: int) -> Path:
        """The one with so many beams; 0: the one that fails."""
        return self.folder / f"case-{beams}"

    def engine(self, *, far: bool) -> Path:
        return self.folder / ("far-engine.toml" if far else "engine.toml")


def make_stock(folder: Path, server: Sshd | None = None) -> Stock:
    """Written once; ``server`` is that of the hosts behind SSH, if there is one."""
    stock = Stock(folder, server)
    for beams in BEAMS:
        write_demo_case(stock.case(beams), beams=beams, layers=2, spots=10, seed=beams)
    write_demo_case(stock.case(0), beams=1, layers=2, spots=10, seed=9, fault=CaseFault.SWAPPED_AXES)
    for name, text in (("engine.sh", ENGINE), ("host-python", HOST_PYTHON)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    made = profile(folder, name="engine", command=f'["sh", "{folder / "engine.sh"}", "{{input}}"]', grid=GRID)
    made.write_text(re.sub(r"(?m)^version_command = .*$", "", made.read_text()))  # a Python less at each start
    far = made.read_text().replace('\ninterpret = "here"', '\ninterpret = "host"')
    far = far.replace('\nhost_python = ""', f'\nhost_python = "{folder / "host-python"}"')
    assert far.count('"host"') == 1
    stock.engine(far=True).write_text(far)
    return stock


@contextmanager
def crash_site(folder: Path, stock: Stock, workload: Workload) -> Iterator[CrashSite]:
    """A site below ``folder`` with all its cases."""
    folder.mkdir(parents=True)
    (folder / "starts").touch()
    if not workload.ssh:
        yield CrashSite(_made(folder, stock, workload), workload)
        return
    server = stock.server
    assert server is not None, "a host over SSH has a server"
    with Proxy(server.port) as proxy:
        known = folder / "known_hosts"
        known.write_text(server.known_hosts.read_text().replace(f":{server.port} ", f":{proxy.port} "))
        door = Loopback(proxy.port, server.user, server.client_key, known)
        yield CrashSite(_made(folder, stock, workload, door), workload, proxy)


def _made(folder: Path, stock: Stock, workload: Workload, door: Loopback | None = None) -> DemoSite:
    engine = stock.engine(far=workload.far)
    more = "[compute]\nprocesses = 1\n"  # half the time of a start, and no chance in who passes a point how often
    if workload.slurm:
        more = CLUSTER + more
    if workload.alarmed:
        command = f"""["sh", "-c", 'cat >>"$1"; echo >>"$1"', "tell", "{folder / "told"}"]"""
        more += f"[alarms]\ncommand = {command}\ngroup_s = 0\n"
    site = make_site(
        folder, gpus=2, profile=engine, door=door, interval_s=0.2, quiet_s=0.1, more=more, reports=workload.reported
    )
    for beams in (*workload.beams, *([0] if workload.alarmed else [])):
        shutil.copytree(stock.case(beams), site.incoming / f"p{beams}")
    if workload.cancelled:
        (folder / "slow").touch()
    if workload.old:
        _write_old(site)
    return site


def _write_old(site: DemoSite) -> None:
    """What the first release left: its tables, empty, and a backup a day."""
    backups = site.state / "backups"
    backups.mkdir()
    with closing(sqlite3.connect(site.ledger)) as database:
        database.executescript(FIRST.read_text())
        database.execute("INSERT INTO meta VALUES ('schema', '1')")
        database.commit()
    for day in range(1, KEEP + 3):
        shutil.copyfile(site.ledger, backups / f"ledger-202601{day:02}T000000Z.sqlite")
