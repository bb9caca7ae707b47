"""Files of a case, as the treatment machine and the planning system write them."""

from __future__ import annotations

import pickle
from datetime import UTC
from functools import cache
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from actors.demo.factory import make_case
from actors.demo.recipe import CaseFault, CaseRecipe
from actors.errors import CaseError
from actors.formats.calibration import parse_calibration
from actors.formats.counts import range_factor
from actors.formats.ct import classify, volume_of
from actors.formats.mgn import parse_mgn
from actors.formats.plan import Plan
from actors.formats.plan_checks import plan_notes, refuse_beam
from actors.formats.plan_info import parse_plan_info
from actors.formats.plan_range import parse_plan_range
from actors.formats.plan_reader import parse_plan
from actors.formats.profile import load_profile
from actors.formats.ptn import parse_ptn
from actors.ledger.codec import time_text
from actors.scanner.identity import delivery_key
from tests.fuzz.reader import Reader
from tests.kit.profiles import CONF

_LARGEST_COLUMN = 2**63
_ZONES = ("UTC", "Asia/Seoul", "America/New_York")


@cache
def _files(**recipe: Any) -> dict[str, list[bytes]]:
    """Contents of a small synthetic case by suffix or name."""
    found: dict[str, list[bytes]] = {}
    for step in make_case(
        CaseRecipe(**{"beams": 1, "layers": 2, "spots": 4, "rows_per_layer": 20, "layer_mu": 0.02} | recipe), Path("/s")
    ).steps:
        path = Path(step.path)
        kind = path.name if path.suffix == ".txt" else path.suffix if path.suffix != ".dcm" else path.name[:2]
        found.setdefault(kind, []).append(step.content)
    return found


# --- the plan


def _plans() -> list[bytes]:
    plans = [_files()["RP"][0], _files(spot_tags="standard", scan_mode="spot")["RP"][0]]
    for fault in (CaseFault.RANGE_SHIFTER, CaseFault.MLC, CaseFault.BOLUS):
        plans += _files(fault=fault)["RP"]
    return [
        *plans,
        otherwise(plans[0], ImplicitVRLittleEndian),
        otherwise(plans[0], ExplicitVRBigEndian),
        open_ended(plans[0]),
    ]


def otherwise(plan: bytes, syntax: str) -> bytes:
    """The plan in another transfer syntax."""
    dataset = pydicom.dcmread(BytesIO(plan))
    for beam in dataset.IonBeamSequence:
        for point in beam.IonControlPointSequence:
            _ = [element.value for element in point]
    dataset.file_meta.TransferSyntaxUID = syntax
    buffer = BytesIO()
    implicit = syntax == ImplicitVRLittleEndian
    pydicom.dcmwrite(
        buffer, dataset, implicit_vr=implicit, little_endian=syntax != ExplicitVRBigEndian, force_encoding=True
    )
    return buffer.getvalue()


def open_ended(plan: bytes) -> bytes:
    """The plan with sequences and items of undefined length."""
    dataset = pydicom.dcmread(BytesIO(plan))
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@cache
def _profile() -> Any:
    return load_profile("reference", CONF / "engines")


def _read_plan(data: bytes) -> Plan:
    plan = parse_plan(data, "/share/RP.dcm")
    plan_notes(plan, plan.beams)
    pickle.loads(pickle.dumps(plan))
    for beam in plan.beams:
        assert abs(beam.number) < _LARGEST_COLUMN, "a beam number that no ledger holds"
        beam.name.encode()
        for layer in beam.layers:
            assert np.isfinite(layer.positions_mm).all()
            assert np.isfinite(layer.spots_mu).all()
            assert isfinite(layer.mu)
            assert isfinite(layer.energy_mev)
    for beam in plan.treatment_beams:
        refuse_beam(plan, beam, _profile())
    return plan


# --- text of the machine


def _read_plan_info(data: bytes) -> object:
    info = parse_plan_info(data, "/share/d/PlanInfo.txt")
    for zone in _ZONES:
        time_text(info.irradiated(zone))
        info.irradiated(zone).astimezone(UTC)
    delivery_key(info.study_uid, info.beam_number, info.stamp, info.start_layer)
    info.study_uid.encode()
    return info


def _read_plan_range(data: bytes) -> object:
    table = parse_plan_range(data, "/share/d/PlanRange.txt")
    assert all(row.layer < _LARGEST_COLUMN for row in table.rows)
    for row in table.rows:
        assert Path("/share/d", row.ptn).parent == Path("/share/d")
        row.ptn.encode()
        row.mgn.encode()
        range_factor(row.dose1_range, f"Beam 1, layer {row.layer}", "/share/d/PlanRange.txt")
    return table


def _calibrations() -> list[bytes]:
    return [path.read_bytes() for path in sorted((CONF / "calibrations").glob("*.txt"))]


