"""The dose of a plan's sessions together: their sums added where they lie on one grid in one frame of reference."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from actors.errors import MqiError
from actors.reporter.content import Table
from actors.reporter.dose_grid import DoseGrid, grid_of
from actors.reporter.dvh import Dvh, histograms, structures_of
from actors.reporter.published import Manifest, read_manifest
from actors.reporter.sources import case_files
from messages.ledger import FractionRow

_LEVELS = 2**31 - 1
"""Of the sum for the histograms: 32 bits."""
_MAX_STRUCTURES = 24
_SAME_MM = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class CourseDose:
    """What was found."""

    of: tuple[str, ...]
    """Cases whose doses are added."""
    reason: str = ""
    """Why there is no sum; empty: there is."""
    maximum: float = 0.0
    units: str = ""
    """``Gy``, or ``relative``."""
    phantom: bool = False
    structures: tuple[Dvh, ...] = ()

    def sentence(self) -> str:
        if self.reason:
            return f"No dose of the sessions together: {self.reason}."
        where = "in the water phantom, along each beam's axes" if self.phantom else "in the patient"
        sessions = f"{len(self.of)} session{'s' if len(self.of) > 1 else ''}"
        return f"Physical dose of {sessions} together, {where}: maximum {self.maximum:.4g} {self.units}."

    def tables(self) -> Iterator[Table]:
        rows = tuple(
            (one.structure.name, f"{one.mean:.3f}", f"{one.at_volume(95.0):.3f}", f"{one.maximum:.3f}")
            for one in self.structures
        )
        if rows:
            title = f"Structures ({self.units} of the sessions together)"
            yield Table(title, ("structure", "mean", "D95", "max"), rows, (None,) * len(rows))

    def document(self) -> dict[str, object]:
        """For report.json."""
        return {
            "reason": self.reason,
            "maximum": self.maximum,
            "units": self.units,
            "phantom": self.phantom,
            "structures": [
                {"name": one.structure.name, "mean": one.mean, "d95": one.at_volume(95.0), "maximum": one.maximum}
                for one in self.structures
            ],
        }


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One session's dose."""

    manifest: Manifest
    dataset: Dataset
    grid: DoseGrid


class _NotAddedError(Exception):
    """Why the doses are not added, in words."""


def course_dose(counted: tuple[FractionRow, ...], case_folder: Path) -> CourseDose:
    """The sum over the results that count, and its structures if the case folder brings them. Raises nothing."""
    of = tuple(row.case for row in counted)
    if not counted:
        return CourseDose(of, "no session counts")
    try:
        total: npt.NDArray[np.float64] | None = None
        first = last = _part(counted[0])
        for row in counted:
            last = _part(row)
            _check_same(first, last, row.case)
            total = last.grid.dose.astype(np.float64) if total is None else total + last.grid.dose
        assert total is not None, "there is one at least"
    except _NotAddedError as error:
        return CourseDose(of, str(error))
    units = "Gy" if first.grid.gray else "relative"
    structures = () if first.manifest.phantom else _structures(last.dataset, total, case_folder, first.grid)
    return CourseDose(of, "", float(total.max()), units, first.manifest.phantom, structures)


def _part(row: FractionRow) -> _Part:
    """Raises _NotAddedError where the result is not what was published."""
    folder = Path(row.path)
    try:
        manifest, found = read_manifest(folder)
        name = str(manifest.sum["file"])
        content = (folder / name).read_bytes()
        proof = next(one for one in manifest.files if one.path == name)
        if row.result_sha256 not in ("", found) or hashlib.sha256(content).hexdigest() != proof.sha256:
            raise _NotAddedError(f"the result of {row.case} is not what was published")
        dataset = dcmread(folder / name)
        return _Part(manifest, dataset, grid_of(dataset, name))
    except (OSError, MqiError, InvalidDicomError, ValueError, KeyError, AttributeError, StopIteration) as error:
        raise _NotAddedError(f"the result of {row.case} cannot be read ({type(error).__name__})") from error


def _check_same(first: _Part, other: _Part, case: str) -> None:
    """Raises _NotAddedError unless the two doses may be added voxel by voxel."""
    one, two = first.grid, other.grid
    if any(len(a) != len(b) or not np.allclose(a, b, atol=_SAME_MM) for a, b in zip(one.axes, two.axes, strict=True)):
        raise _NotAddedError(f"the grid of {case} is another")
    if one.gray != two.gray:
        raise _NotAddedError(f"{case} is in gray and others are relative, or the other way round")
    if first.manifest.phantom != other.manifest.phantom:
        raise _NotAddedError(f"{case} is in a phantom and others are not, or the other way round")
    # A phantom has a frame of its own in every result; what is computed alike lies alike in it.
    if not first.manifest.phantom and one.frame_of_reference != two.frame_of_reference:
        raise _NotAddedError(f"the frame of reference of {case} is another")
    if first.manifest.phantom and _profile(first) != _profile(other):
        raise _NotAddedError(f"{case} was computed with another engine profile")


def _profile(part: _Part) -> object:
    return part.manifest.profile["name"], part.manifest.profile["content"]["geometry"]


def _structures(dataset: Dataset, total: npt.NDArray[np.float64], case_folder: Path, grid: DoseGrid) -> tuple[Dvh, ...]:
    """Of the structure set in the case folder; none where it has none, or not one."""
    try:
        sets = case_files(case_folder, grid.frame_of_reference).structure_sets
        if len(sets) != 1 or total.max() <= 0:
            return ()
        scaling = float(total.max()) / _LEVELS
        together = Dataset()
        together.update(dataset)
        together.file_meta = dataset.file_meta
        del together.PixelData, together.DoseGridScaling
        together.DoseGridScaling = scaling
        together.add_new(0x7FE00010, "OW", np.round(total / scaling).astype("<u4").tobytes())
        structure_set = dcmread(sets[0])
        return tuple(histograms(structure_set, together, structures_of(structure_set)[:_MAX_STRUCTURES]))
    except (OSError, InvalidDicomError, AttributeError, KeyError, ValueError):
        return ()
