"""What must hold after a crash run, whatever was struck: the outcome of an undisturbed run, and nothing is left."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.ledger import Reader
from actors.results import verify_published
from messages.states import OPEN_ATTEMPTS, CaseState
from tests.kit.crash_site import CrashSite
from tests.kit.daemon import engine_processes

MAY_DIFFER = ("host", "gpu", "started", "ended")
"""Of each beam in a manifest: where and when its run was. Everything else that is published is the same to the byte."""


STATE = frozenset(
    {"backups", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "lock", "results.mount", "work"}
)
"""Of the state folder after an end in order; SQLite's own two stay when somebody reads at that moment."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to; equal for every run of the same cases."""

    cases: tuple[tuple[str, str, str], ...]
    """Name, state and reason."""
    files: tuple[tuple[str, str], ...]
    """Published file and its SHA-256; of a manifest, without what may differ; of a report, which tells times, none."""


def outcome(site: CrashSite) -> Outcome:
    """After the daemon has stopped."""
    rows = sorted(Reader(site.site.ledger).cases(), key=lambda row: row.case)
    results = site.site.results
    files = sorted(path for path in results.rglob("*") if path.is_file())
    return Outcome(
        tuple((row.case, row.state.value, row.reason.replace(str(site.site.folder), "")) for row in rows),
        tuple((str(path.relative_to(results)), hashlib.sha256(_content(path)).hexdigest()) for path in files),
    )


def _content(path: Path) -> bytes:
    if path.parent.name == "report":
        return b""
    if path.name != "manifest.json":
        return path.read_bytes()
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    for beam in manifest["beams"]:
        for key in MAY_DIFFER:
            del beam[key]
    return json.dumps(manifest).encode()


def problems(site: CrashSite, calm: Outcome | None = None) -> list[str]:
    """Sentences; empty: all is as it must be, and as in the ``calm`` run."""
    differences = _differences(outcome(site), calm) if calm is not None else ()
    return [*differences, *_ledger(site), *_runs(site), *_left(site)]


def _differences(found: Outcome, calm: Outcome) -> Iterator[str]:
    if found.cases != calm.cases:
        yield f"cases ended as {found.cases}, not as {calm.cases}"
    ours, theirs = dict(found.files), dict(calm.files)
    for name in sorted(ours.keys() ^ theirs.keys()):
        yield f"{name} is {'not published' if name in theirs else 'published too many'}"
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name] != theirs[name]:
            yield f"{name} has other bytes than in an undisturbed run"


def _ledger(site: CrashSite) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{site.site.ledger}?mode=ro", uri=True)) as database:
        for check in ("integrity_check", "foreign_key_check"):
            found = database.execute(f"PRAGMA {check}").fetchall()
            if found not in ([], [("ok",)]):
                yield f"{check}: {found}"
        if database.execute("SELECT count(*) FROM meta WHERE key = 'stale_writes' AND value <> '0'").fetchone()[0]:
            yield "a write of an older incarnation reached the ledger"
    reader = Reader(site.site.ledger)
    attempts = [attempt for row in reader.cases() for attempt in reader.attempts(row.case)]
    if still := [attempt.key for attempt in attempts if attempt.state in OPEN_ATTEMPTS]:
        yield f"attempts are left open: {still}"
    if unmade := [f"{report.case}: {report.reason}" for report in reader.reports() if report.state == "failed"]:
        yield f"reports were not made: {unmade}"
    if leased := [f"{gpu.host}/{gpu.index}" for gpu in reader.gpus() if gpu.beam]:
        yield f"GPUs are left leased: {leased}"
    if len(reader.alarms()) != site.workload.alarmed:
        yield f"alarms stand: {[alarm.text for alarm in reader.alarms()]}"


def _runs(site: CrashSite) -> Iterator[str]:
    """Engines as they noted themselves, each under its claim, against the attempts in the ledger."""
    starts, work = site.starts(), site.workload
    if more := {key: times for key, times in starts.items() if times != 1}:
        yield f"engines were started more than once: {more}"
    beams = {key for key in starts if "/interpret/" not in key}
    reader = Reader(site.site.ledger)
    verified = {a.key for row in reader.cases() for a in reader.attempts(row.case) if a.state == "verified"}
    if not work.cancelled and (beams != verified or len(beams) != sum(work.beams)):
        yield f"engines ran for {sorted(beams)}; verified are {sorted(verified)}"
    if work.cancelled and (verified or len(beams) > sum(work.beams)):
        yield f"engines ran for {sorted(beams)} of what was cancelled; verified are {sorted(verified)}"
    if work.far and len(starts) - len(beams) != len(work.beams):
        yield f"cases were interpreted on the host {len(starts) - len(beams)} times: {sorted(starts)}"


def _left(site: CrashSite) -> Iterator[str]:
    here = site.site
    if pids := engine_processes(here):
        yield f"processes are left: {pids}"
    wrappers = list((here.workspace / ".wrappers").iterdir())
    strays = [path for path in here.workspace.iterdir() if path.name != ".wrappers"]
    strays += [path for path in wrappers if not path.name.startswith("wrapper-") or len(wrappers) > 1]
    strays += [path for path in here.state.iterdir() if path.name not in STATE and path.suffix != ".mount"]
    strays += [path for path in (here.state / "backups").iterdir() if not path.match("[bl]*.sqlite")]
    kept = {row.case for row in Reader(here.ledger).cases() if row.state is CaseState.FAILED}
    strays += [path for path in (here.state / "work").glob("*") if path.name not in kept]
    strays += here.results.rglob(".*")
    if strays:
        yield f"files are left: {sorted(str(path.relative_to(here.folder)) for path in strays)}"
    for folder in here.results.iterdir():
        for problem in verify_published(folder):
            yield f"{folder.name}: {problem}"
