"""Each error that the factory makes by name gets the verdict and the figures that it must, through the whole daemon.

Seven deliveries and one as planned go through one daemon; every test reads what stands in their results: the report for
programs, and our RT Dose beside the planning system's, both read by pymedphys.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pymedphys
import pytest
from numpy.typing import NDArray

from actors.demo.factory import WrittenCase, write_case
from actors.demo.planned import planned_beams
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.demo.site import make_site
from actors.ledger import Reader
from messages.ledger import CaseRow
from messages.states import CaseState
from tests.kit.daemon import Daemon, until
from tests.kit.profiles import ct_profile

pytestmark = [pytest.mark.xdist_group("named errors"), pytest.mark.timeout(900)]

AS_PLANNED = CaseRecipe(
    beams=1,
    layers=7,
    spots=80,
    field_mm=54.0,
    energy_step_mev=2.0,
    planning_dose=True,
    mu_noise=0.0,
    position_noise_mm=0.01,
)
FAULTS = (
    None,
    CaseFault.SHIFTED_LAYER,
    CaseFault.MU_2_5,
    CaseFault.MU_5,
    CaseFault.MISSING_SEGMENT,
    CaseFault.RANGE_2_MM,
    CaseFault.MIRRORED_DOSE,
    CaseFault.MIRRORED,
    CaseFault.PARTIAL,
)
JUDGED = "3 %/2 mm"
GAMMA_POINTS = 1000
Axes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Told:
    """One case that is over."""

    written: WrittenCase
    row: CaseRow
    folder: Path
    """Its published result, if it has one."""

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report" / "report.json").read_text())
        return found

    @property
    def layers(self) -> list[dict[str, Any]]:
        return list(self.report["layers"])

    def figure(self, words: str) -> dict[str, Any]:
        """The one judged or stated figure whose name has these words."""
        (found,) = [one for one in self.report["figures"] if words in one["name"]]
        return dict(found)

    @property
    def gammas(self) -> dict[str, dict[str, Any]]:
        """By criterion, of the delivered dose with the planning system's."""
        return {
            f"{one['criterion']['percent']:g} %/{one['criterion']['mm']:g} mm": one
            for one in self.report["comparison"]["gammas"]
        }

    @property
    def delivered(self) -> tuple[Axes, NDArray[np.float64]]:
        return read(self.folder / "sum.dcm")

    @property
    def planned(self) -> tuple[Axes, NDArray[np.float64]]:
        """Of one fraction."""
        axes, dose = read(self.written.path / "RD.plan.dcm")
        return axes, dose / self.written.recipe.planned_fractions


def read(path: Path) -> tuple[Axes, NDArray[np.float64]]:
    """An RT Dose by pymedphys: ((z, y, x), dose)."""
    axes, dose = pymedphys.dicom.zyx_and_dose_from_dataset(pydicom.dcmread(path))
    return axes, dose


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[CaseFault | None, Told]]:
    folder = tmp_path_factory.mktemp("site")
    site = make_site(folder, gpus=2, interval_s=0.3, quiet_s=0.2, profile=ct_profile(folder), reports=True)
    environment = {"MQI_SCAN__PARTIAL_AFTER_H": f"{2.0 / 3600:.6f}", "MQI_REPORT__GAMMA_POINTS": str(GAMMA_POINTS)}
    with Daemon(site, environment) as daemon:
        written = {
            fault: write_case(replace(AS_PLANNED, fault=fault, patient=patient), site.incoming)
            for patient, fault in enumerate(FAULTS, start=1)
        }
        rows = {Path(row.path): row for row in daemon.until_ended(len(FAULTS), 150.0).values()}
        found = {fault: (case, rows[case.path]) for fault, case in written.items()}

        def reported() -> bool:
            reader = Reader(site.ledger)
            states = [reader.report(row.case) for _, row in found.values() if row.state is CaseState.DONE]
            return all(state is not None and state.state in ("made", "failed") for state in states)

        until(reported, 600.0, "every report")  # they yield the processor to whatever else runs
    yield {fault: Told(case, row, site.results / row.case) for fault, (case, row) in found.items()}


