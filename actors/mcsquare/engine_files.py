"""MCsquare's input files, in a folder of their own; every name in them is short and relative.

The binary holds names in arrays of 100 to 200 bytes and does not look where they end: a run folder's path would not
fit. So it runs in the folder, and finds the materials by a link.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from actors.mcsquare.beam_data import BeamData
from actors.mcsquare.errors import DriverError
from actors.mcsquare.plan import Layer
from actors.mcsquare.scene import Scene

CONFIG = "config.txt"
MATERIALS = "Materials"
DOSE = Path("out/Dose.raw")
_CURVES = ("HU_Density_Conversion.txt", "HU_Material_Conversion.txt")
_MAX_SEED = 2**31 - 2
"""The binary reads a seed with atoi, and takes the clock's time for 0."""


def write_files(folder: Path, engine: Path, scanner: Path | None, scene: Scene, data: BeamData) -> None:
    """Everything that both half-runs share. ``scanner``: folder of the HU curves; None: everything is water."""
    folder.mkdir(parents=True)
    (folder / MATERIALS).symlink_to((engine / MATERIALS).absolute())
    (folder / "BDL.txt").write_text(data.text, encoding="utf-8")
    curves = _water(engine) if scanner is None else tuple(_text(scanner / name) for name in _CURVES)
    for name, text in zip(_CURVES, curves, strict=True):
        (folder / name).write_text(text, encoding="utf-8")
    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "DimSize": " ".join(map(str, scene.size)),
        "ElementSpacing": " ".join(f"{value:.6f}" for value in scene.spacing_mm),
        "Offset": "0 0 0",
        "ElementType": "MET_FLOAT",
        "ElementByteOrderMSB": "False",
        "ElementDataFile": "CT.raw",
    }
    (folder / "CT.mhd").write_text("".join(f"{key} = {value}\n" for key, value in header.items()), encoding="utf-8")
    np.ascontiguousarray(scene.hu, dtype="<f4").tofile(folder / "CT.raw")


def write_plan(folder: Path, scene: Scene, layers: Sequence[Layer]) -> None:
    """PlanPencil.txt: weights in MU, which the binary multiplies by the protons per MU of its beam model."""
    (folder / "PlanPencil.txt").write_text("\n".join(_plan_lines(scene, layers)) + "\n", encoding="utf-8")


def write_config(
    folder: Path, *, seed: int, half: int, primaries: int, threads: int, passed_on: Sequence[tuple[str, str]]
) -> int:
    """config.txt of one half-run, and its empty output folder; the seed that it says."""
    own = 1 + (2 * seed + half) % _MAX_SEED
    values = {
        "Num_Threads": threads,
        "RNG_Seed": own,
        "Num_Primaries": primaries,
        "CT_File": "CT.mhd",
        "HU_Density_Conversion_File": _CURVES[0],
        "HU_Material_Conversion_File": _CURVES[1],
        "BDL_Machine_Parameter_File": "BDL.txt",
        "BDL_Plan_File": "PlanPencil.txt",
        "Output_Directory": "out",
        "Dose_MHD_Output": "True",
        **dict(passed_on),
    }
    (folder / CONFIG).write_text("".join(f"{key} {value}\n" for key, value in values.items()), encoding="utf-8")
    (folder / DOSE).parent.mkdir(exist_ok=True)
    (folder / DOSE).unlink(missing_ok=True)
    return own


def _plan_lines(scene: Scene, layers: Sequence[Layer]) -> Iterator[str]:
    total = sum(float(layer.mu.sum()) for layer in layers)
    isocentre = " ".join(f"{value:.6f}" for value in scene.isocentre_mm)
    yield from ("#TREATMENT-PLAN-DESCRIPTION", "#PlanName", "run", "#NumberOfFractions", "1", "##FractionID", "1")
    yield from ("##NumberOfFields", "1", "###FieldsID", "1", "#TotalMetersetWeightOfAllFields", f"{total:.9f}", "")
    yield from ("#FIELD-DESCRIPTION", "###FieldID", "1", "###FinalCumulativeMeterSetWeight", f"{total:.9f}")
    yield from ("###GantryAngle", f"{scene.gantry_deg:.6f}", "###PatientSupportAngle", f"{scene.couch_deg:.6f}")
    yield from ("###IsocenterPosition", isocentre, "###NumberOfControlPoints", str(len(layers)), "")
    yield "#SPOTS-DESCRIPTION"
    done = 0.0
    for number, layer in enumerate(layers, 1):
        done += float(layer.mu.sum())
        yield from ("####ControlPointIndex", str(number), "####SpotTunnedID", "1")
        yield from ("####CumulativeMetersetWeight", f"{done:.9f}", "####Energy (MeV)", f"{layer.energy_mev:.6f}")
        yield from ("####NbOfScannedSpots", str(len(layer.mu)), "####X Y Weight")
        for (x, y), mu in zip(layer.positions_mm, layer.mu, strict=True):
            yield f"{x:.6f} {y:.6f} {mu:.12f}"


def _water(engine: Path) -> tuple[str, str]:
    """Curves that make every voxel liquid water of 1 g/cm3."""
    for line in _text(engine / MATERIALS / "list.dat").splitlines():
        words = line.split("#")[0].split()
        if words[1:] == ["Water"]:
            return "-1000 1.0\n1000 1.0\n", f"-1000 {words[0]}\n"
    raise DriverError(f"{engine / MATERIALS / 'list.dat'} has no Water.")


def _text(path: Path) -> str:
    """With LF line ends."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DriverError(f"{path} cannot be read: {error.strerror or error}.") from None
