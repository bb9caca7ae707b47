"""The plan of a synthetic case: beams, layers and scan positions, drawn from the recipe's seed."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from actors.demo.recipe import CaseFault, CaseRecipe

_NUMBER_STEPS = (3, 5, 8, 9, 11, 14)
"""Beam numbers of a plan neither begin at 1 nor follow one another."""
SETUP_NUMBER = 2
_NAMES = ("1:LAO", "2:RPO", "3:PA boost", "4:AP", "5:LPO")
_LOWEST_MEV = 75.0
_PLATEAU_EXPONENT = 1.0 / 3.0
_HIGH_MEV = 247.0


@dataclass(frozen=True, slots=True)
class PlannedLayer:
    """One energy layer."""

    number: int
    """1-based."""
    energy_mev: float
    xy_mm: NDArray[np.float32]
    """(n, 2), gantry x and y in the isocentre plane."""
    weights: NDArray[np.float32]
    """(n,), in the plan's unit. Line scanning: weight i is delivered on the way from i−1 to i; the first is 0."""


@dataclass(frozen=True, slots=True)
class PlannedBeam:
    """One treatment beam."""

    index: int
    number: int
    name: str
    gantry_deg: float
    couch_deg: float
    meterset_mu: float
    final_weight: float
    layers: tuple[PlannedLayer, ...]

    def layer_mu(self, layer: PlannedLayer) -> float:
        """Meterset of a layer, from the weights as the plan holds them (float32)."""
        return float(layer.weights.sum(dtype=np.float64)) * self.meterset_mu / self.final_weight


@dataclass(frozen=True, slots=True)
class Identity:
    """Names and UIDs of one synthetic plan: the same for every fraction of it."""

    patient_id: str
    machine_patient: str
    """TCSC_PATIENT_ID: the number the machine knows the patient by."""
    study_uid: str
    plan_uid: str
    frame_uid: str


