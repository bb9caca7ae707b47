"""``export`` on real files: what is there is told to the digit, what is missing is a gap, nothing is left out."""

from __future__ import annotations

import csv
import hashlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from actors.cli.entry import run
from actors.cli.export.columns import TABLES, columns_of
from actors.demo.site import DemoSite, make_site
from actors.ledger import next_boot, open_store
from messages.ledger import MoveCase, SightCase
from messages.states import CaseState
from tests.integration.ledger.ledger_cases import admission, must
from tests.kit.followed import LAST, Deliveries

ROOT = Path(__file__).resolve().parents[3]
COUNT = 6


@dataclass
class Place:
    """A site with results."""

    site: DemoSite
    names: list[str]
    capsys: pytest.CaptureFixture[bytes]

    def __call__(self, *words: str, code: int = 0) -> str:
        """The output of one export."""
        assert run(["export", *words, "--conf", str(self.site.conf)]) == code
        self.out, self.err = (text.decode() for text in self.capsys.readouterr())
        return self.out

    def rows(self, *words: str) -> list[dict[str, str]]:
        return list(csv.DictReader(StringIO(self(*words))))

    def folder(self, number: int) -> Path:
        return self.site.results / self.names[number]

    def change(self, work: Callable[[sqlite3.Connection], object]) -> None:
        with closing(open_store(self.site.ledger)) as database:
            work(database)


