"""The case factory: writes a synthetic delivered case, every file of it, as the treatment machine would.

It shares no code with the readers of these files, so that the two check one another. Deterministic: equal recipes give
equal bytes. No patient's data is in it, or can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path, PurePosixPath
from random import Random
from typing import Literal

import numpy as np

from actors.demo.case_files import delivery_files
from actors.demo.ct import ct_files
from actors.demo.delivery import Delivery, deliveries_of
from actors.demo.machine import Machine, machine_named
from actors.demo.plan_faults import spoil_plan
from actors.demo.planned import Identity, PlannedBeam, identity_of, made_uid, planned_beams
from actors.demo.recipe import CaseFault, CaseRecipe, real_recipe
from actors.demo.rtplan import dicom_bytes, plan_dataset


@dataclass(frozen=True, slots=True)
class WrittenLayer:
    """One delivered layer, all its folders together."""

    number: int
    """1-based."""
    energy_mev: float
    spots: int
    """Planned scan positions."""
    planned_mu: float
    on_counts: int
    """Σ round(dose1·F) of the beam-on rows."""
    off_counts: int
    """The same of the beam-off rows."""
    delivered_mu: float
    """Of all counts, beam-on and beam-off."""
    on_rows: int
    centroid_mm: tuple[float, float]
    """Of the beam-on rows as written, weighted by dose1."""


@dataclass(frozen=True, slots=True)
class WrittenBeam:
    number: int
    """DICOM beam number."""
    name: str
    gantry_deg: float
    couch_deg: float
    planned_mu: float
    delivered_mu: float
    layers: tuple[WrittenLayer, ...]
    """As delivered; a layer that was not delivered is absent."""


@dataclass(frozen=True, slots=True)
class WrittenDelivery:
    path: Path
    beam_number: int
    irradiated: datetime
    start_layer: int
    stop_layer: int


@dataclass(frozen=True, slots=True)
class WrittenCase:
    """What lies on disk, and what was planned and delivered."""

    recipe: CaseRecipe
    path: Path
    """Case folder: the one that holds the RTPLAN."""
    plan_path: Path
    patient_id: str
    study_uid: str
    plan_uid: str
    deliveries: tuple[WrittenDelivery, ...]
    beams: tuple[WrittenBeam, ...]
    files: tuple[Path, ...]
    """Every file of the case, absolute."""

    @property
    def planned_mu(self) -> float:
        return sum(beam.planned_mu for beam in self.beams)

    @property
    def delivered_mu(self) -> float:
        return sum(beam.delivered_mu for beam in self.beams)


@dataclass(frozen=True, slots=True)
class WriteStep:
    """One file on its way to the share."""

    path: Path
    content: bytes

    def run(self) -> None:
        """Write the file, unless exactly it lies there already (a later fraction brings the same plan again)."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not (self.path.is_file() and self.path.read_bytes() == self.content):
            self.path.write_bytes(self.content)

    def pieces(self, size: int) -> Iterator[None]:
        """Write the file ``size`` bytes at a time, pausing at each ``yield``: a copy that is on its way."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("wb") as file:
            for start in range(0, len(self.content), size):
                file.write(self.content[start : start + size])
                file.flush()
                yield


@dataclass(frozen=True, slots=True)
class CasePlan:
    """A case made but not written yet: what it will be, and the steps that write it in the machine's order."""

    case: WrittenCase
    steps: tuple[WriteStep, ...]

    def ordered(self, order: Literal["machine", "shuffled", "plan-last"], seed: int = 0) -> tuple[WriteStep, ...]:
        """The steps in another order of arrival; a marker always comes last."""
        marker = self.case.recipe.marker
        last = [step for step in self.steps if marker and step.path.name == marker]
        steps = [step for step in self.steps if step not in last] if last else list(self.steps)
        if order == "shuffled":
            Random(seed).shuffle(steps)
        elif order == "plan-last":
            steps.sort(key=lambda step: step.path.parent == self.case.path)
        return (*steps, *last)


def write_case(recipe: CaseRecipe, directory: Path) -> WrittenCase:
    """Write the whole case below ``directory`` (a watch root): ``[room/]patient/study/…``."""
    made = make_case(recipe, directory)
    for step in made.steps:
        step.run()
    return made.case


def make_case(recipe: CaseRecipe, directory: Path) -> CasePlan:
    """The case in memory; nothing is written."""
    machine = machine_named(recipe.machine)
    identity = identity_of(recipe)
    beams = planned_beams(recipe)
    deliveries = deliveries_of(recipe, machine, beams, identity.machine_patient)
    _spoil_deliveries(recipe, deliveries)
    folder = directory / PurePosixPath(recipe.room) / identity.machine_patient / identity.study_uid
    steps = [WriteStep(folder / name, content) for name, content in _plan_files(recipe, identity, beams)]
    if recipe.with_ct:
        steps += [WriteStep(folder / name, content) for name, content in ct_files(recipe, identity)]
    if recipe.with_planning_dose:
        from actors.demo.planning_dose import planning_dose_file  # noqa: PLC0415 - scipy.ndimage is slow to import

        steps.append(WriteStep(folder / "RD.plan.dcm", planning_dose_file(recipe, identity, beams)))
    for number, delivery in zip(count(), deliveries):
        files = delivery_files(recipe, identity, delivery, first=number == 0)
        steps += [WriteStep(folder / delivery.folder / name, content) for name, content in files.items()]
    if recipe.marker:
        steps.append(WriteStep(folder / recipe.marker, b""))
    case = WrittenCase(
        recipe=recipe,
        path=folder,
        plan_path=folder / _plan_name(identity),
        patient_id=identity.patient_id,
        study_uid=identity.study_uid,
        plan_uid=identity.plan_uid,
        deliveries=tuple(_written_delivery(folder, delivery) for delivery in deliveries),
        beams=tuple(_written_beam(beam, machine, deliveries) for beam in beams),
        files=tuple(step.path for step in steps),
    )
    return CasePlan(case, tuple(steps))


