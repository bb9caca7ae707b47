"""What all pictures of the report share: size, resolution, and marks that black and white print tells apart."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from actors.reporter.dose_grid import Array

Values = np.ndarray

WIDTH_IN = 7.2
_LEVELS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_DOTS_PER_INCH = 130
LINES: tuple[str, ...] = ("-", "--", "-.", ":")
MARKERS: tuple[str, ...] = ("o", "s", "^", "x")
GREYS: tuple[str, ...] = ("black", "0.35", "0.5", "0.65")


def new_figure(height_in: float, width_in: float = WIDTH_IN) -> Figure:
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png(figure: Figure) -> bytes:
    """The same figure gives the same bytes."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def plain(panel: Axes, *, x: str, y: str, title: str = "") -> None:
    """Labels and a grid in the small type of the report."""
    panel.set_xlabel(x, fontsize=8)
    panel.set_ylabel(y, fontsize=8)
    panel.set_title(title, fontsize=8)
    panel.tick_params(labelsize=7)
    panel.grid(color="0.85", linewidth=0.5)


def as_it_is(text: str) -> str:
    """A name from elsewhere in a label: a dollar begins no formula in it, and an underscore does not hide it."""
    return (" " if text.startswith("_") else "") + text.replace("$", r"\$")


def telling_levels(percent: Values, sign: float) -> list[float]:
    """Ascending contour levels of one sign for a map in percent: at most three of those that it reaches."""
    reached = [level for level in _LEVELS if float((sign * percent).max()) > level]
    return sorted(sign * level for level in reached[-3:])


def label_lines(panel: Axes, lines: ContourSet) -> None:
    """What each line is, readable on any grey."""
    for label in panel.clabel(lines, fmt="%+g %%", fontsize=6) or ():
        label.set_path_effects([withStroke(linewidth=2.0, foreground="white")])


def extent(across: Array, up: Array) -> tuple[float, float, float, float]:
    """Edges of the outermost voxels, as imshow wants them for rows that begin at the bottom."""
    return (*_ends(across), *_ends(up))


def _ends(centres: Array) -> tuple[float, float]:
    half = 0.5 * float(centres[1] - centres[0]) if len(centres) > 1 else 0.5
    return float(centres[0]) - half, float(centres[-1]) + half
