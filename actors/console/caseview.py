"""What the page shows of one case, from its ``show`` document. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from actors.settings import ReportSettings
from messages.operators import OrderKind
from messages.states import CaseState, ReviewState

_BAR = 18.0
"""Half the height of the picture of a beam's layers, less its edge; a layer at the site's action level fills it."""

_OFFERS: Mapping[str, tuple[OrderKind, ...]] = {
    CaseState.INCOMING: (OrderKind.HOLD, OrderKind.CANCEL, OrderKind.PRIORITY),
    CaseState.INCOMPLETE: (OrderKind.HOLD, OrderKind.CANCEL, OrderKind.PRIORITY),
    CaseState.QUEUED: (OrderKind.PRIORITY, OrderKind.HOLD, OrderKind.CANCEL),
    CaseState.RUNNING: (OrderKind.PRIORITY, OrderKind.HOLD, OrderKind.CANCEL),
    CaseState.HELD: (OrderKind.RELEASE, OrderKind.PRIORITY, OrderKind.CANCEL),
    CaseState.FAILED: (OrderKind.RETRY, OrderKind.CANCEL),
    CaseState.CANCELLED: (OrderKind.RETRY,),
    CaseState.DONE: (),
}
_OF_RESULTS: Mapping[str | None, tuple[OrderKind, ...]] = {
    ReviewState.COMPUTED: (OrderKind.REVIEW, OrderKind.REJECT),
    ReviewState.REVIEWED: (OrderKind.REVIEW, OrderKind.APPROVE, OrderKind.REJECT),
    ReviewState.APPROVED: (OrderKind.REJECT,),
}
"""By how the review of a result stands."""


@dataclass(frozen=True, slots=True)
class LayerFigure:
    number: int
    energy: float
    """MeV."""
    change: float
    """Delivered MU against planned, as a part."""
    bar: float
    """Its height in the picture, upwards."""
    off: bool
    """Over tolerance."""


@dataclass(frozen=True, slots=True)
class BeamFigure:
    """Delivered against planned of one beam."""

    number: int
    name: str
    planned: float
    delivered: float
    change: float
    over: bool
    """The difference is over the site's tolerance."""
    mean_mm: float
    max_mm: float
    far: bool
    """A sample is farther off than the site allows."""
    off: float
    """Share of the counts that came with the beam off."""
    axes: str
    layers: tuple[LayerFigure, ...]


@dataclass(frozen=True, slots=True)
class DosePicture:
    url: str
    name: str
    """Empty: all beams."""


def offers(case: Mapping[str, Any], *, sends: bool = False) -> tuple[str, ...]:
    """Orders that make sense for the case as it is; the others can still be given by command. ``sends``: the site has
    nodes to which results go."""
    found = (*_OFFERS.get(case["state"], ()), *_OF_RESULTS.get(case.get("review"), ()))
    if case.get("review") is not None and not case.get("superseded_by"):
        found = (*found, OrderKind.RECALCULATE)
    elif case.get("superseded_by"):
        found = tuple(kind for kind in found if kind is not OrderKind.APPROVE)
    if sends and case.get("review") not in (None, ReviewState.REJECTED) and not case.get("superseded_by"):
        found = (*found, OrderKind.SEND)
    return tuple(map(str, found))


def figures(case: Mapping[str, Any], levels: ReportSettings) -> tuple[BeamFigure, ...]:
    """Of the interpretation, marked by the tolerances of ``[report]``; none before, or of another release."""
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        return tuple(_beam(beam, levels) for beam in case["interpretation"]["beams"])
    return ()


def _beam(beam: Mapping[str, Any], levels: ReportSettings) -> BeamFigure:
    layers: Sequence[Mapping[str, Any]] = beam["layers"]
    planned, delivered = float(beam["planned_mu"]), float(beam["delivered_mu"])
    weights = [max(float(layer["delivered_mu"]), 0.0) for layer in layers]
    total = sum(weights) or 1.0
    change = delivered / planned - 1 if planned > 0 else 0.0
    max_mm = max((float(layer["max_mm"]) for layer in layers), default=0.0)
    return BeamFigure(
        number=int(beam["number"]),
        name=str(beam["name"]),
        planned=planned,
        delivered=delivered,
        change=change,
        over=abs(change) * 100 > levels.beam_mu_percent[0],
        mean_mm=sum(w * float(layer["mean_mm"]) for w, layer in zip(weights, layers, strict=True)) / total,
        max_mm=max_mm,
        far=max_mm > levels.position_max_mm,
        off=sum(w * float(layer["off_share"]) for w, layer in zip(weights, layers, strict=True)) / total,
        axes=str(beam["fit"]["best"]),
        layers=tuple(_layer(layer, levels) for layer in layers),
    )


def _layer(layer: Mapping[str, Any], levels: ReportSettings) -> LayerFigure:
    planned, delivered = float(layer["planned_mu"]), float(layer["delivered_mu"])
    change = delivered / planned - 1 if planned > 0 else 0.0
    tolerance, action = levels.layer_mu_percent
    bar = max(-1.0, min(1.0, change * 100 / (action or 1.0))) * _BAR
    off = abs(change) * 100 > tolerance and abs(delivered - planned) > levels.layer_mu_floor
    return LayerFigure(int(layer["layer"]), float(layer["energy_mev"]), change, round(bar, 1), off)


def sentences(case: Mapping[str, Any]) -> tuple[str, ...]:
    """What a physicist should read: of the result, and of the interpretation before there is one."""
    found: list[str] = []
    with suppress(KeyError, TypeError):
        found += case["result"]["reasons"]
    with suppress(KeyError, TypeError):
        found += [*case["interpretation"]["suspect"], *case["interpretation"]["review"]]
    return tuple(dict.fromkeys(map(str, found)))


def doses(case: Mapping[str, Any]) -> tuple[DosePicture, ...]:
    """Pictures of what was published: the sum, and each beam where there are several."""
    if not publication(case):
        return ()
    base = f"/cases/{quote(case['case'])}/dose"
    beams = [
        DosePicture(f"{base}/beam_{beam['number']}.png", f"{beam['number']} {beam['name']}") for beam in case["beams"]
    ]
    return (DosePicture(f"{base}/sum.png", ""), *(beams if len(beams) > 1 else ()))


def publication(case: Mapping[str, Any]) -> str:
    """Hash of what was published; empty: nothing was."""
    with suppress(KeyError, TypeError):
        return str(case["result"]["manifest_sha256"])
    return ""


def evidence(text: str) -> str:
    """What is kept as JSON, in words; anything else as it is, shortened."""
    said = text
    with suppress(ValueError):
        match json.loads(text):
            case {"what": str(words)} | {"verdict": str(words)}:
                said = words
            case {"exit_code": 0, "signal": None}:
                said = "exit code 0"
            case {"maximum": float(maximum)}:
                said = f"maximum {maximum:.4g}"
            case {"exit_code": code, "signal": number}:
                said = f"exit code {code}" if number is None else f"signal {number}"
            case [{"path": _}, *_] as files:
                said = ", ".join(str(file["path"]) for file in files)
    line = " ".join(said.split())
    return line if len(line) <= 240 else f"{line[:239]}…"
