"""Spot positions and weights of a control point: the standard attributes, or the private ones of one vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from actors.formats.plan_context import BeamContext

POSITION_MAP = Tag("ScanSpotPositionMap")
METERSET_WEIGHTS = Tag("ScanSpotMetersetWeights")
PRIVATE_GROUP = 0x300B
PRIVATE_CREATOR = "IMPAC"
PRIVATE_MAP = 0x94
PRIVATE_WEIGHTS = 0x96
MAX_SPOTS = 200_000


@dataclass(frozen=True, slots=True)
class SpotTags:
    """Where a control point keeps its spots."""

    positions: BaseTag
    weights: BaseTag
    private: bool


def spot_tags(point: Dataset) -> SpotTags | None:
    """The tags that hold this control point's spots (standard first), or None when it has none."""
    if POSITION_MAP in point:
        return SpotTags(POSITION_MAP, METERSET_WEIGHTS, private=False)
    base = private_base(point)
    if base is None or Tag(PRIVATE_GROUP, base | PRIVATE_MAP) not in point:
        return None
    return SpotTags(Tag(PRIVATE_GROUP, base | PRIVATE_MAP), Tag(PRIVATE_GROUP, base | PRIVATE_WEIGHTS), private=True)


def private_base(point: Dataset) -> int | None:
    """Element base (block << 8) that the creator IMPAC reserved in group 300B, or None (PS3.5 7.8.1)."""
    for block in range(0x10, 0x100):
        tag = Tag(PRIVATE_GROUP, block)
        if tag in point and str(point[tag].value).strip() == PRIVATE_CREATOR:
            return block << 8
    return None


def read_spots(point: Dataset, context: BeamContext) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """(n, 2) positions in mm and (n,) weights as the float32 they are, widened; None when the point has no map."""
    tags = spot_tags(point)
    if tags is None:
        return None
    if tags.weights not in point:
        raise context.error("has spot positions without weights", "spots-invalid")
    flat = _floats(point, tags.positions, context)
    weights = _floats(point, tags.weights, context)
    if flat.size != 2 * weights.size or weights.size > MAX_SPOTS:
        raise context.error(f"has {flat.size / 2:g} spot positions but {weights.size} weights", "spots-invalid")
    if not (np.isfinite(flat).all() and np.isfinite(weights).all()):
        raise context.error("has a spot that is not a number", "spots-invalid")
    if (weights < 0).any():
        raise context.error("has a negative spot weight", "spots-invalid")
    return flat.reshape(-1, 2).astype(np.float64), weights.astype(np.float64)


def _floats(point: Dataset, tag: BaseTag, context: BeamContext) -> NDArray[np.float32]:
    """The element as float32 without a detour over Python numbers where its bytes are still there."""
    element = point.get_item(tag)
    order = "<f4"
    if isinstance(element, RawDataElement):
        value = element.value or b""
        order = "<f4" if element.is_little_endian or tag.is_private else ">f4"
    else:
        value = point[tag].value
    if isinstance(value, bytes):
        if len(value) % 4:
            raise context.error(f"has {len(value)} bytes of spot data, which are no float32", "spots-invalid")
        return np.frombuffer(value, dtype=order).astype(np.float32)
    return np.atleast_1d(np.asarray([] if value is None else value, dtype=np.float32))


def frozen(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """The array, from now on read-only."""
    array.flags.writeable = False
    return array
