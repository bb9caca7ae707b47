"""Three planes through a dose: on the CT, its difference to the planning dose, its gamma."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patheffects import withStroke

from actors.reporter.comparison import GammaRules, gamma_map
from actors.reporter.dose_grid import Array, DoseGrid, Values
from actors.reporter.drawing import LINES, extent, label_lines, new_figure, plain, png, telling_levels
from actors.reporter.sources import Ct

_ISODOSES = (10.0, 50.0, 80.0, 95.0)
_PANELS_IN = 5.3
"""Width of the three panels together, without what stands around them."""
_AROUND_IN = 0.95
_TALLEST_IN = 3.0
_SHORTEST_IN = 1.3
_MARGIN_MM = 15.0
_WINDOW_HU = (-200.0, 250.0)
_MAX_PLANE_POINTS = 6_000


@dataclass(frozen=True, slots=True)
class Plane:
    """One cut: across which axis (index into z, y, x), where, and which axes are shown."""

    name: str
    axis: int
    at_mm: float
    across: int
    up: int
    flip: bool
    """The vertical axis grows downwards: y towards the patient's back."""


@dataclass(frozen=True, slots=True)
class View:
    """The three planes and the part of each that is shown."""

    planes: tuple[Plane, Plane, Plane]
    limits: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    """(z, y, x) in mm."""


def view_of(dose: DoseGrid, *, phantom: bool, shown: float = 0.05) -> View:
    """Planes through the centre of the high dose; what is shown holds all dose above ``shown`` of the maximum."""
    high = dose.dose >= 0.8 * dose.maximum
    centre = [float(np.average(axis, weights=_sums(high, n))) for n, axis in enumerate(dose.axes)]
    some = dose.dose >= shown * dose.maximum
    limits = []
    for n, axis in enumerate(dose.axes):
        found = axis[_sums(some, n) > 0]
        limits.append((float(found[0]) - _MARGIN_MM, float(found[-1]) + _MARGIN_MM))
    names = ("across", "along x", "along y") if phantom else ("axial", "coronal", "sagittal")
    planes = (
        Plane(names[0], 0, centre[0], 2, 1, flip=not phantom),
        Plane(names[1], 1, centre[1], 2, 0, flip=False),
        Plane(names[2], 2, centre[2], 1, 0, flip=False),
    )
    return View(planes, (limits[0], limits[1], limits[2]))


def draw_dose(dose: DoseGrid, ct: Ct | None, view: View, normalisation: float, units: str) -> bytes:
    """Isodose lines on the CT where there is one, else on the dose in grey."""
    figure, panels = _panels(view)
    for panel, plane in zip(panels, view.planes, strict=True):
        if ct is not None:
            _image(panel, _cut(ct.hounsfield, (ct.z_mm, ct.y_mm, ct.x_mm), plane), plane, ct_axes(ct), _WINDOW_HU)
        values = 100.0 * _cut(dose.dose, dose.axes, plane) / normalisation
        if ct is None:
            _image(panel, values, plane, dose.axes, (0.0, 160.0), reverse=True)
        across, up = dose.axes[plane.across], dose.axes[plane.up]
        if values.shape[0] > 1 and values.shape[1] > 1 and values.max() > _ISODOSES[0]:
            levels = [level for level in _ISODOSES if level < values.max()]
            lines = panel.contour(
                across, up, values, levels, colors="black", linestyles=LINES[::-1][: len(levels)], linewidths=1.1
            )
            lines.set_path_effects([withStroke(linewidth=2.6, foreground="white")])  # seen on any grey
            for label in panel.clabel(lines, fmt="%g %%", fontsize=6) or ():
                label.set_path_effects([withStroke(linewidth=2.0, foreground="white")])
        _frame(panel, plane, view)
    figure.suptitle(f"100 % = {normalisation:.3g} {units}", fontsize=8)
    return png(figure)


def draw_difference(reference: DoseGrid, evaluated: DoseGrid, view: View, normalisation: float) -> bytes:
    """Evaluated − reference in percent of the normalisation: solid lines too much, dashed lines too little."""
    figure, panels = _panels(view)
    for panel, plane in zip(panels, view.planes, strict=True):
        axes = _plane_axes(reference, plane)
        difference = evaluated.on(axes) - _slab(reference, plane)
        values = 100.0 * np.squeeze(difference, axis=plane.axis) / normalisation
        shown = _oriented(values, plane)
        _image(panel, np.abs(shown), plane, reference.axes, (0.0, 10.0), reverse=True)
        _outline(panel, _cut(reference.dose, reference.axes, plane), plane, reference.axes, normalisation)
        for sign, style in ((1.0, "solid"), (-1.0, "dashed")):
            levels = telling_levels(shown, sign)
            if levels:
                across, up = reference.axes[plane.across], reference.axes[plane.up]
                lines = panel.contour(across, up, shown, levels, colors="black", linestyles=style, linewidths=0.9)
                label_lines(panel, lines)
        _frame(panel, plane, view)
    return png(figure)


