"""Which delivery folders hold which layers of a beam: resumed deliveries merge by layer, never by guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from actors.errors import CaseError

MERGED_EXCESS = 0.02
FLOOR_MU = 0.02
_SHORT = 0.10
_TWICE = 0.50


@dataclass(frozen=True, slots=True)
class Span:
    """Layers that one delivery of a beam holds, inclusive; spans of a beam come by layers, then by time."""

    path: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class LayerParts:
    """One delivered layer and the deliveries that hold it, in order: several where stops were in mid-layer."""

    layer: int
    spans: tuple[int, ...]
    """Indexes into the beam's spans."""
    last: bool
    """The last layer of a delivery: where a partial treatment may have stopped in the middle."""
    resumed: bool = False
    """The first layer of a delivery whose beginning is not at hand: it may be only the rest of the layer."""


def cover(beam: int, spans: Sequence[Span], layers: int, *, partial: bool) -> tuple[LayerParts, ...]:
    """The beam's delivered layers; ``partial``: layers may be left out, but none may be there twice.

    CaseError ``layer-missing``, ``layer-extra`` or ``layer-doubled`` names beam and layers.
    """
    last = 0
    resumed = set()
    parts: dict[int, tuple[int, ...]] = {}
    for index, span in enumerate(spans):
        if span.stop > layers:
            raise _error("layer-extra", beam, f"layer {span.stop} was delivered, but the plan has {layers}", span.path)
        if span.start < last:
            raise _error("layer-doubled", beam, f"layer {span.start} was delivered again after layer {last}", span.path)
        if span.start > last + 1:
            if not partial:
                raise _error("layer-missing", beam, f"{_layers(last + 1, span.start - 1)} missing", span.path)
            resumed.add(span.start)
        for layer in range(span.start, span.stop + 1):
            parts[layer] = (*parts.get(layer, ()), index)
        last = span.stop
    if last < layers and not partial:
        raise _error("layer-missing", beam, f"{_layers(last + 1, layers)} missing", spans[-1].path if spans else "")
    stops = {span.stop for span in spans}
    return tuple(
        LayerParts(layer, parts[layer], last=layer in stops, resumed=layer in resumed) for layer in sorted(parts)
    )


def check_amount(
    beam: int, part: LayerParts, planned_mu: float, delivered_mu: float, *, partial: bool, where: str
) -> bool:
    """Is the layer whole? (Only where a partial treatment stopped, or went on from what is not here, may it be less.)

    CaseError ``layer-doubled`` (too much for one layer; in parts, over plan + 2 %, however small the layer) or
    ``layer-truncated`` (too little). Smaller deviations are for the verdict.
    """
    excess = delivered_mu - planned_mu
    merged = len(part.spans) > 1
    allowed = MERGED_EXCESS * planned_mu if merged else max(_TWICE * planned_mu, FLOOR_MU)
    amounts = f"{delivered_mu:.3f} MU delivered, {planned_mu:.3f} planned"
    if excess > allowed:
        raise _error("layer-doubled", beam, f"layer {part.layer} was delivered more than once ({amounts})", where)
    short = -excess > max(_SHORT * planned_mu, FLOOR_MU)
    if short and not (partial and (part.last or part.resumed)):
        raise _error("layer-truncated", beam, f"layer {part.layer} is not whole ({amounts})", where)
    return not short


def _layers(first: int, last: int) -> str:
    return f"layer {first} is" if first == last else f"layers {first} to {last} are"


def _error(kind: str, beam: int, what: str, where: str) -> CaseError:
    remedies = {
        "layer-missing": "Send the missing delivery, or compute the case as partial.",
        "layer-truncated": "Send the layer's file again, or compute the case as partial.",
    }
    return CaseError(
        f"Beam {beam}: {what}.", where, remedies.get(kind, "Check which deliveries make this fraction."), kind
    )