def by_hand(case: Told, percent: float, mm: float) -> float:
    """Percent of points that pass, by pymedphys alone, on the lattice that the report says it looked at."""
    axes, planned = case.planned
    delivered_axes, delivered = case.delivered
    at = np.argwhere(planned >= 0.1 * planned.max())
    box = tuple(
        slice(low, high + 1, case.report["comparison"]["stride"])
        for low, high in zip(at.min(axis=0), at.max(axis=0), strict=True)
    )
    gamma = pymedphys.gamma(
        tuple(axis[part] for axis, part in zip(axes, box, strict=True)),
        planned[box],
        delivered_axes,
        delivered,
        percent,
        mm,
        lower_percent_dose_cutoff=10,
        global_normalisation=planned.max(),
        max_gamma=1.1,
        interp_algo="scipy",
    )
    return 100.0 * float((gamma <= 1.0).sum() / np.isfinite(gamma).sum())


def reasons(case: Told) -> str:
    return " | ".join(f"{one['level']}: {one['text']}" for one in case.report["reasons"])


def test_as_planned_passes(told: dict[CaseFault | None, Told]) -> None:
    case = told[None]
    assert (case.report["verdict"], case.report["statement"]) == ("pass", "pass (noise unknown)")
    assert case.report["reasons"] == []
    assert {name: one["passed_percent"] for name, one in case.gammas.items()} == {
        "3 %/3 mm": 100.0,
        "3 %/2 mm": 100.0,
        "2 %/2 mm": 100.0,
    }
    assert case.report["range"][0]["mean_mm"] == pytest.approx(0.0, abs=0.05)
    (_, planned), (_, delivered) = case.planned, case.delivered
    assert np.abs(delivered - planned).max() < 0.005 * planned.max()


def test_a_layer_shifted_by_5_mm(told: dict[CaseFault | None, Told]) -> None:
    """Its centroid by 5 mm, and so is the dose that it alone gives, beyond the other layers' range."""
    case = told[CaseFault.SHIFTED_LAYER]
    first, *others = case.layers
    assert (first["shift_x_mm"], first["shift_y_mm"]) == pytest.approx((5.0, 0.0), abs=0.05)
    assert [one["level"] for one in case.layers] == ["fail", *["pass"] * len(others)]
    assert first["delivered_mu"] == pytest.approx(first["planned_mu"], rel=1e-5)
    assert (case.report["verdict"], case.figure("centroid of the layer")["value"]) == ("fail", "5.00 mm")
    (_, y, x), planned = case.planned
    _, delivered = case.delivered
    profile = planned.sum(axis=(0, 2))
    deep = int(np.flatnonzero(profile > 0.03 * profile.max())[-1])  # the beam comes from −y
    moved = [float((dose[:, deep].sum(axis=0) * x).sum() / dose[:, deep].sum()) for dose in (planned, delivered)]
    assert y[deep] > y[int(profile.argmax())]
    assert moved[1] - moved[0] == pytest.approx(5.0, abs=0.2)
    assert delivered.sum() == pytest.approx(planned.sum(), rel=1e-3)
    assert case.gammas[JUDGED]["passed_percent"] < 90.0


@pytest.mark.promise("P41")
@pytest.mark.parametrize(("fault", "percent"), [(CaseFault.MU_2_5, 2.5), (CaseFault.MU_5, 5.0)])
def test_more_monitor_units(told: dict[CaseFault | None, Told], fault: CaseFault, percent: float) -> None:
    """So much more dose in every voxel. On a flat dose gamma is the difference over the criterion; the top of this one
    has ripples, and somewhat less."""
    case = told[fault]
    (_, planned), (_, delivered) = case.planned, case.delivered
    assert 100.0 * (delivered.sum() / planned.sum() - 1.0) == pytest.approx(percent, abs=0.02)
    assert np.abs(delivered - (1.0 + percent / 100.0) * planned).max() < 0.005 * planned.max()
    assert all(
        one["delivered_mu"] == pytest.approx(one["planned_mu"] * (1 + percent / 100), rel=1e-4) for one in case.layers
    )
    for criterion, one in case.gammas.items():
        flat = percent / float(criterion.split()[0])
        assert 0.6 * flat < one["maximum"] < flat + 0.02
    assert case.report["verdict"] == "fail"
    assert f"+{percent:.2f} %" in case.figure("MU delivered − planned")["value"]
    assert case.figure("MU delivered − planned")["level"] == "fail"
    assert case.report["range"][0]["mean_mm"] == pytest.approx(0.0, abs=0.05)