def made_uid(*parts: object) -> str:
    """A UID that follows from ``parts`` (PS3.5 B.2: 2.25 and the decimal form of a UUID)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(map(str, parts))).int}"


def structures_uid(identity: Identity) -> str:
    """SOPInstanceUID of the structure set that the plan was made on."""
    return made_uid("structures", identity.study_uid)


def identity_of(recipe: CaseRecipe) -> Identity:
    """Who and what the case is about; depends on seed, patient and plan number, never on the day."""
    key = (recipe.seed, recipe.patient, recipe.plan)
    return Identity(
        patient_id=f"DEMO{recipe.patient:05d}",
        machine_patient=f"{55000000 + recipe.patient}",
        study_uid=made_uid("study", *key),
        plan_uid=made_uid("plan", *key),
        frame_uid=made_uid("frame", *key),
    )


def planned_beams(recipe: CaseRecipe) -> tuple[PlannedBeam, ...]:
    """The treatment beams of the recipe, without the setup beam."""
    random = np.random.default_rng((recipe.seed, recipe.patient, recipe.plan))
    return tuple(_planned_beam(recipe, index, random) for index in range(recipe.beams))


def _planned_beam(recipe: CaseRecipe, index: int, random: np.random.Generator) -> PlannedBeam:
    cycle, step = divmod(index, len(_NUMBER_STEPS))
    names = recipe.beam_names or _NAMES
    count = recipe.layer_counts[index]
    energies = _energies(recipe, index, count)
    shares = _layer_shares(count)
    drawn = [_scan(recipe, recipe.layer_mu * count * share * random.uniform(0.98, 1.02), random) for share in shares]
    meterset = round(sum(float(mu.sum()) for _, mu in drawn), 6)
    final = {"meterset": meterset, "one": 1.0, "hundred": 100.0}[recipe.final_weight]
    layers = tuple(
        PlannedLayer(number, energy, xy.astype(np.float32), (mu * final / meterset).astype(np.float32))
        for number, (energy, (xy, mu)) in enumerate(zip(energies, drawn, strict=True), start=1)
    )
    return PlannedBeam(
        index=index,
        number=_NUMBER_STEPS[step] + 14 * cycle,
        name=names[index % len(names)] + (f" {index // len(names) + 1}" if index >= len(names) else ""),
        gantry_deg=recipe.gantry_deg[index % len(recipe.gantry_deg)],
        couch_deg=recipe.couch_deg[index % len(recipe.couch_deg)],
        meterset_mu=meterset,
        final_weight=final,
        layers=layers,
    )


def _energies(recipe: CaseRecipe, index: int, count: int) -> list[float]:
    top = recipe.top_energy_mev - 1.3 * (index % 5)
    step = min(recipe.energy_step_mev, (top - _LOWEST_MEV) / max(count - 1, 1))
    energies = [round(top - step * number, 2) for number in range(count)]
    if recipe.fault is CaseFault.HIGH_ENERGY and index == 0:
        energies[0] = _HIGH_MEV
    return energies


def _layer_shares(count: int) -> list[float]:
    """Share of the MU that each layer takes, from the deepest on, for a plateau of dose (Bortfeld and Schlegel,
    Phys. Med. Biol. 41 (1996) 1331, with Jette and Chen's lower exponent)."""
    if count == 1:
        return [1.0]
    reach = [((index + 0.5) / (count - 1)) ** _PLATEAU_EXPONENT for index in range(count - 1)]
    steps = [reach[0], *(after - before for before, after in pairwise(reach)), 1.0 - reach[-1]]
    return [max(step, 0.2 / count) / sum(max(step, 0.2 / count) for step in steps) for step in steps]


def _scan(
    recipe: CaseRecipe, layer_mu: float, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Positions (n, 2) in mm and MU (n,) of one layer."""
    xy, new_line = _PATTERNS[recipe.pattern](recipe.spots, recipe.field_mm)
    mu = random.uniform(0.7, 1.3, len(xy))
    if recipe.scan_mode == "line":
        mu[new_line] = 0.0
    return xy + np.asarray(recipe.centre_mm), mu * (layer_mu / mu.sum())


def _raster(spots: int, field_mm: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Back and forth in lines that grow shorter: no mirror image or turn of it falls on itself."""
    longest = 2
    while longest * (longest + 1) // 2 + longest < spots:
        longest += 1
    pitch = field_mm / longest
    points: list[tuple[float, float]] = []
    begins: list[bool] = []
    line = 0
    while len(points) < spots:
        length = min(max(longest + 1 - line, 2), spots - len(points))
        columns = range(length) if line % 2 == 0 else range(length - 1, -1, -1)
        points += [(column * pitch - field_mm / 2, line * pitch * 0.9 - field_mm * 0.4) for column in columns]
        begins += [True] + [False] * (length - 1)
        line += 1
    return np.array(points), np.array(begins)


def _l_shape(spots: int, field_mm: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """A long stroke down, a short foot to the right: tells every swap and mirror apart."""
    foot = max(spots // 3, 1)
    stroke = spots - foot
    half = field_mm / 2
    down = np.column_stack([np.full(stroke, -half * 0.7), np.linspace(half, -half, stroke)])
    right = np.column_stack([np.linspace(-half * 0.7, half * 0.3, foot + 1)[1:], np.full(foot, -half)])
    begins = np.zeros(spots, dtype=bool)
    begins[0] = True
    return np.vstack([down, right]), begins


def _point(spots: int, field_mm: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """All in one place (a line of a tenth of a millimetre, so that line scanning has a way to go)."""
    del field_mm
    begins = np.zeros(spots, dtype=bool)
    begins[0] = True
    return np.column_stack([np.linspace(-0.05, 0.05, spots), np.zeros(spots)]), begins


_PATTERNS = {"raster": _raster, "L": _l_shape, "point": _point}
