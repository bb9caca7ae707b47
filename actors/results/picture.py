"""A picture of a published dose for the page: three planes through its maximum, with lines of equal dose."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from actors.errors import MqiError
from messages.faults import Blame, Fault
from messages.pictures import DrawDose, DrawnDose

HEIGHT = 288
"""Pixels of every plane; its width follows from the grid."""
WIDEST = 480
GAP = 12
LINES = (0.2, 0.5, 0.9)
"""Lines of equal dose, as parts of the maximum."""
_COLOURS = np.array(
    [
        (13, 17, 33),
        (33, 41, 102),
        (66, 66, 158),
        (128, 66, 148),
        (196, 77, 107),
        (240, 121, 70),
        (252, 190, 96),
        (255, 246, 214),
    ],
    dtype=np.float64,
)
"""From no dose to the maximum: lightness grows all the way, so that it also reads in shades of grey."""
_GROUND = (13, 17, 33)


def draw_dose(request: DrawDose) -> DrawnDose:
    """Write the picture, whole or not at all. Raises MqiError when the dose cannot be read."""
    try:
        dataset = dcmread(request.source)
        picture = picture_of(dataset)
    except (OSError, InvalidDicomError, AttributeError, ValueError, IndexError) as error:
        raise MqiError(
            Fault(
                f"The dose cannot be drawn: {error}.",
                request.source,
                "See whether it is there.",
                Blame.OURS,
                "dose-picture",
            )
        ) from error
    target = Path(request.target)
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    aside.write_bytes(png(picture))
    aside.rename(target)
    return DrawnDose(str(target))


def picture_of(dataset: Dataset) -> NDArray[np.uint8]:
    """(rows, columns, 3): the planes xz, yz and xy beside each other; z and y upwards."""
    frames = dataset.get("NumberOfFrames") or 1
    shape = (int(frames), int(dataset.Rows), int(dataset.Columns))
    stored = np.frombuffer(dataset.PixelData, dtype=f"<u{int(dataset.BitsAllocated) // 8}").reshape(shape)
    z, y, x = (int(place) for place in np.unravel_index(int(stored.argmax()), shape))
    dy, dx = (float(value) for value in dataset.PixelSpacing)
    offsets = np.atleast_1d(np.asarray(dataset.get("GridFrameOffsetVector") or (0.0,), dtype=np.float64))
    dz = abs(float(offsets[1] - offsets[0])) if len(offsets) > 1 else dx
    upwards = 1 if len(offsets) < 2 or offsets[1] > offsets[0] else -1
    planes = (
        (stored[::-upwards, y, :], dz, dx),
        (stored[::-upwards, :, x], dz, dy),
        (stored[z, ::-1], dy, dx),
    )
    top = float(stored[z, y, x]) or 1.0
    drawn = [_coloured(_scaled(plane, high, wide) / top) for plane, high, wide in planes]
    gap = np.full((HEIGHT, GAP, 3), _GROUND, dtype=np.uint8)
    return np.concatenate([drawn[0], gap, drawn[1], gap, drawn[2]], axis=1)


def _scaled(plane: NDArray[np.unsignedinteger], high_mm: float, wide_mm: float) -> NDArray[np.float64]:
    """The plane at HEIGHT rows, interpolated; as wide as it is, but no wider than WIDEST."""
    rows, columns = plane.shape
    width = round(HEIGHT * columns * wide_mm / (rows * high_mm))
    width = min(max(width, 8), WIDEST)
    at_row = np.clip((np.arange(HEIGHT) + 0.5) * rows / HEIGHT - 0.5, 0, rows - 1)
    at_column = np.clip((np.arange(width) + 0.5) * columns / width - 0.5, 0, columns - 1)
    values = plane.astype(np.float64)
    r0, c0 = at_row.astype(int), at_column.astype(int)
    r1, c1 = np.minimum(r0 + 1, rows - 1), np.minimum(c0 + 1, columns - 1)
    fr, fc = (at_row - r0)[:, None], (at_column - c0)[None, :]
    upper = values[r0][:, c0] * (1 - fc) + values[r0][:, c1] * fc
    lower = values[r1][:, c0] * (1 - fc) + values[r1][:, c1] * fc
    scaled: NDArray[np.float64] = upper * (1 - fr) + lower * fr
    return scaled


def _coloured(share: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Colours of shares of the maximum, with the LINES drawn in white."""
    place = np.clip(share, 0, 1) * (len(_COLOURS) - 1)
    low = np.minimum(place.astype(int), len(_COLOURS) - 2)
    part = (place - low)[..., None]
    colours = _COLOURS[low] * (1 - part) + _COLOURS[low + 1] * part
    for line in LINES:
        inside = share >= line
        edge = np.zeros_like(inside)
        edge[:, 1:] |= inside[:, 1:] != inside[:, :-1]
        edge[1:] |= inside[1:] != inside[:-1]
        colours[edge] = 0.35 * colours[edge] + 0.65 * 255.0
    drawn: NDArray[np.uint8] = colours.round().astype(np.uint8)
    return drawn


def png(picture: NDArray[np.uint8]) -> bytes:
    """An RGB picture as PNG (ISO/IEC 15948)."""
    rows, columns, _ = picture.shape
    lines = np.zeros((rows, 1 + columns * 3), dtype=np.uint8)
    lines[:, 1:] = picture.reshape(rows, columns * 3)
    header = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