def test_a_segment_that_was_not_delivered(told: dict[CaseFault | None, Told]) -> None:
    """The layer lacks that segment's MU, and nothing else."""
    case = told[CaseFault.MISSING_SEGMENT]
    first, *others = case.layers
    (beam,) = planned_beams(case.written.recipe)
    weights = beam.layers[0].weights.astype(np.float64)
    lacks = 100.0 * float(weights.max() / weights.sum())
    assert 100.0 * (1.0 - first["delivered_mu"] / first["planned_mu"]) == pytest.approx(lacks, abs=0.01)
    assert first["missing"] == 1
    assert all((one["missing"], one["level"]) == (0, "pass") for one in others)
    assert case.report["verdict"] == "fail"
    assert "planned spots or segments not delivered: 1" in reasons(case)
    (_, planned), (_, delivered) = case.planned, case.delivered
    share = first["planned_mu"] / sum(one["planned_mu"] for one in case.layers)
    # a proton of the deepest layer has somewhat more energy to give than the mean one
    assert 100.0 * (1.0 - delivered.sum() / planned.sum()) == pytest.approx(lacks * share, rel=0.12)


def test_two_millimetres_of_range(told: dict[CaseFault | None, Told]) -> None:
    case = told[CaseFault.RANGE_2_MM]
    (one,) = case.report["range"]
    assert one["mean_mm"] == pytest.approx(2.0, abs=0.25)  # of voxels of 3 mm
    judged = case.figure("distal 80 %")["level"]
    assert judged == ("fail" if one["mean_mm"] > 2.0 else "review")
    assert case.report["verdict"] in ("review", "fail")
    assert all(one["level"] == "pass" for one in case.layers)
    assert "distal 80 %" in reasons(case)


@pytest.mark.promise("P40")
def test_a_mirrored_axis(told: dict[CaseFault | None, Told]) -> None:
    """Of the planning dose: gamma fails, and fits the mirror image. Of the delivery: the case stops before any dose."""
    case = told[CaseFault.MIRRORED_DOSE]
    assert case.report["verdict"] == "fail"
    assert case.gammas[JUDGED]["passed_percent"] < 90.0
    assert all(one["level"] == "pass" for one in case.layers)
    (_, planned), (_, delivered) = case.planned, case.delivered
    assert np.abs(delivered - planned[:, :, ::-1]).max() < 0.005 * planned.max()
    stopped = told[CaseFault.MIRRORED]
    assert stopped.row.state is CaseState.FAILED
    assert "mirrored" in stopped.row.reason
    assert not stopped.folder.exists()


def test_a_partial_session(told: dict[CaseFault | None, Told]) -> None:
    case = told[CaseFault.PARTIAL]
    assert (case.report["verdict"], case.report["partial"]) == ("review", True)
    assert not case.report["comparison"]["compared"]
    assert "PARTIAL" in case.report["comparison"]["reason"]
    assert "PARTIAL" in reasons(case)
    planned = [beam.layer_mu(layer) for beam in planned_beams(case.written.recipe) for layer in beam.layers]
    assert len(case.layers) == len(planned) - 1
    value = case.figure("MU delivered of those planned (PARTIAL)")["value"]
    amounts = [float(part) for part in value.removesuffix(" MU").split(" of ")]
    assert amounts == pytest.approx([sum(planned[:-1]), sum(planned)], abs=0.001)


@pytest.mark.parametrize("fault", [None, CaseFault.SHIFTED_LAYER, CaseFault.MU_2_5, CaseFault.MIRRORED_DOSE])
def test_gamma_is_what_pymedphys_says_when_asked_by_hand(
    told: dict[CaseFault | None, Told], fault: CaseFault | None
) -> None:
    case = told[fault]
    for percent, mm in ((3.0, 2.0), (2.0, 2.0)):
        ours = case.gammas[f"{percent:g} %/{mm:g} mm"]
        assert ours["passed_percent"] == pytest.approx(by_hand(case, percent, mm), abs=0.01)
        assert ours["outside"] == 0


@pytest.mark.promise("P9")
def test_every_page_shows_its_maps_and_its_verdict_first(told: dict[CaseFault | None, Told]) -> None:
    for case in told.values():
        if case.row.state is not CaseState.DONE:
            continue
        page = (case.folder / "report" / "report.html").read_text()
        assert "Maps of the samples: none" not in page
        words = (
            f"{case.report['verdict'].upper()}",
            "isocentre plane, all layers",
            "layer by layer",
            "What was not verif",
        )
        places = [page.index(word) for word in words]
        assert places == sorted(places)
