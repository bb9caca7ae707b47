"""A second, small reader of case files, for the factory's tests alone: neither the factory's code nor the readers'."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from actors.demo.factory import CasePlan

GAIN_MM = {"G1": (0.010959, 0.0116412), "G2": (0.0072600, 0.0071411)}
OFFSET = {"G1": (16384, 16384), "G2": (24580, 32772)}
PRESET_GAIN_MM = {"G1": (0.0054705, 0.0058206), "G2": (0.0054450, 0.0071411)}
PRESET_OFFSET = {"G1": 32767, "G2": 32768}
FACTOR = {2: 1.0, 3: 140 / 47, 4: 420 / 47, 5: 1260 / 47}


@dataclass(frozen=True, slots=True)
class Row:
    x_mm: float
    y_mm: float
    x_size: int
    y_size: int
    dose1: int
    dose2: int
    layer: int
    flags: int

    @property
    def on(self) -> bool:
        return bool(self.flags & 1)


def contents(made: CasePlan) -> dict[str, bytes]:
    """Bytes by path below the case folder."""
    return {str(step.path.relative_to(made.case.path)): step.content for step in made.steps}


def the_plan(files: Mapping[str, bytes]) -> Dataset:
    (content,) = [content for name, content in files.items() if name.startswith("RP") and "/" not in name]
    return dcmread(io.BytesIO(content))


def folders(files: Mapping[str, bytes]) -> list[str]:
    """Delivery folders, in the order of their names."""
    return sorted({str(Path(name).parent) for name in files} - {"."})


def info(files: Mapping[str, bytes], folder: str) -> dict[str, str]:
    return dict(line.split(",", 1) for line in files[f"{folder}/PlanInfo.txt"].decode().splitlines())


def ranges(files: Mapping[str, bytes], folder: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(files[f"{folder}/PlanRange.txt"].decode())))


def ptn(content: bytes, gantry: str) -> list[Row]:
    (gx, gy), (ox, oy) = GAIN_MM[gantry], OFFSET[gantry]
    assert len(content) % 16 == 0
    return [Row((x - ox) * gx, (y - oy) * gy, *rest) for x, y, *rest in struct.iter_unpack(">8H", content)]


def mgn(content: bytes, gantry: str) -> list[tuple[int, float, float, int]]:
    (gx, gy), offset = PRESET_GAIN_MM[gantry], PRESET_OFFSET[gantry]
    assert len(content) % 14 == 0
    return [
        (time, (x - offset) * gx, (y - offset) * gy, on)
        for time, _a, _b, x, y, on in struct.iter_unpack(">I5H", content)
    ]


def treatment_beams(plan: Dataset) -> list[Dataset]:
    return [beam for beam in plan.IonBeamSequence if beam.TreatmentDeliveryType == "TREATMENT"]


def spots(point: Dataset) -> tuple[list[tuple[float, float]], list[float]]:
    """Positions and weights of a control point, from the standard or the private tags."""
    if "ScanSpotPositionMap" in point:
        flat, weights = list(point.ScanSpotPositionMap), list(point.ScanSpotMetersetWeights)
    else:
        block = point.private_block(0x300B, "IMPAC")
        places, amounts = block[0x94].value, block[0x96].value
        flat = list(struct.unpack(f"<{len(places) // 4}f", places))
        weights = list(struct.unpack(f"<{len(amounts) // 4}f", amounts))
    return list(zip(flat[::2], flat[1::2], strict=True)), weights
