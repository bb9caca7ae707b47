"""Spots lie in the patient where PHYSICS has them: the whole way from the machine's words to the engine's CT grid."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from case_requests import CONF, REFERENCE, interpreted

from actors.demo.factory import write_case
from actors.demo.recipe import CaseRecipe
from actors.formats.axes import beam_axes, patient_offset
from actors.formats.profile import load_profile
from messages.engine import InputLine

MOQUI = load_profile("moqui", CONF / "engines")


def dose_in_ct(tmp_path: Path, recipe: CaseRecipe) -> tuple[np.ndarray, list[np.ndarray], tuple[float, float]]:
    """(dose (nz, ny, nx), offsets of x, y, z from the isocentre in mm, centroid of the delivered spots in mm)."""
    model = tmp_path / "model.txt"
    model.write_text("beam model")
    lines = tuple(
        InputLine(key="Machine", value=f"PBS:{model}") if line.key == "Machine" else line for line in MOQUI.input
    )
    profile = MOQUI.model_copy(
        update={"input": lines, "command": REFERENCE.command, "environment": REFERENCE.environment}
    )
    case = write_case(recipe, tmp_path / "root")
    (beam,) = interpreted(case, tmp_path / "input", profile).beams
    run = tmp_path / "run"
    (run / "out").mkdir(parents=True)
    Path(beam.directory).rename(run / "in")
    subprocess.run(
        beam.command, cwd=run, env={**os.environ, **dict(beam.environment)}, check=True, capture_output=True, timeout=90
    )
    (file,) = (run / "out").glob(beam.expected[0])
    dose = np.fromfile(file).reshape(beam.grid.size[::-1])
    offsets = [
        origin + step * np.arange(size)
        for origin, step, size in zip(beam.grid.origin_mm, beam.grid.spacing_mm, beam.grid.size, strict=True)
    ]
    return dose, offsets, case.beams[0].layers[0].centroid_mm


@pytest.mark.promise("P40")
@pytest.mark.parametrize(("gantry", "couch"), [(0, 0), (90, 0), (180, 0), (270, 0), (0, 90)])
def test_an_l_lies_where_it_was_delivered_at_every_angle(tmp_path: Path, gantry: float, couch: float) -> None:
    recipe = CaseRecipe(
        beams=1,
        layers=1,
        spots=30,
        pattern="L",
        ct=True,
        top_energy_mev=140.0,
        gantry_deg=(float(gantry),),
        couch_deg=(float(couch),),
    )
    dose, (x, y, z), spots = dose_in_ct(tmp_path, recipe)
    total = dose.sum()
    centroid = np.array(
        [
            (dose.sum(axis=(0, 1)) * x).sum() / total,
            (dose.sum(axis=(0, 2)) * y).sum() / total,
            (dose.sum(axis=(1, 2)) * z).sum() / total,
        ]
    )
    expected = np.array(patient_offset(spots, gantry, couch))
    towards = np.array(beam_axes(gantry, couch)[2])
    across = centroid - expected - towards * ((centroid - expected) @ towards)
    assert np.abs(across).max() < 0.2
    assert np.abs(expected).max() > 3
    # The beam enters from the source's side: nearly all of its dose lies before its range there.
    assert centroid @ towards > 0
