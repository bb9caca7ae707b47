"""What the report comes to: its figures, the verdict, and the reasons for it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from actors.reporter.delivery import BeamJudgement, judge_beams
from actors.reporter.evidence import Evidence
from actors.reporter.figures import dose_figures, levels_of, noise_figures, pair_figures
from actors.reporter.levels import Figure, Level, worst
from actors.reporter.pairs import Pair, PairName
from actors.reporter.published import Manifest, Published
from actors.settings import ReportSettings

MAX_REASONS = 24
_UNVERIFIED = {
    PairName.DELIVERY: "What the delivery did to the dose, apart from the model",
    PairName.MODEL: "What the engine's model and the planning system's differ by, apart from the delivery",
}


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
            *_doses_unknown(self.evidence.pairs),
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
            *(
                f"{_UNVERIFIED[pair.name]}: {pair.reason}."
                for pair in evidence.pairs
                if pair.reason and pair.name in _UNVERIFIED
            ),
        )

    @property
    def pair_verdicts(self) -> Iterator[tuple[Pair, Level | None]]:
        """The pairs that were compared, each with the gravest level of its own figures; None: it is not judged."""
        for pair in self.evidence.pairs:
            if pair.comparison is not None:
                judged = levels_of(pair.name, self.rules).judged
                own = pair_figures(pair, self.rules)
                yield pair, worst(figure.level for figure in own) if judged else None


def findings_of(published: Published, evidence: Evidence, rules: ReportSettings) -> Findings:
    """Judge what was found."""
    manifest = published.manifest
    spots = evidence.simulated
    compared = (
        *(figure for pair in evidence.pairs for figure in pair_figures(pair, rules)),
        *noise_figures(manifest, rules),
        *(noise_figures(spots.manifest, rules, "Planned run, beam") if spots is not None else ()),
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
    spots = findings.evidence.simulated
    yield from (
        (Level.REVIEW, f"Planned run is suspect: {sentence}")
        for sentence in (spots.manifest.suspect if spots is not None else ())
        if sentence not in manifest.suspect
    )
    yield from ((Level.REVIEW, f"To review: {sentence}") for sentence in manifest.review)


def _doses_unknown(pairs: tuple[Pair, ...]) -> tuple[str, ...]:
    """What the verdict does not cover, in short."""
    made = {pair.name for pair in pairs if pair.comparison is not None}
    if not made:
        return ("delivery only: dose not compared",)
    if PairName.TOTAL in made:
        return ()
    others = " and ".join(sorted(made))
    return (f"{others} only: dose delivered not compared with the planning system's",)


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


def _word(level: Level | None) -> str:
    return "not judged" if level is None else level.word


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
    verdicts = [f"{pair.name} {_word(level)}" for pair, level in findings.pair_verdicts]
    if evidence.simulated is not None and verdicts:
        yield f"By what was compared: {', '.join(verdicts)}."
    without = _without_noise(findings.published.manifest)
    if without:
        beams = f"{'beam' if len(without) == 1 else 'beams'} {', '.join(without)}"
        yield f"The statistical uncertainty of the dose is not known (no half-runs of {beams})."
