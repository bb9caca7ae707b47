"""Cases that are done, with what their reports found, written into a ledger by thousands: weeks of deliveries."""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from actors.documents import band_of
from actors.ledger import reports
from actors.ledger.codec import source_json, time_text
from actors.ledger.journal import Journal
from messages.cases import CaseSource, DeliverySource
from messages.ledger import BeginReport, Figures, SettleReport

LAST = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


@dataclass
class Deliveries:
    """``count`` cases up to ``last``, in turn of the gantries; each of two beams with two layers."""

    count: int
    last: datetime = LAST
    apart: timedelta = timedelta(hours=3)
    gantries: tuple[str, ...] = ("G1", "G2")
    drift: float = 0.0
    """Percent of MU by which the last delivery is off."""
    odd: frozenset[int] = frozenset()
    """Deliveries (from 0) whose MU are off by 1.4 %."""
    results: Path | None = None
    """Where the files of results and reports are written; None: nowhere."""
    seed: int = 7
    names: list[str] = field(default_factory=list)

    def write(self, database: sqlite3.Connection) -> None:
        """Into a ledger whose rows have names, in one transaction."""
        database.execute("BEGIN")
        for number in range(self.count):
            self._write(database, number)
        database.execute("COMMIT")

    def _write(self, database: sqlite3.Connection, number: int) -> None:
        rng = random.Random(self.seed * 100_003 + number)
        at = self.last - (self.count - 1 - number) * self.apart
        name = f"{at:%Y%m%d-%H%M%S}-{number:08x}"
        gantry = self.gantries[number % len(self.gantries)]
        off = self.drift * number / max(self.count - 1, 1) + (1.4 if number in self.odd else 0.0)
        figures = tuple(self._figures(rng, off))
        sha256, report_sha256 = self._files(name, gantry, figures)
        folder = str((self.results or Path("/results")) / name)
        verdict = {"verdict": "accepted", "reasons": [], "path": folder, "manifest_sha256": sha256}
        delivery = DeliverySource(f"/share/{name}/1", f"key-{name}", 3, at, 1, 2)
        source = CaseSource(
            name, f"id-{name}", f"/share/{name}", f"/share/{name}/RP.dcm", "1.2.3", "1.2", f"{gantry}-1", (delivery,)
        )
        seen = time_text(at + timedelta(minutes=10))
        database.execute(
            'INSERT INTO cases ("case", identity, state, path, plan_uid, source, interpretation, verdict, seen, '
            "admitted, started, ended) VALUES (?, ?, 'done', '/', '1.2.3', ?, ?, ?, ?, ?, ?, ?)",
            (name, f"id-{name}", source_json(source), json.dumps({"gantry": gantry}), json.dumps(verdict), *[seen] * 4),
        )
        database.executemany(
            "INSERT INTO beams (\"case\", number, name, state) VALUES (?, ?, ?, 'done')",
            [(name, 3, "3:LAO"), (name, 5, "5:RPO")],
        )
        journal = Journal(database, seen, 1)
        reports.due(journal, name)
        reports.begin_report(journal, BeginReport(name))
        reports.settle_report(
            journal,
            SettleReport(
                name,
                "made",
                "Delivered against planned.",
                verdict="fail" if number in self.odd else "pass",
                path=f"{folder}/report",
                manifest_sha256=report_sha256,
                gantry=gantry,
                figures=figures,
            ),
        )
        self.names.append(name)

    def _figures(self, rng: random.Random, off: float) -> Iterator[Figures]:
        gamma = min(100.0, 98.6 + rng.gauss(0.0, 0.5))
        of_case = {
            "statement": "pass",
            "treatment": True,
            "units": "GY",
            "noise_percent": 0.4,
            "gamma_judged": "3 %/2 mm",
            "gamma_judged_passed_percent": gamma,
            "gamma_3pct_2mm_passed_percent": gamma,
            "gamma_1pct_1mm_passed_percent": gamma - 20.0,
            "not_compared_because": "",
            "engine": "reference",
            "engine_version": "reference engine 1",
            "profile": "reference/1",
            "calibration_sha256": "ab" * 32,
            "uncommissioned": False,
        }
        yield Figures(0, 0, json.dumps(of_case))
        for beam, energy in ((3, 95.0), (5, 165.0)):
            planned = 60.0
            percent = off + rng.gauss(0.0, 0.08)
            values = {
                "name": f"{beam}:LAO",
                "planned_mu": planned,
                "delivered_mu": planned * (1.0 + percent / 100.0),
                "mu_percent": percent,
                "layers": 2,
                "energy_mev": energy,
                "energy_lowest_mev": energy - 5.0,
                "energy_highest_mev": energy + 5.0,
                "layer_mu_percent": percent * 1.1,
                "position_mean_mm": 0.2,
                "position_mean_worst_mm": abs(0.28 + rng.gauss(0.0, 0.04)),
                "position_p95_mm": abs(0.62 + rng.gauss(0.0, 0.07)),
                "position_max_mm": 1.1,
                "centroid_mm": 0.05,
                "size_mm": 4.0,
                "size_percent": rng.gauss(0.0, 1.5),
                "missing": 0,
                "off_percent": 0.01,
                "beam_on_s": 20.0,
                "delivery_s": 40.0,
                "r80_mm": 120.0,
                "r80_difference_mm": rng.gauss(0.1, 0.15),
            }
            yield Figures(beam, 0, json.dumps(values))
            yield Figures(beam, band_of(energy), json.dumps(values))

    def _files(self, name: str, gantry: str, figures: tuple[Figures, ...]) -> tuple[str, str]:
        """(SHA-256 of the result's manifest, of the report's)."""
        result = json.dumps({"case": name, "padding": "x" * 20_000}).encode()
        layers = [
            {
                "beam": beam,
                "level": "pass",
                "layer": layer,
                "energy_mev": energy + layer,
                "planned_mu": 30.0,
                "delivered_mu": 30.3,
                "off_share": 0.0001,
                "mean_mm": 0.2,
                "p95_mm": 0.6,
                "max_mm": 1.1,
                "missing": 0,
                "worst_stretch_mu": 0.01,
                "shift_x_mm": 0.0,
                "shift_y_mm": 0.0,
                "size_x_mm": 4.0,
                "size_y_mm": 4.1,
                "beam_on_ms": 900.0,
                "total_ms": 1000.0,
            }
            for beam, energy in ((3, 95.0), (5, 165.0))
            for layer in (1, 2)
        ]
        rows = [{"beam": one.beam, "band": one.band, "values": json.loads(one.values)} for one in figures]
        report = json.dumps({"case": name, "layers": layers, "trend": {"gantry": gantry, "rows": rows}}).encode()
        files = {"report.json": hashlib.sha256(report).hexdigest()}
        page = f"<!doctype html><title>{name}</title><script>alert(1)</script><h1>Report of case {name}</h1>".encode()
        paper = b"%PDF-1.4\n"
        files |= {"report.html": hashlib.sha256(page).hexdigest(), "report.pdf": hashlib.sha256(paper).hexdigest()}
        manifest = json.dumps({"case": name, "files": files}).encode()
        if self.results is not None:
            folder = self.results / name / "report"
            folder.mkdir(parents=True)
            (folder.parent / "manifest.json").write_bytes(result)
            for file, content in (
                ("report.json", report),
                ("manifest.json", manifest),
                ("report.html", page),
                ("report.pdf", paper),
            ):
                (folder / file).write_bytes(content)
        return hashlib.sha256(result).hexdigest(), hashlib.sha256(manifest).hexdigest()
