"""The demo: synthetic cases, the real daemon on them with the reference engine, and the results to look at.

Everything that a site would have is real here: the daemon is the program that ``start`` runs, in a process of its own,
and it finds the cases in a watched folder. Only the patients and the engine are not: the engine is analytic, and no
clinical one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Column, Table

from actors.demo.factory import write_demo_case
from actors.demo.loopback import NoServerError, loopback_server
from actors.demo.mcsquare import NAME as MCSQUARE
from actors.demo.mcsquare import NoEngineError, ready_profile
from actors.demo.pictures import draw_case
from actors.demo.site import SHIPPED_PROFILES, DemoSite, make_site
from actors.formats import load_profile
from actors.ledger import Reader
from actors.results import verify_published
from messages.ledger import CaseRow, ReportRow
from messages.states import CaseState

ENDED = frozenset({CaseState.DONE, CaseState.FAILED, CaseState.CANCELLED, CaseState.INCOMPLETE})
LIMIT_S = 600.0
"""A demo that takes longer than this has failed; it says so instead of waiting for ever."""
REPORTS_S = 60.0
"""So long the demo waits for the reports of cases that are done."""
STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class DemoCase:
    """What became of one case of the demo."""

    case: str
    state: str
    reason: str
    folder: str
    picture: str
    problems: tuple[str, ...]
    report: ReportRow | None = None
    """The physicist's report; None: there is none yet."""

    @property
    def verified(self) -> bool:
        return self.state == CaseState.DONE and not self.problems


def run_demo(
    *,
    keep: Path | None = None,
    cases: int = 3,
    gpus: int = 2,
    ssh: bool = False,
    engine: str = "reference",
    as_json: bool = False,
) -> int:
    """Run the demo; 0 only if every case ended done with a result that verifies, 2 for what this release cannot do."""
    screen = Console(stderr=True)
    folder = (keep or Path(tempfile.mkdtemp(prefix="mqi-demo-"))).resolve()
    began = time.monotonic()
    with ExitStack() as stack:
        try:
            door = stack.enter_context(loopback_server(folder / "sshd")) if ssh else None
            profile = _profile(engine, folder)
        except (NoServerError, NoEngineError) as error:
            screen.print(f"demo: {error}", soft_wrap=True)
            return 2
        in_ct = load_profile(profile, SHIPPED_PROFILES).geometry == "ct"
        site = make_site(folder, gpus=gpus, profile=profile, door=door, reports=True)
        way = "over SSH on loopback" if ssh else "on this machine"
        screen.print(f"demo: {cases} synthetic cases, {gpus} GPU slots {way}, engine '{engine}', all in {folder}")
        process = stack.enter_context(daemon(site, screen))
        for n in range(cases):
            write_demo_case(site.incoming / f"patient-{n + 1:03d}" / "study", seed=n + 1, ct=in_ct)
        rows = _follow(site, cases, screen, process)
        _await_reports(site, rows, screen, process)
    outcomes = tuple(_outcome(site, row) for row in rows)
    ok = len(outcomes) == cases and all(outcome.verified for outcome in outcomes)
    elapsed_s = time.monotonic() - began
    if as_json:
        print(json.dumps(_document(site, outcomes, ok=ok, elapsed_s=elapsed_s), ensure_ascii=False))
    else:
        _tell(screen, site, outcomes, rows, elapsed_s)
    return 0 if ok else 1


def _profile(engine: str, folder: Path) -> Path:
    if engine == MCSQUARE:
        return ready_profile(SHIPPED_PROFILES / f"{engine}.toml", folder)
    return SHIPPED_PROFILES / f"{engine}.toml"


@contextmanager
def daemon(site: DemoSite, screen: Console) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon that ``start`` runs, stopped in order at the end; what it prints goes to ``<folder>/daemon.txt``."""
    with (site.folder / "daemon.txt").open("ab") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "actors.cli", "start", "--conf", str(site.conf)],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=_plain_environment(),
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            screen.print(f"demo: the daemon did not stop within {STOP_S:.0f} s and is killed; see {site.log}")
            process.kill()
            process.wait()


def _plain_environment() -> dict[str, str]:
    """Ours, less what would override a site's configuration: the demo is the same everywhere."""
    return {name: value for name, value in os.environ.items() if not (name.startswith("MQI_") and "__" in name)}


