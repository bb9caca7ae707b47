"""The report for programs: report.json. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict

from actors.reporter.evidence import Evidence
from actors.reporter.findings import Findings
from actors.reporter.trend import trend_document, trend_of

FORMAT = 1


def document(findings: Findings) -> bytes:
    """One JSON document, ASCII."""
    published, evidence = findings.published, findings.evidence
    manifest = published.manifest
    content: dict[str, object] = {
        "format": FORMAT,
        "case": manifest.case,
        "verdict": findings.verdict.word,
        "statement": findings.statement,
        "basis": findings.basis,
        "reasons": [{"level": level.word, "text": text} for level, text in findings.reasons],
        "result_manifest_sha256": published.manifest_sha256,
        "partial": manifest.partial,
        "figures": [
            {
                "subject": figure.subject,
                "name": figure.name,
                "value": figure.value,
                "limits": figure.limits,
                "level": None if figure.level is None else figure.level.word,
            }
            for figure in findings.figures
        ],
        "comparison": _comparison(evidence),
        "pairs": _pairs(findings),
        "range": [
            {"beam": one.number, "r80_mm": one.delivered.r80_mm}
            | (asdict(one.difference) if one.difference is not None else {})
            for one in evidence.depths
        ],
        "structures": _structures(evidence),
        "noise": {str(beam.number): beam.noise for beam in manifest.beams},
        "dose_per_mu": {str(beam.number): beam.dose_per_mu for beam in manifest.beams},
        "layers": [
            {"beam": beam.beam.number, "level": one.level.word, **asdict(one.layer)}
            for beam in findings.judged
            for one in beam.layers
        ],
        "not_verified": [manifest.not_verified, *findings.unverified],
        "rules": findings.rules.model_dump(mode="json"),
        "trend": trend_document(manifest.calibration["gantry"], trend_of(findings)),
    }
    return (json.dumps(content, indent=1) + "\n").encode("ascii")


def _comparison(evidence: Evidence) -> dict[str, object]:
    compared = evidence.comparison
    return {
        "compared": compared is not None,
        "reason": evidence.reason,
        "planning_dose": evidence.planning_statement,
    } | (asdict(compared) if compared is not None else {})


def _pairs(findings: Findings) -> list[dict[str, object]]:
    """Delivery, model and total; ``verdict``: null where it was not compared, or does not judge."""
    verdicts = {pair.name: level for pair, level in findings.pair_verdicts}
    return [
        {
            "pair": str(pair.name),
            "evaluated": pair.evaluated,
            "reference": pair.reference,
            "compared": pair.comparison is not None,
            "reason": pair.reason,
            "verdict": None if (level := verdicts.get(pair.name)) is None else level.word,
            "noise": None if pair.noise is None else {**asdict(pair.noise), "together": pair.noise.together},
            "range": [{"beam": one.number, **asdict(one.difference)} for one in pair.ranges],
        }
        | (asdict(pair.comparison) if pair.comparison is not None else {})
        for pair in findings.evidence.pairs
    ]


def _structures(evidence: Evidence) -> list[dict[str, object]]:
    return [
        {
            "name": one.structure.name,
            "dose": what,
            "volume_cm3": one.volume_cm3,
            "mean": one.mean,
            "d95": one.at_volume(95.0),
            "d2": one.at_volume(2.0),
            "maximum": one.maximum,
            "notes": one.notes,
        }
        for what, found in (
            ("delivered", evidence.dvh.delivered),
            ("planned", evidence.dvh.planned),
            ("simulated", evidence.dvh.simulated),
        )
        for one in found
    ]
