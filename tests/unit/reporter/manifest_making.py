"""Manifests of a result as the report reads them: one beam, and the layers that a test gives it."""

from __future__ import annotations

from dataclasses import replace

from actors.reporter.published import BeamRecord, Manifest, PlanRecord
from messages.interpretation import AxisFit, LayerDeviation

GOOD = LayerDeviation(
    layer=1,
    energy_mev=150.0,
    planned_mu=10.0,
    delivered_mu=10.0,
    off_share=0.0,
    mean_mm=0.1,
    p95_mm=0.2,
    max_mm=0.3,
    missing=0,
    size_x_mm=4.0,
    size_y_mm=4.1,
    beam_on_ms=100.0,
)
FIT = AxisFit("identity", 1.0, 0.0, 0.0, 0.1, "mirrored in x", 9.0)


def manifest(*layers: LayerDeviation, delivered_mu: float | None = None, **changes: object) -> Manifest:
    beam = BeamRecord(
        number=3,
        name="beam",
        file="beam_3.dcm",
        maximum=2.0,
        gantry_deg=0.0,
        couch_deg=0.0,
        isocentre_mm=(0.0, 0.0, 0.0),
        planned_mu=sum(layer.planned_mu for layer in layers),
        delivered_mu=sum(layer.delivered_mu for layer in layers) if delivered_mu is None else delivered_mu,
        layers=layers,
        fit=FIT,
        attempt=1,
        host="h",
        gpu="g",
        seed=1,
        started="2026-03-02T09:30:15+00:00",
        ended="2026-03-02T09:30:16+00:00",
    )
    made = Manifest(
        case="c",
        verdict="accepted",
        suspect=(),
        review=(),
        not_verified="",
        session="one fraction",
        partial=False,
        missing=(),
        uncommissioned=False,
        uncommissioned_because=(),
        plan=PlanRecord("1.2", "label", "CURATIVE", "G2", 1, 25),
        calibration={"gantry": "G2", "sha256": "00"},
        scan_mode="line",
        profile={"name": "p", "version": "1", "sha256": "11", "content": {"geometry": "ct"}},
        engine={"name": "p", "version": "1", "sha256": ""},
        dose={"units": "GY"},
        beams=(beam,),
        amounts=(),
        inputs=(),
        files=(),
        made_by={"program": "mqi-communicator", "version": "0"},
    )
    return replace(made, **changes)  # type: ignore[arg-type]