@pytest.fixture
def place(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Place:
    site = make_site(tmp_path)
    next_boot(site.ledger, site.state / "backups")
    made = Deliveries(COUNT, apart=timedelta(days=1), odd=frozenset({2}), results=site.results)
    with closing(open_store(site.ledger)) as database:
        made.write(database)
    return Place(site, made.names, capsysbinary)


def test_a_case_is_one_row_with_everything_that_was_found(place: Place) -> None:
    rows = place.rows()
    assert [row["case"] for row in rows] == place.names
    criteria = ((3.0, 3.0), (3.0, 2.0), (2.0, 2.0), (3.0, 2.0))
    assert list(rows[0]) == [column.name for column in columns_of("cases", criteria)]
    odd = rows[2]
    assert (odd["gantry"], odd["machine"], odd["state"], odd["gap"]) == ("G1", "G1-1", "done", "")
    assert (odd["report_verdict"], odd["verdict"], odd["review_state"], odd["partial"]) == (
        "fail",
        "accepted",
        "computed",
        "false",
    )
    assert float(odd["mu_percent"]) == pytest.approx(1.4, abs=0.3)
    assert float(odd["delivered_mu"]) == pytest.approx(120.0 * (1 + float(odd["mu_percent"]) / 100))
    assert (odd["layers"], odd["beam_on_s"], odd["energy_highest_mev"], odd["beams"]) == ("4", "40.0", "170.0", "2")
    assert odd["gamma_other"].startswith("1 %/1 mm: ")
    assert odd["gamma_judged_passed_percent"] == odd["gamma_3pct_2mm_passed_percent"] != ""
    assert datetime.fromisoformat(odd["delivered"]) == LAST - timedelta(days=3)
    assert odd["delivered"].endswith("+09:00")
    assert odd["calibration_sha256"] == "ab" * 32
    assert f"{COUNT} rows of {COUNT} cases" in place.err


def test_beams_and_layers_have_a_row_each(place: Place) -> None:
    beams = place.rows("--table", "beams")
    assert [(row["case"], row["beam"]) for row in beams[:3]] == [
        (place.names[0], "3"),
        (place.names[0], "5"),
        (place.names[1], "3"),
    ]
    assert (beams[0]["beam_name"], beams[0]["energy_mev"], beams[0]["engine"]) == ("3:LAO", "95.0", "reference")
    layers = place.rows("--table", "layers")
    assert len(layers) == 4 * COUNT
    assert [(row["beam"], row["layer"], row["energy_mev"]) for row in layers[:2]] == [
        ("3", "1", "96.0"),
        ("3", "2", "97.0"),
    ]
    assert (layers[0]["mu_percent"], layers[0]["off_percent"], layers[0]["level"]) == ("1.0", "0.01", "pass")


def test_days_and_gantries_choose(place: Place) -> None:
    first, last = f"{LAST - timedelta(days=4):%Y-%m-%d}", f"{LAST - timedelta(days=3):%Y-%m-%d}"
    at = (LAST - timedelta(days=3)).isoformat()
    # The deliveries are at 18:00 UTC, which is the next day of the site's zone.
    assert [row["case"] for row in place.rows("--since", first, "--until", last)] == place.names[0:2]
    assert [row["case"] for row in place.rows("--since", at)] == place.names[2:]
    assert [row["case"] for row in place.rows("--until", at)] == place.names[:2]
    assert {row["gantry"] for row in place.rows("--gantry", "G2")} == {"G2"}
    assert place.rows("--gantry", "G9") == []


@pytest.mark.parametrize(
    "words",
    [
        ["--since", "yesterday"],
        ["--until", "2026-02-30"],
        ["--since", "2026-03-02", "--until", "2026-03-01"],
        ["--format", "xlsx"],
        ["--table", "x"],
        ["--format", "parquet"],
    ],
)
def test_what_cannot_be_exported_is_refused_in_words(place: Place, words: list[str]) -> None:
    assert place(*words, code=2) == ""
    assert len(place.err.strip().splitlines()) <= 3


def test_what_is_missing_or_changed_is_a_gap_and_never_left_out(place: Place) -> None:
    (place.folder(0) / "manifest.json").unlink()
    (place.folder(1) / "manifest.json").write_text("{}")
    (place.folder(2) / "report" / "manifest.json").write_text("not it")
    (place.folder(3) / "report" / "report.json").write_text("not it")
    rows = place.rows()
    assert [row["case"] for row in rows] == place.names
    assert [row["gap"] for row in rows] == [
        "the result's manifest.json cannot be read: No such file or directory",
        "the result's manifest.json is not the file that was made",
        "the report's manifest.json is not the file that was made",
        "",
        "",
        "",
    ]
    assert all(row["mu_percent"] for row in rows), "the ledger has them all the same"
    assert "3 with a gap" in place.err
    layers = place.rows("--table", "layers")
    gaps = {row["case"]: row["gap"] for row in layers if row["layer"] == ""}
    assert gaps == {
        place.names[2]: "the report's manifest.json is not the file that was made",
        place.names[3]: "report.json is not the file that was made",
    }
    assert len(layers) == 4 * (COUNT - 2) + 2


def test_a_case_without_a_result_says_why(place: Place) -> None:
    def more(database: sqlite3.Connection) -> None:
        must(database, SightCase("20260302-190000-aaaaaaaa", "i", "/share/a", "beam 3 is missing"))
        must(database, admission("20260302-200000-bbbbbbbb"))
        must(database, MoveCase("20260302-200000-bbbbbbbb", CaseState.FAILED, "the plan is damaged"))
        database.execute("UPDATE reports SET state = 'failed', verdict = '', manifest_sha256 = '', reason = 'no room'")
        database.execute("DELETE FROM figures")

    place.change(more)
    for table in TABLES:
        told = {row["case"]: row["gap"] for row in place.rows("--table", table)}
        assert set(told) >= {*place.names, "20260302-190000-aaaaaaaa", "20260302-200000-bbbbbbbb"}, table
        assert told["20260302-190000-aaaaaaaa"] == "no result: the case is incoming (beam 3 is missing)"
        assert told["20260302-200000-bbbbbbbb"] == "no result: the case is failed (the plan is damaged)"
        assert "no report could be made (no room)" in told[place.names[0]]
    place("--gantry", "G1")
    assert "2 cases whose gantry is not known are left out" in place.err


def test_what_the_ledger_lacks_is_taken_from_the_report(place: Place) -> None:
    before = {table: place("--table", table) for table in TABLES}
    place.change(lambda database: database.execute("DELETE FROM figures"))
    assert {table: place("--table", table) for table in TABLES} == before
    (place.folder(0) / "report" / "report.json").unlink()
    assert [bool(row["gap"]) for row in place.rows()] == [True, *[False] * (COUNT - 1)]


def test_a_review_and_versions_are_told(place: Place) -> None:
    first, second = place.names[:2]

    def review(database: sqlite3.Connection) -> None:
        columns = '"case", state, "user", at, reason'
        values = (first, "approved", "kim", LAST.isoformat(), "looks good")
        database.execute(f"INSERT INTO reviews ({columns}) VALUES (?, ?, ?, ?, ?)", values)
        database.execute('UPDATE cases SET supersedes = ? WHERE "case" = ?', (first, second))

    place.change(review)
    rows = place.rows()
    assert (rows[0]["review_state"], rows[0]["review_user"], rows[0]["review_reason"]) == (
        "approved",
        "kim",
        "looks good",
    )
    assert (rows[0]["superseded_by"], rows[1]["supersedes"]) == (second, first)


def test_no_cell_is_a_formula_and_no_name_of_a_patient_is_told(place: Place) -> None:
    def hostile(database: sqlite3.Connection) -> None:
        reason = f"=HYPERLINK(1)\n{place.site.incoming}/DOE^JANE 0042517/RP.1.dcm is damaged, as is DOE^JANE"
        database.execute("UPDATE reports SET reason = ?", (reason,))
        database.execute("UPDATE cases SET plan_uid = '+1', verdict = json_set(verdict, '$.reasons[0]', '@x')")

    place.change(hostile)
    text = place()
    assert "DOE" not in text
    assert "0042517" not in text
    for row in csv.reader(StringIO(text)):
        assert not [cell for cell in row if cell.startswith(("=", "+", "@", "\t"))]
        assert not [cell for cell in row if cell.startswith("-") and not cell[1:2].isdigit()]
    first = place.rows()[0]
    assert (first["plan_uid"], first["verdict_reasons"]) == ("'+1", "'@x")
    assert first["report_reason"].startswith("'=HYPERLINK(1) ")


def test_json_is_one_document_with_its_columns(place: Place) -> None:
    document = json.loads(place("--json"))
    assert (document["table"], len(document["rows"])) == ("cases", COUNT)
    assert {column["name"] for column in document["columns"]} == set(document["rows"][0])
    row = document["rows"][0]
    assert (row["partial"], row["layers"], row["review_user"]) == (False, 4, None)
    empty = json.loads(place("--format", "json", "--gantry", "none"))
    assert empty["rows"] == []


def test_parquet_has_types_and_meanings(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    monkeypatch.setattr("actors.cli.export.writers.GROUP_ROWS", 4)
    file = tmp_path / "cases.parquet"
    told = json.loads(place("--format", "parquet", "--out", str(file), "--json"))
    assert told == {"path": str(file), "cases": COUNT, "rows": COUNT, "gaps": 0, "without_gantry": 0}
    table = parquet.read_table(file)
    assert parquet.ParquetFile(file).num_row_groups == 2
    types = {
        name: str(table.schema.field(name).type) for name in ("case", "mu_percent", "layers", "partial", "delivered")
    }
    assert types == {
        "case": "string",
        "mu_percent": "double",
        "layers": "int64",
        "partial": "bool",
        "delivered": "timestamp[us, tz=Asia/Seoul]",
    }
    assert table.schema.field("mu_percent").metadata[b"meaning"]
    as_csv = place.rows()
    for found, wanted in zip(table.to_pylist(), as_csv, strict=True):
        assert found["case"] == wanted["case"]
        assert found["mu_percent"] == float(wanted["mu_percent"])
        assert found["delivered"] == datetime.fromisoformat(wanted["delivered"])


def test_parquet_without_its_package_says_what_to_do(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    file = tmp_path / "x.parquet"
    place("--format", "parquet", "--out", str(file), code=2)
    assert "pip install pyarrow" in place.err
    assert list(tmp_path.glob("*x.parquet*")) == []


def test_a_file_appears_whole_or_not_at_all(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out.csv"
    file.write_text("before")

    def broken(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("actors.cli.export.run.known_of", broken)
    place("--out", str(file), code=1)
    assert "No space left on device" in place.err
    assert file.read_text() == "before"
    assert list(tmp_path.glob(".out.csv*")) == []
    monkeypatch.undo()
    place("--out", str(file))
    assert len(file.read_text().splitlines()) == COUNT + 1


def test_a_part_at_a_time_is_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = place("--table", "beams")
    monkeypatch.setattr("actors.cli.export.run.PART", 2)
    assert place("--table", "beams") == before


def test_who_reads_only_the_beginning_is_no_failure(place: Place) -> None:
    words = [sys.executable, "-m", "actors.cli", "export", "--table", "layers", "--conf", str(place.site.conf)]
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


def test_an_older_report_without_figures_is_a_gap(place: Place) -> None:
    name = place.names[0]
    folder = place.folder(0) / "report"
    (folder / "report.json").write_text("{}")

    manifest = json.dumps({"files": {"report.json": hashlib.sha256(b"{}").hexdigest()}})
    (folder / "manifest.json").write_text(manifest)

    def older(database: sqlite3.Connection) -> None:
        sha256 = hashlib.sha256(manifest.encode()).hexdigest()
        database.execute('UPDATE reports SET manifest_sha256 = ? WHERE "case" = ?', (sha256, name))
        database.execute('DELETE FROM figures WHERE "case" = ?', (name,))

    place.change(older)
    assert place.rows()[0]["gap"] == "its report was made by a release that kept no figures"
    assert place.rows("--table", "layers")[0]["gap"].startswith("its report was made by a release that kept no figures")
