"""The process that makes a report: what it answers, and that whatever ends it is told in words."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from published_cases import PublishedCase, in_ct, publish

from actors import unfinished
from actors.demo.recipe import CaseRecipe
from actors.reporter import folder as report_folder
from actors.reporter.folder import existing_report, write_report
from actors.reporter.make import make_report
from actors.reporter.order import MadeReport, MakeReport, NoReport
from actors.reporter.process import run_process
from actors.results import verify_published
from actors.settings import ReportSettings
from actors.supervision import TaskScope

pytestmark = pytest.mark.xdist_group("report process")  # one fixture for all of them

RULES = ReportSettings(gamma_points=2000)
SMALL = CaseRecipe(beams=2, layers=2, spots=12, planning_dose=True, beam_names=("<b>한글 & more", "2"))


class Scope(TaskScope):
    """A task's scope without an actor."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> PublishedCase:
    folder = tmp_path_factory.mktemp("case")
    return publish(SMALL, folder, in_ct(folder))


def order_of(case: PublishedCase, rules: ReportSettings = RULES) -> MakeReport:
    return MakeReport(str(case.folder), str(case.written.path), rules)


@pytest.mark.promise("P9")
def test_a_report_is_whole_says_everything_and_names_no_patient(case: PublishedCase) -> None:
    made = run_process(Scope(), order_of(case))
    assert isinstance(made, MadeReport), made
    folder = Path(made.path)
    assert (made.verdict, verify_published(case.folder)) == ("pass", ())
    document = json.loads((folder / "report.json").read_text())
    page = (folder / "report.html").read_text()
    for words in ("What was not verified", "Provenance", document["result_manifest_sha256"], "gamma 3 %/2 mm"):
        assert words in page
    assert "&lt;b&gt;한글 &amp; more" in page
    assert not re.search(r'(src|href)="(?!data:image/png;base64,)', page)
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    for name in ("report.html", "report.json", "report.pdf", "manifest.json"):
        content = (folder / name).read_bytes()
        for private in (b"Synthetic^Case", b"Synthetic Case", case.written.patient_id.encode()):
            assert private not in content, name
    assert not list(case.folder.parent.glob(".*"))


def test_a_report_that_is_there_is_left_as_it_is_and_a_damaged_one_is_put_aside(case: PublishedCase) -> None:
    first = make_report(order_of(case))
    page = Path(first.path) / "report.html"
    written = page.stat().st_mtime_ns
    assert make_report(order_of(case)) == first
    assert page.stat().st_mtime_ns == written
    page.write_text("not it")
    assert len(verify_published(case.folder)) == 1
    again = make_report(order_of(case))
    assert again == first
    aside = case.folder / "report.damaged-1"
    assert (aside / "report.html").read_text() == "not it"
    (aside / "report.html").unlink()
    for left in aside.iterdir():
        left.unlink()
    aside.rmdir()


@pytest.mark.promise("P9")
def test_the_whole_report_of_another_result_is_put_aside_and_made_anew(tmp_path: Path) -> None:
    """As it lies there after a result was moved away and its case computed again."""
    result, other = tmp_path / "case", "cd" * 32
    result.mkdir()
    own = hashlib.sha256(b"{}").hexdigest()
    (result / "manifest.json").write_bytes(b"{}")
    write_report(result, {"report.json": b"1"}, "case", verdict="pass", sentence="old", result_sha256=other)
    assert existing_report(result) is None
    write_report(result, {"report.json": b"2"}, "case", verdict="fail", sentence="new", result_sha256=own)
    for known in ("", own):
        found = existing_report(result, known)
        assert found is not None
        assert (found.verdict, found.sentence) == ("fail", "new")
    assert existing_report(result, other) is None
    assert (result / "report.damaged-1" / "report.json").read_bytes() == b"1"
    (result / "manifest.json").unlink()
    assert existing_report(result) is None


@pytest.mark.promise("P25")
def test_a_report_clears_away_only_what_nobody_writes_any_more(tmp_path: Path) -> None:
    """Another daemon may be making a report of the same case, or of one whose name a pattern would match."""
    result = tmp_path / "case[1]"
    result.mkdir()

    def write(sentence: str) -> None:
        write_report(result, {"report.json": b"1"}, "case", verdict="pass", sentence=sentence, result_sha256="cd" * 32)

    with subprocess.Popen(["sleep", "60"]) as other:
        living = tmp_path / f".case[1].report.{unfinished.writer(other.pid)}.partial"
        elsewhere, forgotten = (tmp_path / f".case[1].report.gpu9~77~{n}.partial" for n in (1, 2))
        odd = tmp_path / ".case[1].report.12345.partial"
        of_another = tmp_path / ".case1.report.12345.partial"
        for made in (living, elsewhere, forgotten, odd, of_another):
            made.mkdir()
        os.utime(forgotten, (0.0, 0.0))
        write("first")
        assert set(tmp_path.glob(".*")) == {living, elsewhere, of_another}
        other.kill()
    write("second")
    assert not living.exists()


