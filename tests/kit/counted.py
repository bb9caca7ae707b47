"""Sites whose engine runs are counted by the engine itself, and the proof that nothing was lost or doubled on one."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from actors.demo.loopback import Loopback
from actors.demo.site import DemoSite, make_site, ssh_host
from actors.ledger import Reader
from actors.results import verify_published
from messages.ledger import AttemptRow
from messages.states import OPEN_ATTEMPTS, AttemptState, CaseState
from tests.kit.daemon import engine_processes
from tests.kit.hosts import end_all
from tests.kit.profiles import profile
from tests.kit.proxy import Proxy
from tests.kit.sshd import Sshd

GRID = (20, 20, 30)
# notes its start and its end, and fills the grid with a byte that follows from what it was given to read
ENGINE = f"""\
echo "$MQI_ATTEMPT" >>"$1/starts"
[ "$3" = 0 ] || sleep "$3"
letter=$(cat in/*/* in/* 2>/dev/null | cksum | awk '{{printf "%c", 65 + $1 % 50}}')
echo "Generating particles for (1 of 1 batches) in CPU .."
head -c {GRID[0] * GRID[1] * GRID[2] * 8} /dev/zero | tr '\\0' "$letter" >out/counted_1_Dose.raw
echo "$MQI_ATTEMPT" >>"$1/ends"
"""
NEAR, FAR = "this", "loopback"
"""Names of the two hosts."""


@dataclass(frozen=True)
class CountedSite:
    """A site on two hosts: this machine, and the same over SSH through a proxy that can be cut."""

    site: DemoSite
    far: Path
    """Workspace of the SSH host."""
    proxy: Proxy
    server: Sshd

    @property
    def starts(self) -> list[str]:
        """Attempt of every engine start ever."""
        return _lines(self.site.folder / "starts")

    @property
    def ends(self) -> list[str]:
        """Attempt of every engine that came to its end."""
        return _lines(self.site.folder / "ends")

    def runs(self) -> list[Path]:
        """Run directories that are still there, on either host."""
        return [
            run
            for workspace in (self.site.workspace, self.far)
            for run in workspace.glob("*/*")
            if not run.parent.name.startswith(".")
        ]


@contextlib.contextmanager
def counted_site(folder: Path, *, seconds: float, gpus: int = 2, attempts: int = 20) -> Iterator[CountedSite]:
    """``gpus`` slots on each of the two hosts; an engine takes so many seconds. Nothing of it runs on afterwards."""
    folder = folder.resolve()
    folder.mkdir(parents=True)
    script = folder / "engine.sh"
    script.write_text(ENGINE)
    engine = profile(
        folder, name="counted-engine", command=f'["sh", "{script}", "{folder}", "{{input}}", "{seconds:g}"]', grid=GRID
    )
    far = folder / "workspace-far"  # begins like the near one, so that its engines count as the site's processes too
    far.mkdir()
    with Sshd(folder / "sshd") as server, Proxy(server.port) as proxy:
        server.trust(name=f"[127.0.0.1]:{proxy.port}")
        door = Loopback(proxy.port, server.user, server.client_key, server.known_hosts)
        more = ssh_host(door, far, gpus, name=FAR)
        site = make_site(folder, gpus=gpus, profile=engine, interval_s=0.5, quiet_s=0.2, attempts=attempts, more=more)
        try:
            yield CountedSite(site, far, proxy, server)
        finally:
            end_all(site.workspace)


def _lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


@dataclass
class Verdict:
    """What is wrong; empty if nothing is."""

    wrong: list[str] = field(default_factory=list)

    def expect(self, good: object, sentence: str) -> None:
        if not good:
            self.wrong.append(sentence)


def judge(counted: CountedSite, cases: int) -> list[str]:
    """Every way in which the promises were broken, in sentences: so many cases were written, and the daemon is down."""
    verdict = Verdict()
    _judge_remains(verdict, counted)  # first: who reads the ledger makes files beside it
    _judge_cases(verdict, counted, cases)
    _judge_runs(verdict, counted)
    return verdict.wrong


