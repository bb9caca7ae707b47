"""Pictures of a dose: the planes that a physicist expects, the right way up, whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from actors.errors import MqiError
from actors.results.picture import GAP, HEIGHT, WIDEST, draw_dose, picture_of, png
from messages.pictures import DrawDose


def dose(
    shape: tuple[int, int, int] = (10, 20, 30), peak: tuple[int, int, int] = (8, 3, 25), step: float = 2.0
) -> Dataset:
    stored = np.zeros(shape, dtype="<u4")
    z, y, x = peak
    stored[z, y, x] = 1000
    stored[z, y, max(x - 10, 0) : x] = 500
    dataset = Dataset()
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = shape
    dataset.BitsAllocated = 32
    dataset.PixelSpacing = [2.0, 2.0]
    dataset.GridFrameOffsetVector = [step * n for n in range(shape[0])]
    dataset.PixelData = stored.tobytes()
    return dataset


def brightest(picture: np.ndarray) -> tuple[float, float]:  # type: ignore[type-arg]
    """Where it is brightest, as parts of height and width."""
    light = picture.astype(int).sum(axis=2)
    rows, columns = np.where(light >= light.max() * 0.98)
    return float(rows.mean()) / picture.shape[0], float(columns.mean()) / picture.shape[1]


def test_three_planes_through_the_maximum_the_right_way_up() -> None:
    picture = picture_of(dose())
    widths = [
        min(round(HEIGHT * 30 / 10), WIDEST),
        min(round(HEIGHT * 20 / 10), WIDEST),
        min(round(HEIGHT * 30 / 20), WIDEST),
    ]
    assert picture.shape == (HEIGHT, sum(widths) + 2 * GAP, 3)
    first = picture[:, : widths[0]]
    down, across = brightest(first)
    assert (down, across) == pytest.approx((1 - 8.5 / 10, 25.5 / 30), abs=0.06)  # z upwards, x to the right
    last = picture[:, -widths[2] :]
    down, across = brightest(last)
    assert (down, across) == pytest.approx((1 - 3.5 / 20, 25.5 / 30), abs=0.06)  # y upwards


def test_frames_from_the_top_down_are_turned() -> None:
    upwards, downwards = picture_of(dose()), picture_of(dose(step=-2.0))
    assert brightest(upwards[:, :400])[0] == pytest.approx(1 - brightest(downwards[:, :400])[0], abs=0.03)


def test_nothing_and_one_frame_are_drawn_too() -> None:
    empty = dose()
    empty.PixelData = bytes(10 * 20 * 30 * 4)
    assert picture_of(empty).max() < 60
    flat = dose((1, 20, 30), (0, 3, 25))
    assert picture_of(flat).shape[0] == HEIGHT


def test_any_reader_takes_the_file() -> None:
    picture = picture_of(dose())
    with Image.open(io.BytesIO(png(picture))) as image:
        assert np.array_equal(np.asarray(image), picture)


def test_what_cannot_be_read_is_our_error_and_leaves_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "x.dcm", tmp_path / "kept" / "x.png"
    for content in (None, b"", b"no dicom at all", b"\0" * 128 + b"DICM"):
        if content is not None:
            source.write_bytes(content)
        with pytest.raises(MqiError) as caught:
            draw_dose(DrawDose(str(source), str(target)))
        assert caught.value.fault.kind == "dose-picture"
    assert not target.exists()
