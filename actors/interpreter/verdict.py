"""Sentences for the physicist: where delivered and planned differ over tolerance (review) or action (suspect)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from messages.interpretation import AxisFit, LayerDeviation

LAYER_MU = (0.01, 0.02)
LAYER_MU_FLOOR = 0.02
BEAM_MU = (0.005, 0.01)
OFF_SHARE = (0.001, 0.005)
MEAN_MM = (0.5, 1.0)
P95_MM = (1.0, 1.5)
MAX_MM = 2.0
_NAMED_LAYERS = 6


@dataclass(slots=True)
class Findings:
    """Sentences so far."""

    review: list[str] = field(default_factory=list)
    suspect: list[str] = field(default_factory=list)

    def judge(self, amount: float, limits: tuple[float, float], sentence: str) -> None:
        """Files the sentence by how far the amount is over (tolerance, action)."""
        if amount > limits[1]:
            self.suspect.append(sentence)
        elif amount > limits[0]:
            self.review.append(sentence)


def judge_beam(
    beam: int,
    layers: Sequence[LayerDeviation],
    off_share: float,
    fit: AxisFit,
    *,
    told_apart: bool,
    whole: bool,
    stopped: frozenset[int] = frozenset(),
) -> Findings:
    """Findings of one beam.

    ``whole``: all its layers were delivered, so that its sum can be compared. ``stopped``: layers that a partial
    treatment delivered in part; that their MU fall short is no finding, it is what PARTIAL says.
    """
    findings = Findings()
    _judge_mu(beam, layers, findings, whole=whole)
    _judge_layers(beam, layers, findings, stopped)
    findings.judge(off_share, OFF_SHARE, f"Beam {beam}: {off_share:.2%} of the counts came with the beam off.")
    if not told_apart:
        findings.review.append(
            f"Beam {beam}: its pattern fits {fit.best} and {fit.runner_up} alike; axes are not proven by this beam."
        )
    return findings


def _judge_mu(beam: int, layers: Sequence[LayerDeviation], findings: Findings, *, whole: bool) -> None:
    planned = sum(layer.planned_mu for layer in layers)
    delivered = sum(layer.delivered_mu for layer in layers)
    if whole and planned > 0:
        change = delivered / planned - 1.0
        text = f"Beam {beam}: {delivered:.3f} MU delivered, {planned:.3f} planned ({change:+.2%})."
        findings.judge(abs(change), BEAM_MU, text)


def _judge_layers(beam: int, layers: Sequence[LayerDeviation], findings: Findings, stopped: frozenset[int]) -> None:
    criteria: tuple[tuple[str, Callable[[LayerDeviation], int], Callable[[LayerDeviation], str]], ...] = (
        (
            "MU off plan:",
            lambda one: 0 if one.layer in stopped else _mu_level(one),
            lambda one: f"by {_mu_change(one):+.1%}",
        ),
        ("positions off plan:", _position_level, lambda one: f"by up to {one.max_mm:.1f} mm"),
        (
            "planned spots or segments not delivered:",
            lambda one: int(one.missing > 0),
            lambda one: f"lacks {one.missing}",
        ),
    )
    for what, level, amount in criteria:
        for wanted, sentences in ((1, findings.review), (2, findings.suspect)):
            found = [one for one in layers if level(one) == wanted]
            if found:
                sentences.append(f"Beam {beam}: {what} {_named(found, amount)}.")


def _mu_change(one: LayerDeviation) -> float:
    return one.delivered_mu / one.planned_mu - 1.0 if one.planned_mu > 0 else 0.0


def _mu_level(one: LayerDeviation) -> int:
    """0 in tolerance, 1 review, 2 suspect; differences below the floor do not count."""
    difference = abs(one.delivered_mu - one.planned_mu)
    if difference <= LAYER_MU_FLOOR:
        return 0
    return sum(abs(_mu_change(one)) > limit for limit in LAYER_MU)


def _position_level(one: LayerDeviation) -> int:
    level = max(
        sum(one.mean_mm > limit for limit in MEAN_MM),
        sum(one.p95_mm > limit for limit in P95_MM),
    )
    return 2 if one.max_mm > MAX_MM else level


def _named(found: Sequence[LayerDeviation], amount: Callable[[LayerDeviation], str]) -> str:
    named = ", ".join(f"layer {one.layer} {amount(one)}" for one in found[:_NAMED_LAYERS])
    return named + (f" and {len(found) - _NAMED_LAYERS} more layers" if len(found) > _NAMED_LAYERS else "")
