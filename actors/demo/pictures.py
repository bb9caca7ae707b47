"""One picture per published case: slices through the dose's maximum, and the dose along the beam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pydicom import dcmread

_NOTICE = "synthetic case: not for clinical use"
_DOTS_PER_INCH = 110


@dataclass(frozen=True, slots=True)
class DoseFile:
    """One RT Dose as numbers."""

    label: str
    dose: NDArray[np.float64]
    """(z, y, x) in ``units``."""
    units: str
    axes_mm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    """Voxel centres along x, y, z."""
    phantom: bool
    """In water, in the beam's axes (z towards the source)."""

    @property
    def surface_mm(self) -> float:
        """z of the water's surface: the highest voxel's upper edge."""
        z = self.axes_mm[2]
        return float(z.max() + 0.5 * abs(z[1] - z[0])) if len(z) > 1 else float(z[0])


def draw_case(results: Path, target: Path) -> Path:
    """Draw what ``<results.dir>/<case>/`` holds into the PNG ``target``; the same path.

    OSError or pydicom's InvalidDicomError where the folder holds no readable ``sum.dcm``.
    """
    total = read_dose(results / "sum.dcm", "sum")
    beams = [read_dose(path, path.stem.replace("_", " ")) for path in sorted(results.glob("beam_*.dcm"), key=_number)]
    figure = Figure(figsize=(13.0, 8.0), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplot_mosaic([["xz", "yz", "xy"], ["along", "along", "across"]])
    figure.suptitle(f"{results.name}    maximum {total.dose.max():.3g} {total.units}    ({_NOTICE})", fontsize=11)
    _draw_slices(figure, panels, total)
    _draw_along(panels["along"], beams, total)
    _draw_across(panels["across"], total)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=_DOTS_PER_INCH, metadata={"Software": None})
    return target


def read_dose(path: Path, label: str) -> DoseFile:
    """An RT Dose file of ours: axial frames, identity orientation."""
    dataset = dcmread(path)
    shape = (int(dataset.NumberOfFrames), int(dataset.Rows), int(dataset.Columns))
    pixels = np.frombuffer(dataset.PixelData, dtype="<u4").reshape(shape)
    x0, y0, z0 = (float(value) for value in dataset.ImagePositionPatient)
    between_rows, between_columns = (float(value) for value in dataset.PixelSpacing)
    offsets = np.atleast_1d(np.asarray(dataset.GridFrameOffsetVector, dtype=np.float64))
    return DoseFile(
        label=label,
        dose=pixels * float(dataset.DoseGridScaling),
        units={"GY": "Gy"}.get(str(dataset.DoseUnits), "relative units"),
        axes_mm=(
            x0 + between_columns * np.arange(shape[2], dtype=np.float64),
            y0 + between_rows * np.arange(shape[1], dtype=np.float64),
            z0 + offsets,
        ),
        phantom=dataset.get("TissueHeterogeneityCorrection") == "WATER",
    )


def _number(path: Path) -> tuple[int, str]:
    digits = path.stem.rpartition("_")[2]
    return (int(digits) if digits.isdigit() else 0, path.name)


def _peak(dose: NDArray[np.float64]) -> tuple[int, int, int]:
    z, y, x = np.unravel_index(int(dose.argmax()), dose.shape)
    return int(z), int(y), int(x)


def _draw_slices(figure: Figure, panels: Mapping[str, Axes], total: DoseFile) -> None:
    z, y, x = _peak(total.dose)
    xs, ys, zs = total.axes_mm
    cuts = (
        ("xz", total.dose[:, y, :], xs, zs, f"y = {ys[y]:.0f} mm"),
        ("yz", total.dose[:, :, x], ys, zs, f"x = {xs[x]:.0f} mm"),
        ("xy", total.dose[z], xs, ys, f"z = {zs[z]:.0f} mm"),
    )
    for name, cut, across, up, where in cuts:
        panel = panels[name]
        shown = panel.imshow(
            cut,
            origin="lower",
            extent=(*_ends(across), *_ends(up)),
            cmap="inferno",
            vmin=0.0,
            vmax=float(total.dose.max()) or 1.0,
            aspect="equal",
        )
        panel.set(title=where, xlabel=f"{name[0]} (mm)", ylabel=f"{name[1]} (mm)")
    figure.colorbar(shown, ax=panels["xy"], label=f"dose ({total.units})")


def _ends(centres: NDArray[np.float64]) -> tuple[float, float]:
    half = 0.5 * float(centres[1] - centres[0]) if len(centres) > 1 else 0.5
    return float(centres[0]) - half, float(centres[-1]) + half


def _draw_along(panel: Axes, beams: Sequence[DoseFile], total: DoseFile) -> None:
    """In a phantom, the mean dose of each depth within the field; in a CT, the dose along z through the maximum."""
    for one, width in (*((beam, 1.2) for beam in beams), (total, 2.2)):
        place = one.surface_mm - one.axes_mm[2] if one.phantom else one.axes_mm[2]
        panel.plot(place, _within_field(one.dose, total), label=one.label, linewidth=width)
    panel.set(
        title="mean dose within the field" if total.phantom else "dose along z through the maximum",
        xlabel="depth in water (mm)" if total.phantom else "z (mm)",
        ylabel=f"dose ({total.units})",
    )
    panel.set_ylim(bottom=0.0)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)


def _within_field(dose: NDArray[np.float64], total: DoseFile) -> NDArray[np.float64]:
    z, y, x = _peak(total.dose)
    if not total.phantom:
        return dose[:, y, x]
    field = total.dose[z] > 0.5 * total.dose[z].max() if total.dose.max() > 0 else np.ones(dose.shape[1:], dtype=bool)
    mean: NDArray[np.float64] = dose[:, field].mean(axis=1)
    return mean


def _draw_across(panel: Axes, total: DoseFile) -> None:
    z, y, x = _peak(total.dose)
    panel.plot(total.axes_mm[0], total.dose[z, y], label="x")
    panel.plot(total.axes_mm[1], total.dose[z, :, x], label="y")
    panel.set(title="across, through the maximum", xlabel="x or y (mm)", ylabel=f"dose ({total.units})")
    panel.set_ylim(bottom=0.0)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