def _read_calibration(data: bytes) -> object:
    calibration = parse_calibration("G1", data, "/conf/g1.txt")
    with np.errstate(all="raise"):
        scan = parse_mgn(bytes(14) + b"\xff" * 14, "beam 1, layer 1", "x.mgn")
        assert np.isfinite(scan.positions_mm(calibration)).all()
        counts = np.array([0.0, 65535.0])
        assert np.isfinite((counts - calibration.x_offset) * calibration.x_gain_mm).all()
        assert np.isfinite(counts * 1e9 * calibration.mu_per_count).all()
        assert np.isfinite(1e9 * calibration.time_gain_ms)
    return calibration


# --- binary of the machine


def _read_ptn(data: bytes) -> object:
    rows = parse_ptn(data, 1, "beam 1, layer 1", "/share/d/a.ptn")
    assert len(rows.beam_on) == len(rows)
    return rows.rows["dose1"].sum(dtype="int64")


def _read_mgn(data: bytes) -> object:
    scan = parse_mgn(data, "beam 1, layer 1", "/share/d/a.mgn")
    return scan.presets().sum()


# --- images beside the plan


def _images() -> list[bytes]:
    files = _files(ct=True)
    return [_small(files["CT"][0]), *files["RS"], *_files(fault=CaseFault.DENSITY_OVERRIDE)["RS"], *_files()["RP"]]


def _small(image: bytes) -> bytes:
    """The image without its pixels, which are not read."""
    dataset = pydicom.dcmread(BytesIO(image))
    del dataset.PixelData
    buffer = BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def _read_image(data: bytes) -> object:
    found = classify(data, "/share/CT.1.dcm")
    if found.slice is None:
        return found
    with np.errstate(all="raise"):
        grid = volume_of([found.slice, _next(found.slice)], _ct_profile()).grid((0.0, 0.0, 0.0))
    assert all(isfinite(number) for number in (*grid.spacing_mm, *grid.origin_mm))
    return grid


def _next(one: Any) -> Any:
    """The slice after it."""
    from dataclasses import replace  # noqa: PLC0415

    if len(one.origin_mm) != 3:
        raise CaseError("no origin", kind="ct-geometry-missing")
    return replace(one, origin_mm=(*one.origin_mm[:2], one.origin_mm[2] + one.thickness_mm))


@cache
def _ct_profile() -> Any:
    return _profile().model_copy(update={"geometry": "ct"})


_DICOM_WORDS = (
    b"SQ\0\0\xff\xff\xff\xff",
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
    b"1.2.840.10008.1.2.1.99",
    b"1.2.840.10008.1.2.1\0",
    b"1.2.840.10008.1.2\0",
    b"1.2.840.10008.1.2.2\0",
    b"OB\0\0",
    b"UN\0\0",
    b"DS",
    b"IS",
    b"FD",
    b"FL",
    b"US",
    b"LO",
    b"1e308",
    b"-1e308",
    b"nan",
    b"inf",
    b"1\\2\\3",
    b"99999999999999999999",
    b"\x0a\x30\xa2\x03",
    b"\x0a\x30\xa8\x03",
    b"\x0a\x30\x94\x03",
    b"\x0a\x30\x96\x03",
    b"ISO_IR 192",
    b"ISO 2022 IR 149",
)
_TEXT_WORDS = (
    b"\r\n",
    b",",
    b"\xef\xbb\xbf",
    b"0001",
    b"9999",
    b"99991231235959",
    b"00010101000000",
    b"1e400",
    b"nan",
    b'"',
)

READERS = (
    Reader(
        "rtplan",
        "RT Ion Plan (DICOM)",
        _plans,
        _read_plan,
        ("actors.formats", "pydicom"),
        words=_DICOM_WORDS,
        longest=16384,
    ),
    Reader(
        "image",
        "CT slice and structure set (DICOM)",
        _images,
        _read_image,
        ("actors.formats", "pydicom"),
        words=_DICOM_WORDS,
        longest=32768,
    ),
    Reader(
        "plan-info",
        "PlanInfo.txt",
        lambda: _files()["PlanInfo.txt"],
        _read_plan_info,
        ("actors.formats", "actors.ledger.codec"),
        words=_TEXT_WORDS,
    ),
    Reader(
        "plan-range",
        "PlanRange.txt",
        lambda: _files()["PlanRange.txt"],
        _read_plan_range,
        ("actors.formats",),
        words=_TEXT_WORDS,
    ),
    Reader("ptn", ".ptn, the measured beam", lambda: _files()[".ptn"], _read_ptn, ("actors.formats",)),
    Reader("mgn", ".mgn, the planned scan", lambda: _files()[".mgn"], _read_mgn, ("actors.formats",)),
    Reader(
        "calibration",
        "calibration of a gantry",
        _calibrations,
        _read_calibration,
        ("actors.formats",),
        words=(
            b"VALID_TO",
            b"VALID_FROM",
            b"1e308",
            b"-1e308",
            b"1e-320",
            b"9999-12-31",
            b"nan",
            b"inf",
            b"#",
            b"XSIZEGAIN",
        ),
    ),
)