def write_demo_case(
    directory: Path,
    *,
    beams: int = 2,
    layers: int = 6,
    spots: int = 40,
    seed: int = 1,
    ct: bool = False,
    planning_dose: bool = False,
    fault: str | None = None,
    size: str = "small",
) -> WrittenCase:
    """What ``demo case`` does. ``size``: "small" (by the numbers given) or "real" (they are ignored).

    Raises ValueError for an unknown fault or size, with the names there are.
    """
    named = next((known for known in CaseFault if known == fault), None)
    if fault is not None and named is None:
        raise ValueError(f"no fault {fault!r}; there are: {', '.join(CaseFault)}")
    if size == "real":
        return write_case(real_recipe(seed, ct=ct, planning_dose=planning_dose, fault=named), directory)
    if size != "small":
        raise ValueError(f"no size {size!r}; there are: small, real")
    recipe = CaseRecipe(
        beams=beams,
        layers=layers,
        spots=spots,
        seed=seed,
        patient=seed,
        ct=ct,
        planning_dose=planning_dose,
        fault=named,
    )
    return write_case(recipe, directory)


def _plan_name(identity: Identity) -> str:
    return f"RP.{identity.plan_uid}.dcm"


def _plan_files(recipe: CaseRecipe, identity: Identity, beams: Sequence[PlannedBeam]) -> Iterator[tuple[str, bytes]]:
    """The plan, and any other plan that lies beside it."""
    fault = recipe.fault
    if fault is CaseFault.MISSING_PLAN:
        return
    plan = plan_dataset(recipe, identity, beams)
    spoil_plan(plan, fault)
    content = dicom_bytes(plan)
    yield _plan_name(identity), content[: len(content) // 2] if fault is CaseFault.TRUNCATED_PLAN else content
    if fault is CaseFault.TWO_PLANS or recipe.replan:
        other = beams if fault is CaseFault.TWO_PLANS else _moved(beams)
        again = Identity(
            identity.patient_id,
            identity.machine_patient,
            identity.study_uid,
            made_uid("other plan", identity.plan_uid),
            identity.frame_uid,
        )
        yield _plan_name(again), dicom_bytes(plan_dataset(recipe, again, other))


def _moved(beams: Sequence[PlannedBeam]) -> tuple[PlannedBeam, ...]:
    """The beams of a replan: every position 3 mm further in x."""
    shift = np.array([3.0, 0.0], dtype=np.float32)
    return tuple(
        PlannedBeam(
            beam.index,
            beam.number,
            beam.name,
            beam.gantry_deg,
            beam.couch_deg,
            beam.meterset_mu,
            beam.final_weight,
            tuple(type(x)(x.number, x.energy_mev, x.xy_mm + shift, x.weights) for x in beam.layers),
        )
        for beam in beams
    )


def _spoil_deliveries(recipe: CaseRecipe, deliveries: list[Delivery]) -> None:
    """Faults of what was measured, before it becomes bytes."""
    if recipe.fault is CaseFault.MISSING_BEAM:
        last = max(delivery.beam.index for delivery in deliveries)
        deliveries[:] = [delivery for delivery in deliveries if delivery.beam.index != last]
    if recipe.fault in (CaseFault.SWAPPED_AXES, CaseFault.MIRRORED):
        machine = machine_named(recipe.machine)
        for log in (log for delivery in deliveries for log in delivery.layers):
            on = (log.rows[:, 7] & 1).astype(bool)
            xy = machine.position_mm(log.rows[on, 0:2])
            turned = xy[:, ::-1] if recipe.fault is CaseFault.SWAPPED_AXES else xy * (-1.0, 1.0)
            log.rows[on, 0:2] = machine.counts(turned)


def _written_delivery(folder: Path, delivery: Delivery) -> WrittenDelivery:
    return WrittenDelivery(
        path=folder / delivery.folder,
        beam_number=delivery.beam.number,
        irradiated=delivery.irradiated,
        start_layer=delivery.layers[0].layer.number,
        stop_layer=delivery.layers[-1].layer.number,
    )


def _written_beam(beam: PlannedBeam, machine: Machine, deliveries: Sequence[Delivery]) -> WrittenBeam:
    layers = []
    for planned in beam.layers:
        logs = [log for found in deliveries if found.beam is beam for log in found.layers if log.layer is planned]
        if not logs:
            continue
        rows = np.vstack([log.rows for log in logs])
        on = rows[(rows[:, 7] & 1).astype(bool)]
        counts = np.sum([log.counts() for log in logs], axis=0)
        centroid = np.average(machine.position_mm(on[:, 0:2]), axis=0, weights=on[:, 4].astype(np.float64))
        layers.append(
            WrittenLayer(
                number=planned.number,
                energy_mev=planned.energy_mev,
                spots=len(planned.weights),
                planned_mu=beam.layer_mu(planned),
                on_counts=int(counts[0]),
                off_counts=int(counts[1]),
                delivered_mu=float(counts.sum()) * machine.mu_per_count,
                on_rows=len(on),
                centroid_mm=(float(centroid[0]), float(centroid[1])),
            )
        )
    return WrittenBeam(
        number=beam.number,
        name=beam.name,
        gantry_deg=beam.gantry_deg,
        couch_deg=beam.couch_deg,
        planned_mu=beam.meterset_mu,
        delivered_mu=sum(layer.delivered_mu for layer in layers),
        layers=tuple(layers),
    )
