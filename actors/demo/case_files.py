"""A synthetic case as files in memory: name and bytes of each, in the order in which the machine makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from actors.demo.delivery import Delivery, LayerLog
from actors.demo.planned import Identity
from actors.demo.recipe import CaseFault, CaseRecipe

RANGE_HEADER = (
    "RESULT_ID,LAYER_NO,LAYER_ENERGY,PATIENT_ID,FLD_NO,DOSE1_RANGE,DOSE2_RANGE,"
    "PLAN_DOSE1_RANGE,PLAN_DOSE2_RANGE,SCAN_OUT_FL_NM,PLAN_SCAN_OUT_FL_NM"
)
_WRONG_ENERGY_MEV = 1.5
_UNKNOWN_CODE = 7


def delivery_files(recipe: CaseRecipe, identity: Identity, delivery: Delivery, *, first: bool) -> dict[str, bytes]:
    """Files of one delivery folder; ``first``: the one that carries the recipe's fault, if it is one of its files."""
    fault = recipe.fault if first else None
    layers = list(delivery.layers)
    if fault is CaseFault.UNPLANNED_LAYER:
        layers.append(_copied(layers[-1], layers[-1].layer.number + 1))
    files = {
        "PlanInfo.txt": _plan_info(recipe, identity, delivery, layers, fault),
        "PlanRange.txt": _plan_range(recipe, identity, delivery, layers, fault),
    }
    for log in layers:
        files.update(_layer_files(log))
    if fault is not None:
        _spoil(files, layers, fault)
    return files


def _layer_files(log: LayerLog, suffix: str = "") -> dict[str, bytes]:
    return {
        f"{log.stem}{suffix}.ptn": log.rows.astype(">u2").tobytes(),
        f"{log.stem}{suffix}.mgn": log.records.tobytes(),
    }


def _copied(log: LayerLog, number: int) -> LayerLog:
    """The same measurement under another layer number."""
    layer = type(log.layer)(number, log.layer.energy_mev, log.layer.xy_mm, log.layer.weights)
    rows = log.rows.copy()
    rows[:, 6] = number
    return LayerLog(layer, log.energy_mev, log.range_code, rows, log.records, f"{log.stem[:-3]}{number:03d}")


def _plan_info(
    recipe: CaseRecipe, identity: Identity, delivery: Delivery, layers: list[LayerLog], fault: CaseFault | None
) -> bytes:
    lines = {
        "DICOM_PATIENT_ID": identity.patient_id,
        "DICOM_STUDY_INS_UID": identity.study_uid,
        "DICOM_BEAM_NUMBER": str(delivery.beam.number),
        "TCSC_IRRAD_DATETIME": delivery.folder,
        "TCSC_PATIENT_ID": identity.machine_patient,
        "TCSC_PLAN_NUMBER": str(recipe.plan),
        "TCSC_FIELD_NUMBER": str(delivery.beam.index + 2),
        "START_LAYER_NUMBER": str(layers[0].layer.number),
        "STOP_LAYER_NUMBER": str(layers[-1].layer.number),
        "SHARE_DIR": f"\\\\machine\\share\\{identity.machine_patient}",
        "ACTUAL_DIR": f"D:\\records\\{identity.machine_patient}\\{delivery.folder}",
    }
    lines |= _INFO_FAULTS.get(fault, {}) if fault else {}
    if fault is CaseFault.BAD_PLANINFO:
        del lines["DICOM_BEAM_NUMBER"]
        lines["SHARE_DIR"] = "D:\\share\nTCSC_FIELD_NUMBER"
    return "".join(f"{key},{value}\r\n" for key, value in lines.items()).encode()


_INFO_FAULTS: Mapping[CaseFault, Mapping[str, str]] = {
    CaseFault.WRONG_PATIENT: {"DICOM_PATIENT_ID": "DEMO99999"},
    CaseFault.WRONG_STUDY: {"DICOM_STUDY_INS_UID": "2.25.1234567890"},
    CaseFault.WRONG_BEAM: {"DICOM_BEAM_NUMBER": "97"},
}


def _plan_range(
    recipe: CaseRecipe, identity: Identity, delivery: Delivery, layers: list[LayerLog], fault: CaseFault | None
) -> bytes:
    marked = layers[_marked(layers)]
    rows = []
    for number, log in enumerate(layers):
        energy, code = log.energy_mev, log.range_code
        if log is marked and fault is CaseFault.WRONG_ENERGY:
            energy += _WRONG_ENERGY_MEV
        if log is marked and fault is CaseFault.UNKNOWN_RANGE_CODE:
            code = _UNKNOWN_CODE
        begin = f"{70000 + recipe.seed * 100 + number},{log.layer.number},{energy:.2f},{identity.machine_patient}"
        codes = f"{delivery.beam.index + 2},{code},{code},{code},{code}"
        rows.append(f"{begin},{codes},{log.stem}.ptn,{log.stem}.mgn")
        if log is marked and fault is CaseFault.DOUBLED_LAYER:
            rows.append(f"{begin},{codes},{log.stem}_2.ptn,{log.stem}_2.mgn")
        if log is marked and fault is CaseFault.BAD_PLANRANGE:
            rows[-1] = rows[-1].rsplit(",", 3)[0]
    return ("\r\n".join([RANGE_HEADER, *rows]) + "\r\n").encode()


def _marked(layers: list[LayerLog]) -> int:
    """Index of the layer that a file fault befalls: the second where there is one."""
    return min(1, len(layers) - 1)


def _spoil(files: dict[str, bytes], layers: list[LayerLog], fault: CaseFault) -> None:
    """Faults of the files themselves."""
    log = layers[_marked(layers)]
    ptn, mgn = f"{log.stem}.ptn", f"{log.stem}.mgn"
    if fault in _DROPPED:
        del files[_DROPPED[fault].format(stem=log.stem)]
    elif fault is CaseFault.EXTRA_LAYER:
        files.update(_layer_files(_copied(layers[-1], layers[-1].layer.number + 1)))
    elif fault is CaseFault.DOUBLED_LAYER:
        files.update(_layer_files(log, "_2"))
    elif fault in _CUTS:
        suffix, keep = _CUTS[fault]
        name = ptn if suffix == "ptn" else mgn
        files[name] = files[name][: keep(len(files[name]))]


_DROPPED = {
    CaseFault.MISSING_LAYER: "{stem}.ptn",
    CaseFault.MISSING_MGN: "{stem}.mgn",
    CaseFault.NO_PLANINFO: "PlanInfo.txt",
    CaseFault.NO_PLANRANGE: "PlanRange.txt",
}
_CUTS: Mapping[CaseFault, tuple[str, Callable[[int], int]]] = {
    CaseFault.TRUNCATED_PTN: ("ptn", lambda size: size - 7),
    CaseFault.SHORT_PTN: ("ptn", lambda size: size // 32 * 16),
    CaseFault.EMPTY_PTN: ("ptn", lambda size: 0),
    CaseFault.TRUNCATED_MGN: ("mgn", lambda size: size - 5),
    CaseFault.SHORT_MGN: ("mgn", lambda size: size - 3 * 14),
}