def _follow(site: DemoSite, cases: int, screen: Console, process: subprocess.Popen[bytes]) -> tuple[CaseRow, ...]:
    deadline = time.monotonic() + LIMIT_S
    rows: tuple[CaseRow, ...] = ()
    with Live(console=screen, refresh_per_second=8, transient=True) as live:
        while time.monotonic() < deadline:
            rows = _rows(site)
            live.update(_table(rows))
            if len(rows) >= cases and all(row.state in ENDED for row in rows):
                return rows
            if (code := process.poll()) is not None:
                said = (site.folder / "daemon.txt").read_text("utf-8", "replace").strip()
                screen.print(f"demo: the daemon ended with {code}:\n{said[-2000:]}", markup=False)
                return rows
            time.sleep(0.1)
    screen.print(f"demo: not every case ended within {LIMIT_S:.0f} s; read {site.log}")
    return rows


def _await_reports(
    site: DemoSite, rows: tuple[CaseRow, ...], screen: Console, process: subprocess.Popen[bytes]
) -> None:
    """Reports come after the cases are done; a report that does not come makes no case any less verified."""
    done = {row.case for row in rows if row.state == CaseState.DONE}
    deadline = time.monotonic() + REPORTS_S
    while process.poll() is None and time.monotonic() < deadline:
        waiting = done - {row.case for row in Reader(site.ledger).reports() if row.state != "due"}
        if not waiting:
            return
        time.sleep(0.1)
    if done:
        screen.print(
            "demo: not every report is made yet; `start` with its configuration makes the rest", soft_wrap=True
        )


def _rows(site: DemoSite) -> tuple[CaseRow, ...]:
    if not site.ledger.exists():
        return ()
    return Reader(site.ledger).cases()


def _table(rows: tuple[CaseRow, ...]) -> Table:
    table = Table(
        Column("case", no_wrap=True), "state", Column("beam", no_wrap=True), "beam is", "GPU", "progress", "why"
    )
    for row in rows:
        if not row.beams:
            table.add_row(row.case, row.state, "", "", "", "", row.reason)
        for n, beam in enumerate(row.beams):
            first = n == 0
            table.add_row(
                row.case if first else "",
                row.state if first else "",
                f"{beam.number} {beam.name}",
                beam.state,
                f"{beam.host}/{beam.gpu}" if beam.gpu else "",
                f"{beam.progress:4.0%}",
                beam.reason or (row.reason if first else ""),
            )
    return table


def _outcome(site: DemoSite, row: CaseRow) -> DemoCase:
    folder = site.results / row.case
    problems: tuple[str, ...] = ()
    picture = ""
    if row.state == CaseState.DONE:
        problems = verify_published(folder)
        picture = str(draw_case(folder, site.folder / f"{row.case}.png"))
    return DemoCase(
        case=row.case,
        state=row.state,
        reason=row.reason,
        folder=str(folder) if folder.exists() else "",
        picture=picture,
        problems=problems,
        report=Reader(site.ledger).report(row.case),
    )


def _document(site: DemoSite, outcomes: tuple[DemoCase, ...], *, ok: bool, elapsed_s: float) -> dict[str, object]:
    return {
        "ok": ok,
        "elapsed_s": round(elapsed_s, 2),
        "folder": str(site.folder),
        "cases": [
            {
                "case": outcome.case,
                "state": outcome.state,
                "verified": outcome.verified,
                "reason": outcome.reason,
                "results": outcome.folder,
                "picture": outcome.picture,
                "problems": list(outcome.problems),
                "report": outcome.report.path if outcome.report else "",
                "report_verdict": outcome.report.verdict if outcome.report else "",
            }
            for outcome in outcomes
        ],
    }


def _of_report(outcome: DemoCase) -> str:
    report = outcome.report
    return f", report ({report.verdict}) {report.path}/report.html" if report and report.state == "made" else ""


def _tell(
    screen: Console, site: DemoSite, outcomes: tuple[DemoCase, ...], rows: tuple[CaseRow, ...], elapsed_s: float
) -> None:
    screen.print(_table(rows))
    for outcome in outcomes:
        if outcome.verified:
            screen.print(
                f"{outcome.case}: verified; results {outcome.folder}, picture {outcome.picture}{_of_report(outcome)}",
                soft_wrap=True,
            )
        else:
            why = "; ".join(outcome.problems) or outcome.reason
            screen.print(f"{outcome.case}: {outcome.state}: {why}", soft_wrap=True)
    screen.print(
        f"demo: {sum(o.verified for o in outcomes)} of {len(outcomes)} cases verified in {elapsed_s:.1f} s. "
        f"Log: {site.log}. Look again with: bin/mqi-actors cases --conf {site.conf}",
        soft_wrap=True,
    )
