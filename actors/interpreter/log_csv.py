"""The log CSV of the clinical engine (dialect moqui-smc): one file per layer of time, x, y and counts.

The engine's reader splits the whole file at commas: no header, and a comma after every value, the last one too. Without
it, it reads wrong numbers and still ends well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from actors.formats.delivered import DeliveredLayer, shortened
from actors.interpreter.decimals import comma_lines

# The engine reads a count as a C int.
_LARGEST = 2**31 - 1
_TIME_DECIMALS = 4
_PLACE_DECIMALS = 4


def layer_name(layer: int, energy_mev: float, layers: int) -> str:
    """``NN_EEE.EEMeV.csv``; the engine takes the energy from the name."""
    width = max(2, len(str(layers)))
    return f"{layer:0{width}d}_{energy_mev:06.2f}MeV.csv"


def csv_files(layers: Sequence[DeliveredLayer], divisor: int) -> Iterator[tuple[str, bytes, int]]:
    """(name, content, counts written) of each layer, its counts divided by ``divisor`` with cumulative rounding.

    Rows that are left without a count are left out, and so is a layer without any.
    """
    highest = max((layer.layer for layer in layers), default=0)
    for layer in layers:
        count = shortened(layer.count, divisor)
        data = csv_text(layer, count)
        if data:
            yield layer_name(layer.layer, layer.energy_mev, highest), data, int(count.sum())


def csv_text(layer: DeliveredLayer, count: NDArray[np.int64]) -> bytes:
    """Rows ``time ms,x mm,y mm,count,`` of the samples that have a count."""
    some = count > 0
    if count.max(initial=0) > _LARGEST:
        raise ValueError("a count is larger than the engine's int")
    return comma_lines(
        (
            (_scaled(layer.t_ms[some], _TIME_DECIMALS), _TIME_DECIMALS),
            (_scaled(layer.x_mm[some], _PLACE_DECIMALS), _PLACE_DECIMALS),
            (_scaled(layer.y_mm[some], _PLACE_DECIMALS), _PLACE_DECIMALS),
            (count[some], 0),
        )
    )


def _scaled(values: NDArray[np.float64], decimals: int) -> NDArray[np.int64]:
    scaled: NDArray[np.int64] = np.rint(values * 10**decimals).astype(np.int64)
    return scaled
