"""One report: the published result and the case folder in, a folder with page, paper and figures out."""

from __future__ import annotations

import json
from pathlib import Path

from actors.reporter.content import Report
from actors.reporter.course_dose import course_dose
from actors.reporter.delivery_section import delivery_sections
from actors.reporter.document import document
from actors.reporter.evidence import gather
from actors.reporter.findings import MAX_REASONS, Findings, findings_of
from actors.reporter.folder import FOLDER, existing_report, write_report
from actors.reporter.html_page import page
from actors.reporter.kept import CONTENT, STANDING, Kept, content_bytes, kept_findings
from actors.reporter.order import MadeReport, MakeReport
from actors.reporter.pair_section import comparison_sections
from actors.reporter.pdf_pages import pages
from actors.reporter.planes import view_of
from actors.reporter.provenance import identity_of, not_verified_section, provenance_section
from actors.reporter.published import Published, read_published
from actors.reporter.sections import dose_section, dvh_section
from actors.reporter.spot_table import SpotTables, spot_tables
from actors.reporter.standing_section import standing_document, with_standing
from actors.reporter.trend import trend_in


def make_report(order: MakeReport) -> MadeReport:
    """Write ``<result>/report/``, whole or not at all; one of this result that is there already is accepted as it is.

    One that is there, but for how the result stands now, is printed anew with the findings that it has. MqiError where
    the result cannot be read or was changed; OSError where the disk does not take it.
    """
    folder = Path(order.result)
    found_with = {"planned_run": order.planned.result_sha256} if order.planned.result else {}
    rests_on = {**found_with, STANDING: order.standing.mark(folder.name)}
    if (found := existing_report(folder, order.result_sha256, rests_on)) is not None:
        content = (folder / FOLDER / "report.json").read_bytes()
        return _told(folder, found.verdict, found.sentence, found.manifest_sha256, content)
    published = read_published(folder, order.result_sha256)
    kept = kept_findings(folder, found_with) or _found(published, order)
    course = order.standing.course(published.manifest.case)
    dose = course_dose(course.counted, Path(order.case_folder))
    report = with_standing(kept.report, order.standing, dose)
    whole = {**kept.document, **standing_document(report.case, order.standing, dose)}
    sentence = report.reasons[0][1] if report.reasons else report.basis
    files = {
        "report.html": page(report),
        "report.pdf": pages(report),
        "report.json": (json.dumps(whole, indent=1) + "\n").encode("ascii"),
        CONTENT: content_bytes(kept),
    }
    written = write_report(
        folder,
        files,
        report.case,
        verdict=report.verdict.word,
        sentence=sentence,
        result_sha256=published.manifest_sha256,
        rests_on=rests_on,
    )
    return _told(folder, report.verdict.word, sentence, written, files["report.json"])


def _found(published: Published, order: MakeReport) -> Kept:
    """What there is to find in the result, beside what the case's folder brings."""
    evidence = gather(published, Path(order.case_folder), order.rules, order.planned)
    findings = findings_of(published, evidence, order.rules)
    report = report_of(findings, spot_tables(published.manifest, Path(order.case_folder), order.calibrations))
    return Kept(report, json.loads(document(findings)))


def _told(folder: Path, verdict: str, sentence: str, manifest_sha256: str, content: bytes) -> MadeReport:
    """content: of report.json."""
    return MadeReport(str(folder / FOLDER), verdict, sentence, manifest_sha256, *trend_in(content))


def report_of(findings: Findings, spots: SpotTables) -> Report:
    """The report in words, tables and pictures."""
    published, evidence, rules = findings.published, findings.evidence, findings.rules
    view = view_of(evidence.total, phantom=published.manifest.phantom)
    sections = (
        *comparison_sections(findings),
        dose_section(evidence, published.manifest, view, findings.dose),
        dvh_section(evidence, published.manifest),
        *delivery_sections(findings.judged, spots, rules),
        not_verified_section(published, findings.unverified),
        provenance_section(published),
    )
    return Report(
        case=published.manifest.case,
        verdict=findings.verdict,
        statement=findings.statement,
        basis=findings.basis,
        reasons=findings.reasons[:MAX_REASONS],
        identity=identity_of(published),
        sections=sections,
    )
