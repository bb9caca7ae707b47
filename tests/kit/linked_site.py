"""A site whose one host lies behind a proxy, with a real daemon: cases one after the other, faults on the way."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.demo.factory import write_demo_case
from actors.demo.loopback import Loopback
from actors.demo.site import DemoSite, make_site
from actors.ledger import Reader
from messages.ledger import CaseRow, HostRow
from tests.kit.daemon import ENDED, Daemon, engine_processes, until
from tests.kit.leaks import KEPT
from tests.kit.profiles import profile
from tests.kit.proxy import Proxy
from tests.kit.sshd import Sshd

GRID = (100, 100, 50)
OUTPUT_BYTES = 8 * GRID[0] * GRID[1] * GRID[2]
LIMIT_S = 60.0
_POLL_S = 0.004

# notes its start under its claim, and what it was given; waits while it is to, also when it is told to end; talks if
# it is to
ENGINE = f"""\
site=../../../..
[ -d claim ] && echo "$MQI_ATTEMPT" >>$site/starts
du -sb in >>$site/inputs
trap 'echo "$MQI_ATTEMPT" >>$site/dying; while [ -e $site/hold ]; do sleep 0.05; done; exit 1' TERM
while [ -e $site/hold ]; do sleep 0.05; done
[ ! -e $site/talk ] || seq 1 20000
letter=$(cat in/*/* in/* 2>/dev/null | cksum | awk '{{printf "%c", 65 + $1 % 50}}')
head -c {OUTPUT_BYTES} /dev/zero | tr '\\0' "$letter" >out/linked_1_Dose.raw
"""


@dataclass
class LinkedSite:
    """One GPU slot over SSH; ``proxy`` stands between. Used by one case at a time."""

    site: DemoSite
    server: Sshd
    proxy: Proxy
    daemon: Daemon
    seen: list[HostRow] = field(default_factory=list)
    """What ``status`` says of the host, whenever that changed."""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # -- the site

    @property
    def host(self) -> HostRow | None:
        """What ``status`` says of the host now."""
        row = next(iter(Reader(self.site.ledger).hosts()), None)
        if row is not None and (
            not self.seen or (row.state, row.reason) != (self.seen[-1].state, self.seen[-1].reason)
        ):
            self.seen.append(row)
        return row

    def until(self, condition: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
        """Looks at the host meanwhile; what the daemon said is told when it takes too long."""
        deadline = time.monotonic() + limit_s
        while not (value := condition()):
            _ = self.host
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {limit_s:.0f} s: {what}; {self.seen}\n{self.daemon.output()[-5000:]}")
            time.sleep(_POLL_S)
        return value

    def told(self) -> dict[str, Any]:
        """The command ``status``, of the host."""
        found: dict[str, Any] = self.daemon.cli("status")["hosts"][0]
        return found

    def calm(self) -> None:
        """The link is whole, and the host up."""
        self.proxy.cut_every = self.proxy.bytes_per_s = None
        self.proxy.go_on()
        self.until(lambda: self.host is not None and self.host.state == "up", "the host is up")

    def lost(self) -> None:
        """The host is told to be away, with the reason, and the case is not given up for it."""
        self.until(lambda: self.host is not None and self.host.state == "suspended", "the host is suspended", 20)
        told = self.told()
        assert told["state"] == "suspended"
        assert "loopback" in told["reason"]
        assert "Next attempt at" in told["reason"]

    def marker(self, name: str) -> Path:
        """``hold``: engines wait while it is there; ``talk``: they say much then, 109 kB."""
        return self.site.folder / name

    def noted(self, name: str) -> list[str]:
        """Lines of ``starts``, ``inputs`` or ``dying``."""
        file = self.site.folder / name
        return file.read_text().splitlines() if file.exists() else []

    # -- cases

    def case(self, *, spots: int = 10) -> str:
        """A new one arrives; its name, once it was admitted. 3000 spots a layer make an input of 3 MB."""
        before = set(self.daemon.rows())
        number = next(self._numbers)
        write_demo_case(self.site.incoming / f"p{number}", beams=1, layers=4, spots=spots, seed=number)
        (name,) = self.until(lambda: set(self.daemon.rows()) - before, "the case is admitted")
        return str(name)

    def row(self, case: str) -> CaseRow:
        return self.daemon.rows()[case]

    def ended(self, case: str) -> CaseRow:
        """Once it has, and everything of it was cleared away."""
        row = self.until(lambda: self.row(case).state in ENDED and self.row(case).cleaned and self.row(case), "an end")
        assert isinstance(row, CaseRow)
        return row

    def starts(self, case: str) -> Counter[str]:
        """Attempts of it, and how often each one's engine was started under its claim."""
        return Counter(key for key in self.noted("starts") if key.startswith(f"{case}/"))

    def left(self, case: str) -> list[str]:
        """What must be gone after its end."""
        return [*map(str, engine_processes(self.site)), *map(str, self.site.workspace.glob(f"{case}*"))]


@contextmanager
def linked_site(folder: Path) -> Iterator[LinkedSite]:
    """Until the end of the block; for many tests, so nobody's leak."""
    folder.mkdir(parents=True)
    (folder / "engine.sh").write_text(ENGINE)
    engine = profile(folder, name="linked", command=f'["sh", "{folder / "engine.sh"}", "{{input}}"]', grid=GRID)
    with Sshd(folder / "sshd") as server, Proxy(server.port) as proxy:
        server.trust(name=f"[127.0.0.1]:{proxy.port}")
        door = Loopback(proxy.port, server.user, server.client_key, server.known_hosts)
        more = "[compute]\nprocesses = 1\n"
        site = make_site(folder, gpus=1, profile=engine, door=door, interval_s=0.2, quiet_s=0.1, attempts=1, more=more)
        daemon = Daemon(site, module="tests.kit.impatient")
        with ExitStack() as stack:
            stack.push(daemon.__exit__)
            daemon.launch()
            until(daemon.answers, LIMIT_S, "the daemon answers")
            assert daemon.process is not None
            kept = {daemon.process.pid, server.pid}
            KEPT.update(kept)
            try:
                yield LinkedSite(site, server, proxy, daemon)
            finally:
                proxy.go_on()
                proxy.cut_every = proxy.bytes_per_s = None
                KEPT.difference_update(kept)
