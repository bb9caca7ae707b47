"""A CT's headers: what the engine would misread is refused, and the grid is the CT's own."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from actors.demo.factory import make_case
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.errors import CaseError
from actors.formats.ct import CtSlice, classify, volume_of
from actors.formats.profile import load_profile
from actors.formats.structures import unseen_by_engine

PROFILE = load_profile("moqui", Path(__file__).resolve().parents[3] / "conf" / "engines")


def contents(fault: CaseFault | None = None) -> dict[str, bytes]:
    recipe = CaseRecipe(beams=1, layers=1, spots=4, ct=True, fault=fault)
    return {step.path.name: step.content for step in make_case(recipe, Path("/share")).steps}


def slices(fault: CaseFault | None = None) -> list[CtSlice]:
    found = [classify(data, name).slice for name, data in contents(fault).items() if name.startswith("CT")]
    return [one for one in found if one is not None]


PLAIN = slices()


def test_the_grid_is_the_ct_s_relative_to_the_isocentre() -> None:
    isocentre = CaseRecipe().isocentre_mm
    grid = volume_of(PLAIN[::-1], PROFILE).grid(isocentre)
    assert grid.size == (100, 100, 100)
    assert grid.spacing_mm == pytest.approx((3.0, 3.0, 3.0))
    assert grid.origin_mm == pytest.approx((-148.5, -148.5, -148.5))


@pytest.mark.promise("P39")
@pytest.mark.parametrize(("fault", "kind"), [(CaseFault.CT_TILTED, "ct-orientation"), (CaseFault.CT_GAP, "ct-gap")])
def test_faults_of_real_files_are_refused(fault: CaseFault, kind: str) -> None:
    with pytest.raises(CaseError) as caught:
        volume_of(slices(fault), PROFILE)
    assert caught.value.fault.kind == kind


@pytest.mark.promise("P39")
@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"patient_position": "FFP"}, "ct-position"),
        ({"spacing_mm": (3.0, 2.5)}, "ct-pixels"),
        ({"columns": 21604}, "ct-pixels"),
        ({"rows": 0}, "ct-pixels"),
        ({"spacing_mm": (0.0, 0.0)}, "ct-pixels"),
        ({"spacing_mm": (1e6, 1e6)}, "ct-pixels"),
        ({"slope": 0.5}, "ct-slope"),
        ({"slope": 0.0}, "ct-slope"),
        ({"rows": 101}, "ct-rows"),
        ({"bits": 8}, "ct-bits"),
        ({"thickness_mm": 2.0}, "ct-thickness"),
        ({"origin_mm": ()}, "ct-geometry-missing"),
        ({"orientation": (0.0, 1.0, 0.0, 1.0, 0.0, 0.0)}, "ct-orientation"),
    ],
)
def test_geometry_that_the_engine_ignores_is_refused(change: dict[str, Any], kind: str) -> None:
    with pytest.raises(CaseError) as caught:
        volume_of([replace(one, **change) for one in PLAIN], PROFILE)
    assert caught.value.fault.kind == kind


def test_slices_of_two_series_are_refused() -> None:
    with pytest.raises(CaseError) as caught:
        volume_of([*PLAIN[:-1], replace(PLAIN[-1], columns=120)], PROFILE)
    assert caught.value.fault.kind == "ct-mixed"


def test_a_doubled_slice_is_refused() -> None:
    with pytest.raises(CaseError) as caught:
        volume_of([*PLAIN, PLAIN[3]], PROFILE)
    assert caught.value.fault.kind == "ct-gap"


def test_without_a_ct_it_says_so() -> None:
    with pytest.raises(CaseError, match="0 CT slices"):
        volume_of([], PROFILE)


def test_density_overrides_are_found_in_the_structure_set() -> None:
    assert classify(contents()["RS.structures.dcm"], "RS").unseen == ()
    found = classify(contents(CaseFault.DENSITY_OVERRIDE)["RS.structures.dcm"], "RS").unseen
    assert found == ("overrides the density of Metal",)


@pytest.mark.parametrize(
    ("kind", "says"), [("SUPPORT", "has the couch or support Metal"), ("BOLUS", "has the bolus Metal"), ("PTV", "")]
)
def test_a_couch_and_a_bolus_are_found_in_the_structure_set(kind: str, says: str) -> None:
    structures = dcmread(BytesIO(contents(CaseFault.DENSITY_OVERRIDE)["RS.structures.dcm"]))
    region = structures.RTROIObservationsSequence[1]
    region.RTROIInterpretedType = kind
    del region.ROIPhysicalPropertiesSequence
    assert unseen_by_engine(structures) == ((says,) if says else ())


def test_other_files_are_only_named() -> None:
    plan = next(data for name, data in contents().items() if name.startswith("RP"))
    assert classify(plan, "RP").modality == "RTPLAN"
    with pytest.raises(CaseError) as caught:
        classify(b"no DICOM at all", "/share/x.dcm")
    assert caught.value.fault.kind == "dicom-damaged"