def _judge_cases(verdict: Verdict, counted: CountedSite, cases: int) -> None:
    site, rows = counted.site, Reader(counted.site.ledger).cases()
    verdict.expect(len(rows) == cases, f"{cases} cases came, the ledger has {len(rows)}")
    for row in rows:
        verdict.expect(row.state is CaseState.DONE, f"{row.case} is {row.state}: {row.reason}")
        verdict.expect(row.cleaned, f"{row.case} was not cleaned up after")
    published = {path.name for path in site.results.iterdir()}
    names = {row.case for row in rows}
    verdict.expect(published == names, f"published and not in the ledger, or the reverse: {sorted(published ^ names)}")
    for name in sorted(published & names):
        wrong = verify_published(site.results / name)
        verdict.expect(wrong == (), f"{name}: {wrong}")


def _judge_runs(verdict: Verdict, counted: CountedSite) -> None:
    attempts = all_attempts(counted.site)
    known = {attempt.key: attempt for attempt in attempts}
    starts = Counter(counted.starts)
    for key, times in starts.items():
        verdict.expect(times == 1, f"attempt {key} was started {times} times")
        verdict.expect(key in known, f"attempt {key} was started and is not in the ledger")
    verified = Counter((one.case, one.beam) for one in attempts if one.state is AttemptState.VERIFIED)
    for case, beam in {(attempt.case, attempt.beam) for attempt in attempts}:
        verdict.expect(verified[case, beam] == 1, f"{case} beam {beam} has {verified[case, beam]} verified attempts")
    for attempt in attempts:
        verdict.expect(attempt.state not in OPEN_ATTEMPTS, f"attempt {attempt.key} is still {attempt.state}")
        if attempt.state is AttemptState.VERIFIED:
            verdict.expect(starts[attempt.key] == 1, f"attempt {attempt.key} is verified and was never started")
    ended = Counter(key.rpartition("/")[0] for key in counted.ends)
    redone = {beam: times for beam, times in ended.items() if times > 1}
    for beam, times in redone.items():
        failed = [one for one in attempts if one.key.rpartition("/")[0] == beam and one.state is AttemptState.FAILED]
        verdict.expect(len(failed) >= times - 1, f"{beam} was computed {times} times without a failure")


def _judge_remains(verdict: Verdict, counted: CountedSite) -> None:
    site = counted.site
    verdict.expect(not (left := engine_processes(site)), f"engine processes are left: {left}")
    verdict.expect(not (runs := counted.runs()), f"run directories are left: {runs}")
    verdict.expect(not (half := list(site.results.rglob(".*"))), f"half-made results: {half}")
    # a reader that closes after the ledger's actor leaves SQLite's two files; the next start takes them over
    passing = ("ledger.sqlite-", "workspace-")  # and a note of each workspace that has a disk of its own
    there = sorted(path.name for path in site.state.iterdir() if not path.name.startswith(passing))
    verdict.expect(
        there == ["backups", "ledger.sqlite", "lock", "results.mount", "work"], f"in the state folder: {there}"
    )
    work = [path.name for path in (site.state / "work").iterdir()]
    verdict.expect(not work, f"work folders are left: {work}")
    leased = [gpu.uuid for gpu in Reader(site.ledger).gpus() if gpu.beam]
    verdict.expect(not leased, f"leases are left: {leased}")
    with contextlib.closing(sqlite3.connect(site.ledger)) as database:
        said = [row[0] for row in database.execute("PRAGMA integrity_check")]
        strays = database.execute("PRAGMA foreign_key_check").fetchall()
    verdict.expect(said == ["ok"], f"the ledger is damaged: {said}")
    verdict.expect(not strays, f"rows of the ledger point nowhere: {strays}")


def all_attempts(site: DemoSite) -> list[AttemptRow]:
    """Every attempt of every case."""
    reader = Reader(site.ledger)
    return [attempt for row in reader.cases() for attempt in reader.attempts(row.case)]
