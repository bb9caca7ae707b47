"""Plans in memory for tests: the case factory's, changed as a test wants them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from actors.demo.factory import make_case
from actors.demo.recipe import CaseRecipe
from actors.formats.plan import Plan
from actors.formats.plan_reader import parse_plan


def plan_bytes(recipe: CaseRecipe | None = None, change: Callable[[Dataset], None] | None = None) -> bytes:
    """The plan file of a synthetic case, after ``change`` had its way with the data set."""
    made = make_case(recipe or CaseRecipe(layers=3, spots=12), Path("/share"))
    content = next(step.content for step in made.steps if step.path == made.case.plan_path)
    if change is None:
        return content
    dataset = dcmread(BytesIO(content))
    change(dataset)
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def plan_of(recipe: CaseRecipe | None = None, change: Callable[[Dataset], None] | None = None) -> Plan:
    return parse_plan(plan_bytes(recipe, change), "/share/RP.dcm")


def first_beam(dataset: Dataset) -> Dataset:
    """The first treatment beam."""
    beam: Dataset = dataset.IonBeamSequence[1]
    return beam
