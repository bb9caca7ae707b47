"""A small site for crash runs: two cases, an engine of no time that counts its starts, on this machine or over SSH."""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.demo.factory import write_demo_case
from actors.demo.loopback import Loopback
from actors.demo.site import DemoSite, make_site
from tests.kit.profiles import profile
from tests.kit.proxy import Proxy
from tests.kit.sshd import Sshd

ROOT = Path(__file__).resolve().parents[2]
CASES, BEAMS = 2, 3
GRID = (20, 20, 30)

# it runs in <site>/workspace/<case>/<beam>/<attempt>, notes its start if it has its claim, and fills the grid with a
# byte that follows from its input
ENGINE = f"""\
[ -d claim ] && echo "$MQI_ATTEMPT" >>../../../../starts
letter=$(cat in/*/* in/* 2>/dev/null | cksum | awk '{{printf "%c", 65 + $1 % 50}}')
echo "Generating particles for (1 of 1 batches) in CPU .."
head -c $(({GRID[0]} * {GRID[1]} * {GRID[2]} * 8)) /dev/zero | tr '\\0' "$letter" >out/crash_1_Dose.raw
"""
HOST_PYTHON = f"""\
#!/bin/sh
[ -d claim ] && echo "$MQI_ATTEMPT" >>../../../../starts
PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"
"""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a run has to do; ``far``: cases are interpreted on the host too."""

    name: str
    ssh: bool = False
    far: bool = False


@dataclass(slots=True)
class CrashSite:
    """A site with its cases, and the way to its host."""

    site: DemoSite
    workload: Workload
    proxy: Proxy | None = None

    @property
    def notes(self) -> Path:
        return self.site.folder / "notes"

    def starts(self) -> Counter[str]:
        """Attempt → how often its engine was started under a claim."""
        return Counter((self.site.folder / "starts").read_text().split())

    def passed(self) -> Counter[str]:
        """Point → how often one process passed it at most."""
        counted = Counter(line for line in self._noted() if not line.startswith("!"))
        found: Counter[str] = Counter()
        for line, times in counted.items():
            name = line.split()[0]
            found[name] = max(found[name], times)
        return found

    def struck(self) -> list[str]:
        """Points at which a blow fell."""
        return [line.split()[0][1:] for line in self._noted() if line.startswith("!")]

    def _noted(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []


@dataclass(frozen=True, slots=True)
class Stock:
    """What all runs share, so that their results can be compared byte by byte: cases, engines, a server."""

    folder: Path
    server: Sshd | None = None

    @property
    def cases(self) -> Path:
        return self.folder / "cases"

    def engine(self, *, far: bool) -> Path:
        return self.folder / ("far-engine.toml" if far else "engine.toml")


def make_stock(folder: Path, server: Sshd | None = None) -> Stock:
    """Written once; ``server`` is that of the hosts behind SSH, if there is one."""
    stock = Stock(folder, server)
    for number, beams in enumerate((2, 1), start=1):
        write_demo_case(stock.cases / f"p{number}", beams=beams, layers=2, spots=10, seed=number)
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
    one = "[compute]\nprocesses = 1\n"  # half the time of a start, and no chance in who passes a point how often
    site = make_site(folder, gpus=2, profile=engine, door=door, interval_s=0.2, quiet_s=0.1, more=one)
    shutil.copytree(stock.cases, site.incoming, dirs_exist_ok=True)
    return site
