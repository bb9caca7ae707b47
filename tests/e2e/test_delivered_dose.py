"""What was delivered decides the published dose, and what it is called: the whole daemon with the reference engine."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from actors.demo.factory import make_case, write_case
from actors.demo.recipe import CaseFault, CaseRecipe, Interruption, LayerShift
from actors.demo.site import DemoSite, make_site
from actors.results import verify_published
from messages.ledger import CaseRow
from messages.states import CaseState
from tests.kit.daemon import Daemon

PLAIN = CaseRecipe(beams=1, layers=3, spots=16, energy_step_mev=8.0, seed=3)
STOPPED = CaseRecipe(layers=3, spots=12, seed=4, patient=4, interruption=Interruption(beam=0, layer=2))
PARTIAL_AFTER_S = 2.0


@pytest.fixture
def site(tmp_path: Path) -> DemoSite:
    return make_site(tmp_path / "site", gpus=2, interval_s=0.5, quiet_s=0.3)


def daemon_of(site: DemoSite) -> Daemon:
    return Daemon(site, {"MQI_SCAN__PARTIAL_AFTER_H": f"{PARTIAL_AFTER_S / 3600:.6f}"})


def done(daemon: Daemon, count: int) -> list[CaseRow]:
    """The cases by the time they were delivered, all done."""
    rows = daemon.until_ended(count)
    assert [row.state for row in rows.values()] == [CaseState.DONE] * count, rows
    return [rows[case] for case in sorted(rows)]


def dicom(site: DemoSite, case: str, name: str) -> Dataset:
    return pydicom.dcmread(site.results / case / name)


def manifest(site: DemoSite, case: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((site.results / case / "manifest.json").read_text())
    return content


def deep_centroid(dataset: Dataset, deeper_than_mm: float) -> NDArray[np.float64]:
    """(x, y) centre of the dose at phantom depths (z towards the source) below ``deeper_than_mm``."""
    dose = dataset.pixel_array * float(dataset.DoseGridScaling)
    x0, y0, z0 = (float(value) for value in dataset.ImagePositionPatient)
    z = z0 + np.array([float(offset) for offset in dataset.GridFrameOffsetVector])
    plane = dose[z < -deeper_than_mm].sum(axis=0)
    assert plane.sum() > 0.01 * dose.sum()
    dy, dx = (float(value) for value in dataset.PixelSpacing)
    x, y = x0 + dx * np.arange(plane.shape[1]), y0 + dy * np.arange(plane.shape[0])
    return np.array([(plane.sum(axis=0) * x).sum(), (plane.sum(axis=1) * y).sum()]) / plane.sum()


@pytest.mark.promise("P40")
@pytest.mark.promise("P13")
def test_the_published_dose_lies_where_the_beam_was_and_not_where_it_was_planned(site: DemoSite) -> None:
    """Two fractions of one plan on one day; the deepest layer of the second was delivered 5 mm off."""
    afternoon = replace(
        PLAIN, irradiated=PLAIN.irradiated + timedelta(hours=6), layer_shift=LayerShift(0, 1, 5.0, -3.0)
    )
    with daemon_of(site) as daemon:
        write_case(PLAIN, site.incoming)
        write_case(afternoon, site.incoming)
        plain, shifted = done(daemon, 2)
    # 156 MeV reach 168 mm, 20 mm of them before the isocentre; the next layer's 148 MeV end at 133 mm behind it.
    before, after = (deep_centroid(dicom(site, row.case, "beam_3.dcm"), 137.0) for row in (plain, shifted))
    assert after - before == pytest.approx([5.0, -3.0], abs=0.2)
    assert (plain.plan_uid, plain.verdict == shifted.verdict) == (shifted.plan_uid, False)
    assert manifest(site, shifted.case)["verdict"] == "suspect"
    for row in (plain, shifted):
        dataset = dicom(site, row.case, "sum.dcm")
        assert (dataset.DoseUnits, dataset.DoseType, dataset.DoseSummationType) == (
            "GY",
            "PHYSICAL",
            "FRACTION_SESSION",
        )


@pytest.mark.promise("P10")
@pytest.mark.promise("P3")
def test_a_stopped_treatment_is_partial_everywhere_until_the_rest_supersedes_it(site: DemoSite) -> None:
    made = make_case(STOPPED, site.incoming)
    first = made.case.deliveries[0]
    assert (first.start_layer, first.stop_layer) == (1, 2)
    with daemon_of(site) as daemon:
        for step in made.steps:
            if step.path.parent in {made.case.path, first.path}:
                step.run()
        (partial,) = done(daemon, 1)
        told = daemon.cli("show", partial.case)
        kept = manifest(site, partial.case)
        for step in made.steps:
            step.run()
        rows = {row.case: row for row in done(daemon, 2)}
    (whole,) = (row for case, row in rows.items() if case != partial.case)
    _is_partial_everywhere(site, partial, told, kept)
    assert manifest(site, partial.case) == kept
    assert whole.source is not None
    assert (whole.source.partial, whole.source.supersedes) == (False, partial.case)
    content = manifest(site, whole.case)
    assert (content["partial"], content["supersedes"], content["session"]) == (False, partial.case, "one fraction")
    assert [amount["layers_left"] for amount in content["amounts"]] == [[], []]
    assert "PARTIAL" not in dicom(site, whole.case, "sum.dcm").SeriesDescription
    assert verify_published(site.results / partial.case) == verify_published(site.results / whole.case) == ()


def _is_partial_everywhere(site: DemoSite, row: CaseRow, told: dict[str, Any], content: dict[str, Any]) -> None:
    assert row.source is not None
    assert row.source.partial
    assert "PARTIAL" in row.verdict
    assert "PARTIAL" in json.dumps(told)
    assert (content["partial"], content["session"]) == (True, "part of one fraction")
    assert any("layer 3 of 3 not delivered" in sentence for sentence in content["missing"])
    begun, untouched = content["amounts"]
    assert (begun["layers_left"], untouched["layers_left"]) == ([3], [1, 2, 3])
    assert 0 < begun["delivered_mu"] < 0.95 * begun["planned_mu"]
    assert (untouched["delivered_mu"], untouched["planned_mu"] > 0) == (0.0, True)
    for name in ("beam_3.dcm", "sum.dcm"):
        dataset = dicom(site, row.case, name)
        assert dataset.SeriesDescription.startswith("PARTIAL")
        assert dataset.DoseComment.startswith("Part of one fraction")


def test_a_qa_plan_and_a_bolus_are_told_in_the_published_files(site: DemoSite) -> None:
    with daemon_of(site) as daemon:
        write_case(replace(PLAIN, layers=1, fault=CaseFault.QA_PLAN), site.incoming)
        write_case(replace(PLAIN, layers=1, patient=2, fault=CaseFault.BOLUS), site.incoming)
        write_case(replace(PLAIN, layers=1, patient=3, fault=CaseFault.DENSITY_OVERRIDE), site.incoming)
        rows = done(daemon, 3)
    found = {Path(row.path).parent.name: manifest(site, row.case) for row in rows}
    qa, bolus, density = (found[name] for name in sorted(found))
    assert (qa["session"], qa["verdict"]) == ("one QA session", "review")
    assert (bolus["verdict"], density["verdict"]) == ("suspect", "suspect")
    assert "density of Metal" in " ".join(density["suspect"])
