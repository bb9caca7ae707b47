"""What the report comes to: its figures, the verdict, and the reasons for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actors.reporter.delivery import BeamJudgement, judge_beams
from actors.reporter.evidence import Evidence
from actors.reporter.figures import comparison_figures, dose_figures, noise_figures, range_figures
from actors.reporter.levels import Figure, Level, worst
from actors.reporter.published import Manifest, Published
from actors.settings import ReportSettings

MAX_REASONS = 24


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """Everything that is known of a case."""

    published: Published
    evidence: Evidence
    rules: ReportSettings
    judged: tuple[BeamJudgement, ...]
    compared: tuple[Figure, ...]
    """Of the comparison of dose, with noise and ranges."""
    dose: tuple[Figure, ...]
    """Of the dose itself."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All that the verdict goes by."""
        return (*(figure for beam in self.judged for figure in beam.figures), *self.compared, *self.dose)

    @property
    def reasons(self) -> tuple[tuple[Level, str], ...]:
        """Sentences, the gravest first; within a level, figures before what the result itself says."""
        return tuple(sorted(_reasons(self), key=lambda one: -one[0]))

    @property
    def verdict(self) -> Level:
        return worst(level for level, _ in self.reasons)

    @property
    def statement(self) -> str:
        """The verdict in words, with what it does not cover: ``pass (delivery only: dose not compared)``."""
        unknown = (
            *(() if self.evidence.comparison else ("delivery only: dose not compared",)),
            *(("noise unknown",) if _without_noise(self.published.manifest) else ()),
        )
        return self.verdict.word + (f" ({'; '.join(unknown)})" if unknown else "")

    @property
    def basis(self) -> str:
        """Some sentences: what the verdict rests on, and what it does not."""
        return " ".join(_basis(self))

    @property
    def unverified(self) -> tuple[str, ...]:
        """What was not compared, in this report."""
        evidence = self.evidence
        return (
            *((f"Dose, not compared with a planning dose: {evidence.reason}.",) if evidence.reason else ()),
            *((f"Dose in structures: {evidence.dvh.reason}.",) if evidence.dvh.reason else ()),
            "Delivery and model apart from one another: no engine run of the planned spots is configured.",
        )


def findings_of(published: Published, evidence: Evidence, rules: ReportSettings) -> Findings:
    """Judge what was found."""
    manifest = published.manifest
    compared = (
        *(comparison_figures(evidence.comparison, rules) if evidence.comparison else ()),
        *range_figures(evidence.depths, rules),
        *noise_figures(manifest, rules),
    )
    return Findings(
        published, evidence, rules, judge_beams(manifest, rules), tuple(compared), tuple(dose_figures(manifest))
    )


def _reasons(findings: Findings) -> Iterator[tuple[Level, str]]:
    manifest = findings.published.manifest
    yield from ((figure.level, figure.sentence) for figure in findings.figures if figure.level)
    yield from _layers_out(findings.judged)
    if manifest.uncommissioned:
        yield Level.REVIEW, "UNCOMMISSIONED: " + " ".join(manifest.uncommissioned_because)
    yield from ((Level.REVIEW, f"Result is suspect: {sentence}") for sentence in manifest.suspect)
    yield from ((Level.REVIEW, f"To review: {sentence}") for sentence in manifest.review)


def _layers_out(judged: tuple[BeamJudgement, ...]) -> list[tuple[Level, str]]:
    """How many layers are beyond each level; the table names them."""
    found = []
    for beam in judged:
        for level in (Level.FAIL, Level.REVIEW):
            numbers = [str(one.layer.layer) for one in beam.layers if one.level is level]
            if numbers:
                named = ", ".join(numbers[:8]) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")
                what = "action level" if level is Level.FAIL else "tolerance"
                found.append((level, f"Beam {beam.beam.number}: beyond {what} in layer {named}"))
    return found


def _without_noise(manifest: Manifest) -> list[str]:
    """Numbers of the beams whose statistical uncertainty nobody knows."""
    return [str(beam.number) for beam in manifest.beams if beam.noise is None]


def _basis(findings: Findings) -> Iterator[str]:
    judged, evidence = findings.judged, findings.evidence
    layers = sum(len(beam.layers) for beam in judged)
    yield f"Delivered against planned: {len(judged)} {'beam' if len(judged) == 1 else 'beams'}, {layers} layers."
    if evidence.comparison is None:
        yield f"The dose was not compared with a planning dose: {evidence.reason}."
    else:
        percent, mm = findings.rules.gamma_judged
        yield f"Dose against the planning system's dose: gamma {percent:g} %/{mm:g} mm."
    without = _without_noise(findings.published.manifest)
    if without:
        beams = f"{'beam' if len(without) == 1 else 'beams'} {', '.join(without)}"
        yield f"The statistical uncertainty of the dose is not known (no half-runs of {beams})."