def draw_gamma(reference: DoseGrid, evaluated: DoseGrid, view: View, rules: GammaRules, normalisation: float) -> bytes:
    """Gamma in grey from 0 (white) to 2 (black); the line is gamma 1. Planes of many points are shown on a lattice."""
    figure, panels = _panels(view)
    image = None
    for panel, plane in zip(panels, view.planes, strict=True):
        part = _lattice(reference, plane, view)
        axes = part.axes
        gamma = gamma_map(part, evaluated, rules, normalisation)
        shown = _oriented(np.squeeze(gamma, axis=plane.axis), plane)
        image = _image(panel, shown, plane, axes, (0.0, 2.0), reverse=True)
        _outline(panel, _cut(reference.dose, reference.axes, plane), plane, reference.axes, normalisation)
        filled = np.nan_to_num(shown)
        if filled.max() > 1.0 and min(filled.shape) > 1:
            panel.contour(axes[plane.across], axes[plane.up], filled, [1.0], colors="black", linewidths=0.9)
        _frame(panel, plane, view)
    if image is not None:
        bar = figure.colorbar(image, ax=panels[-1], shrink=0.8)
        bar.ax.tick_params(labelsize=7)
    return png(figure)


def _panels(view: View) -> tuple[Figure, list[Axes]]:
    """Three panels side by side, all on one scale unless that made the picture too tall."""
    spans = [high - low for low, high in view.limits]
    across = [spans[plane.across] for plane in view.planes]
    tallest = max(spans[plane.up] for plane in view.planes) * _PANELS_IN / sum(across)
    figure = new_figure(min(max(tallest, _SHORTEST_IN), _TALLEST_IN) + _AROUND_IN)
    return figure, list(figure.subplots(1, 3, width_ratios=across))


def ct_axes(ct: Ct) -> tuple[Array, Array, Array]:
    return ct.z_mm, ct.y_mm, ct.x_mm


def _sums(mask: np.ndarray, axis: int) -> np.ndarray:
    total: np.ndarray = mask.sum(axis=tuple(other for other in range(3) if other != axis))
    return total


def _index(axis: Array, at_mm: float) -> int:
    return int(np.abs(axis - at_mm).argmin())


def _cut(values: Values, axes: tuple[Array, Array, Array], plane: Plane) -> Values:
    """(up, across) of the voxels nearest to the plane."""
    return _oriented(np.take(values, _index(axes[plane.axis], plane.at_mm), axis=plane.axis), plane)


def _oriented(values: np.ndarray, plane: Plane) -> np.ndarray:
    """Rows are the vertical axis: the two axes that are left keep their order, z before y before x."""
    return values if plane.up < plane.across else values.T


def _slab(dose: DoseGrid, plane: Plane) -> Values:
    index = _index(dose.axes[plane.axis], plane.at_mm)
    return np.take(dose.dose, [index], axis=plane.axis)


def _plane_axes(dose: DoseGrid, plane: Plane) -> tuple[Array, Array, Array]:
    axes = list(dose.axes)
    index = _index(axes[plane.axis], plane.at_mm)
    axes[plane.axis] = axes[plane.axis][index : index + 1]
    return axes[0], axes[1], axes[2]


def _lattice(dose: DoseGrid, plane: Plane, view: View) -> DoseGrid:
    """One plane, every n-th point where there are many."""
    shown = []
    for n, (axis, (low, high)) in enumerate(zip(dose.axes, view.limits, strict=True)):
        at = np.flatnonzero((axis >= low) & (axis <= high))
        index = _index(axis, plane.at_mm)
        shown.append(slice(index, index + 1) if n == plane.axis else slice(int(at[0]), int(at[-1]) + 1))
    points = np.prod([part.stop - part.start for part in shown])
    stride = max(1, int(np.ceil(np.sqrt(points / _MAX_PLANE_POINTS))))
    steps = [part if n == plane.axis else slice(part.start, part.stop, stride) for n, part in enumerate(shown)]
    z, y, x = (axis[step] for axis, step in zip(dose.axes, steps, strict=True))
    return replace(dose, dose=dose.dose[steps[0], steps[1], steps[2]], z_mm=z, y_mm=y, x_mm=x)


def _image(
    panel: Axes,
    values: np.ndarray,
    plane: Plane,
    axes: tuple[Array, Array, Array],
    limits: tuple[float, float],
    *,
    reverse: bool = False,
) -> AxesImage:
    return panel.imshow(
        values,
        origin="lower",
        extent=extent(axes[plane.across], axes[plane.up]),
        cmap="gray_r" if reverse else "gray",
        vmin=limits[0],
        vmax=limits[1],
        aspect="equal",
        interpolation="nearest",
    )


def _outline(
    panel: Axes, values: np.ndarray, plane: Plane, axes: tuple[Array, Array, Array], normalisation: float
) -> None:
    """The 50 % line of the planning dose: where the picture is."""
    if min(values.shape) > 1 and values.max() > 0.5 * normalisation:
        panel.contour(
            axes[plane.across],
            axes[plane.up],
            values,
            [0.5 * normalisation],
            colors="0.55",
            linestyles="dotted",
            linewidths=0.9,
        )


def _frame(panel: Axes, plane: Plane, view: View) -> None:
    names = "zyx"
    panel.set_xlim(view.limits[plane.across])
    low, high = view.limits[plane.up]
    panel.set_ylim((high, low) if plane.flip else (low, high))
    title = f"{plane.name}, {names[plane.axis]} = {plane.at_mm:.0f} mm"
    plain(panel, x=f"{names[plane.across]} (mm)", y=f"{names[plane.up]} (mm)", title=title)
    panel.grid(False)