def test_a_report_under_way_is_written_under_the_name_of_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a publication of the same case leaves it alone as well: its own leftovers match the same pattern."""
    (tmp_path / "case").mkdir()
    seen = []
    monkeypatch.setattr(report_folder, "_sync", lambda folder: seen.append(folder.name))
    write_report(tmp_path / "case", {}, "case", verdict="pass", sentence="", result_sha256="")
    assert seen == [f".case.report.{unfinished.writer(os.getpid())}.partial", "case"]


def test_a_result_that_the_ledger_does_not_know_keeps_no_report(case: PublishedCase) -> None:
    """The report that is there does not hide that the result is not the one that was published."""
    make_report(order_of(case))
    none = run_process(Scope(), replace(order_of(case), result_sha256="cd" * 32))
    assert isinstance(none, NoReport)
    assert none.kind == "result-changed"


@pytest.mark.promise("P25")
def test_no_report_of_a_result_that_was_changed(case: PublishedCase) -> None:
    log = case.folder / "engine_3.log"
    content = log.read_bytes()
    report = case.folder / "report"
    hidden = report.rename(case.folder.parent / "hidden") if report.exists() else None
    try:
        log.write_bytes(content + b"more")
        none = run_process(Scope(), order_of(case))
    finally:
        log.write_bytes(content)
        if hidden:
            hidden.rename(report)
    assert isinstance(none, NoReport)
    assert (none.kind, "engine_3.log" in none.sentence) == ("result-changed", True)


def child(folder: Path, body: str) -> tuple[str, ...]:
    """A stand-in for the process."""
    script = folder / "child.py"
    script.write_text(body)
    return (sys.executable, str(script))


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (
            "import sys; sys.stdin.read(); sys.exit('no room in memory')",
            "report-died",
            "ended with 1; its last words: no room",
        ),
        ("import os; os.kill(os.getpid(), 9)", "report-died", "ended with -9"),
        ("import sys, time; sys.stdin.buffer.read(); time.sleep(60)", "report-timeout", "longer than the 1 s"),
        ("import sys; sys.stdin.buffer.read(); print('[]')", "report-died", "ended with 0"),
    ],
)
def test_a_process_that_ends_without_an_answer(body: str, kind: str, words: str, tmp_path: Path) -> None:
    order = MakeReport(str(tmp_path), str(tmp_path), ReportSettings(timeout_s=1.0))
    none = run_process(Scope(), order, child(tmp_path, body))
    assert isinstance(none, NoReport)
    assert none.kind == kind
    assert words in none.sentence


def test_a_cancelled_task_ends_its_process_and_says_nothing(tmp_path: Path) -> None:
    scope = Scope()
    threading.Timer(0.5, scope._cancel).start()
    began = time.monotonic()
    order = MakeReport(str(tmp_path), str(tmp_path), RULES)
    assert run_process(scope, order, child(tmp_path, "import time; time.sleep(60)")) is None
    assert time.monotonic() - began < 30.0


def test_too_little_memory_is_told_as_such(tmp_path: Path) -> None:
    """Half a gigabyte does not hold a dose of a hundred million voxels."""
    folder = tmp_path / "big"
    case = publish(replace(SMALL, beams=1), folder, in_ct(folder))
    none = run_process(Scope(), order_of(case, RULES), (sys.executable, "-c", _STARVED))
    assert isinstance(none, NoReport)
    assert none.kind == "report-memory"


_STARVED = """
import sys
import actors.reporter.__main__ as program
from actors.reporter import make
def hungry(order):
    return bytearray(64 * 2**30)
make.make_report = hungry
program.main(int(sys.argv[1]))
"""


def test_a_result_that_is_gone(tmp_path: Path) -> None:
    none = run_process(Scope(), MakeReport(str(tmp_path / "none"), str(tmp_path), RULES))
    assert isinstance(none, NoReport)
    assert none.kind == "report-io"
